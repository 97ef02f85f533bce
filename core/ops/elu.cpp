#include <rill/core/ops/elu.hpp>

namespace rill {

template <>
void ops::Elementwise<ops::Elu>::forward(const Tensor& x, Tensor& y) const {
  exp_linear_values(f, x, y);
}
template <>
void ops::Elementwise<ops::Elu, true>::forward(const Tensor& x, Tensor& y) const {
  exp_linear_values(f, x, y);
}
template <>
void ops::Slope<ops::Elu, false>::forward(const Tensor& g, const Tensor& x, Tensor& dx) const {
  exp_linear_slopes(f, g, x, dx);
}

template struct ops::Elementwise<ops::Elu>;
template struct ops::Elementwise<ops::Elu, true>;
template struct ops::Slope<ops::Elu, false>;
template struct ops::Slope<ops::Elu, true>;

void ops::Elu::check(DType dtype) const {
  RILL_CHECK(alpha >= 0 && alpha <= largest_finite(dtype), "elu: alpha is ", alpha,
             ", expected a finite number, 0 or more");
}

Tensor elu(const Tensor& x, double alpha) { return elementwise(ops::Elu{alpha}, x); }
Tensor Tensor::elu(double alpha) const { return rill::elu(*this, alpha); }
Tensor& Tensor::elu_(double alpha) { return elementwise_(ops::Elu{alpha}, *this); }

}  // namespace rill
