#include <rill/core/kernels/prelu.hpp>

#define RILL_KERNEL prelu
#define RILL_KERNEL_BODY <rill/core/kernels/prelu_body.hpp>
#include <rill/core/kernels/each_isa.hpp>

namespace rill::kernels {

double prelu_slopes(float slope, const float* g, const float* x, float* dx, long count, Isa isa) {
  return takes_avx2(isa) ? prelu::avx2::slopes(slope, g, x, dx, count)
                         : prelu::plain::slopes(slope, g, x, dx, count);
}

}  // namespace rill::kernels
