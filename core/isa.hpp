// Instruction sets: which of them rill's kernels are compiled for, and which one runs.
//
// A binary runs on every machine of its architecture: kernels in core/kernels are compiled once for each set of vectors
// (core/kernels/each_isa.hpp), and the machine decides at the first use. Results may differ in their last bits between plain
// code and AVX2, and in f64 between machines for which OpenBLAS has kernels of their own; never between two runs with one.
#pragma once

#include <string_view>
#include <utility>

namespace rill {

/// `plain` is what the compiler was told to take for granted (SSE2 on x86-64, NEON on AArch64); `avx2` means AVX2 with FMA;
/// `avx512` is AVX-512F for f32 products, elu and selu, AVX2 for all else, and gives the same bits as `avx2`. `naive` is
/// plain code in which every matrix product is one loop over its terms, without OpenBLAS: the slow reference that tests hold
/// the fast ways against, never chosen but by name.
/// What a machine has comes in this order.
enum class Isa { plain, avx2, avx512, naive };

/// Whether what is compiled for AVX2 runs.
constexpr bool takes_avx2(Isa isa) { return isa == Isa::avx2 || isa == Isa::avx512; }

/// The instruction set that kernels run with: the best one of this machine, or what the environment variable RILL_ISA names.
/// Throws Error if that is unknown or not on this machine.
Isa isa();

/// "plain", "avx2", "avx512" or "naive".
std::string_view isa_name(Isa isa);

namespace detail {

#if defined(__x86_64__)
// Flattened: what the body calls becomes part of this function, and so is compiled as it is.
template <class Body>
[[gnu::target("avx2,fma"), gnu::flatten]] void run_avx2(Body body) {
  body();
}
#endif

}  // namespace detail

/// Calls `body`, compiled for AVX2 where isa() takes that: for a loop or two over elements, with captures by
/// value. What cannot be inlined runs as it is compiled elsewhere.
template <class Body>
inline void on_isa(Body body) {
#if defined(__x86_64__)
  if (takes_avx2(isa())) return detail::run_avx2(std::move(body));
#endif
  body();
}

}  // namespace rill
