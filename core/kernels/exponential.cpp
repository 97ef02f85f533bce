#include <rill/core/kernels/exponential.hpp>

#define RILL_KERNEL exponential
#define RILL_KERNEL_BODY <rill/core/kernels/exponential_body.hpp>
#include <rill/core/kernels/each_isa.hpp>

namespace rill::kernels {

void exp_linear(const ExpLinear& f, const float* x, float* y, long count, Isa isa) {
  takes_avx2(isa) ? exponential::avx2::values(f, x, y, count) : exponential::plain::values(f, x, y, count);
}

void exp_linear_slope(const ExpLinear& f, const float* g, const float* x, float* dx, long count, Isa isa) {
  takes_avx2(isa) ? exponential::avx2::slopes(f, g, x, dx, count)
                  : exponential::plain::slopes(f, g, x, dx, count);
}

}  // namespace rill::kernels
