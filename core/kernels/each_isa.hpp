// Compiles the body of a kernel once in plain code, once for AVX2, and where RILL_KERNEL_WIDE is defined beside its name once for
// AVX-512. A kernel NAME is three files:
//
//   NAME.hpp       what callers see: plain functions of pointers and sizes
//   NAME_body.hpp  the code, written once with lanes.hpp; no includes, no #pragma once, everything static or a template
//   NAME.cpp       #include <rill/core/kernels/NAME.hpp>, every header that the body needs, then
//                    #define RILL_KERNEL NAME
//                    #define RILL_KERNEL_BODY <rill/core/kernels/NAME_body.hpp>
//                    #include <rill/core/kernels/each_isa.hpp>
//                  and the public functions, which choose:
//                    takes_avx2(isa()) ? kernels::NAME::avx2::run(x, n) : kernels::NAME::plain::run(x, n);
//                  or for a wide one among kernels::NAME::avx512::run, avx2::run and plain::run.
//
// The body lands in the namespaces rill::kernels::NAME::plain, ::avx2 and ::avx512. What it calls from headers outside is
// inlined or stays as it is compiled there: no function for a newer instruction set is shared with the rest of the program.
// No #pragma once: each kernel includes it once.

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define RILL_LANES 4
namespace rill::kernels::RILL_KERNEL::plain {
#include <rill/core/kernels/lanes.hpp>
//
#include RILL_KERNEL_BODY
}  // namespace rill::kernels::RILL_KERNEL::plain
#undef RILL_LANES

#if defined(__x86_64__)
#define RILL_ROUND avx2
#define RILL_LANES 8
#define RILL_TARGET "avx2,fma"
#include <rill/core/kernels/one_isa.hpp>
#ifdef RILL_KERNEL_WIDE
#define RILL_ROUND avx512
#define RILL_LANES 16
#define RILL_TARGET "avx512f,avx2,fma"
#include <rill/core/kernels/one_isa.hpp>
#endif
#else
namespace rill::kernels::RILL_KERNEL {
namespace avx2 = plain;  // never chosen
#ifdef RILL_KERNEL_WIDE
namespace avx512 = plain;
#endif
}  // namespace rill::kernels::RILL_KERNEL
#endif

#undef RILL_KERNEL
#undef RILL_KERNEL_WIDE
#undef RILL_KERNEL_BODY
