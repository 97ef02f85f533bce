#include <rill/core/kernels/exponential.hpp>

#define RILL_KERNEL exponential
#define RILL_KERNEL_WIDE
#define RILL_KERNEL_BODY <rill/core/kernels/exponential_body.hpp>
#include <rill/core/kernels/each_isa.hpp>

namespace rill::kernels {

void exp_linear(const ExpLinear& f, const float* x, float* y, long count, Isa isa) {
  const auto run = isa == Isa::avx512 ? exponential::avx512::values
                   : isa == Isa::avx2 ? exponential::avx2::values
                                      : exponential::plain::values;
  run(f, x, y, count);
}

void exp_linear_slope(const ExpLinear& f, const float* g, const float* x, float* dx, long count, Isa isa) {
  const auto run = isa == Isa::avx512 ? exponential::avx512::slopes
                   : isa == Isa::avx2 ? exponential::avx2::slopes
                                      : exponential::plain::slopes;
  run(f, g, x, dx, count);
}

}  // namespace rill::kernels
