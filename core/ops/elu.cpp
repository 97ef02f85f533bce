#include <rill/core/kernels/exponential.hpp>
#include <rill/core/ops/elu.hpp>

namespace rill {

template struct ops::Elementwise<ops::Elu>;
template struct ops::Elementwise<ops::Elu, true>;
template struct ops::Slope<ops::Elu, false>;
template struct ops::Slope<ops::Elu, true>;

void ops::Elu::values(const float* x, float* y, std::int64_t count) const {
  kernels::exp_linear({1, static_cast<float>(alpha)}, x, y, count, isa());
}

void ops::Elu::slopes(const float* g, const float* x, float* dx, std::int64_t count) const {
  kernels::exp_linear_slope({1, static_cast<float>(alpha)}, g, x, dx, count, isa());
}

void ops::Elu::check(DType dtype) const {
  RILL_CHECK(alpha >= 0 && alpha <= largest_finite(dtype), "elu: alpha is ", alpha,
             ", expected a finite number, 0 or more");
}

Tensor elu(const Tensor& x, double alpha) { return elementwise(ops::Elu{alpha}, x); }
Tensor Tensor::elu(double alpha) const { return rill::elu(*this, alpha); }
Tensor& Tensor::elu_(double alpha) { return elementwise_(ops::Elu{alpha}, *this); }

}  // namespace rill
