// One round of each_isa.hpp: the body of RILL_KERNEL in the namespace RILL_ROUND, with vectors of RILL_LANES floats and the
// instructions that RILL_TARGET names. Both compilers take them from pragmas, which see no macros but through _Pragma.
// No #pragma once: there are several rounds.

#define RILL_PRAGMA(text) _Pragma(#text)
#if defined(__clang__)
#define RILL_BEGIN_TARGET(names) \
  RILL_PRAGMA(clang attribute push(__attribute__((target(names))), apply_to = function))
#define RILL_END_TARGET RILL_PRAGMA(clang attribute pop)
#else
#define RILL_BEGIN_TARGET(names) RILL_PRAGMA(GCC push_options) RILL_PRAGMA(GCC target(names))
#define RILL_END_TARGET RILL_PRAGMA(GCC pop_options)
#endif

RILL_BEGIN_TARGET(RILL_TARGET)
namespace rill::kernels::RILL_KERNEL::RILL_ROUND {
#include <rill/core/kernels/lanes.hpp>
//
#include RILL_KERNEL_BODY
}  // namespace rill::kernels::RILL_KERNEL::RILL_ROUND
RILL_END_TARGET

#undef RILL_PRAGMA
#undef RILL_BEGIN_TARGET
#undef RILL_END_TARGET
#undef RILL_ROUND
#undef RILL_LANES
#undef RILL_TARGET
