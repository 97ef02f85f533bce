#include <rill/core/ops/selu.hpp>

namespace rill {

template <>
void ops::Elementwise<ops::Selu>::forward(const Tensor& x, Tensor& y) const {
  exp_linear_values(f, x, y);
}
template <>
void ops::Elementwise<ops::Selu, true>::forward(const Tensor& x, Tensor& y) const {
  exp_linear_values(f, x, y);
}
template <>
void ops::Slope<ops::Selu, false>::forward(const Tensor& g, const Tensor& x, Tensor& dx) const {
  exp_linear_slopes(f, g, x, dx);
}

template struct ops::Elementwise<ops::Selu>;
template struct ops::Elementwise<ops::Selu, true>;
template struct ops::Slope<ops::Selu, false>;
template struct ops::Slope<ops::Selu, true>;

Tensor selu(const Tensor& x) { return elementwise(ops::Selu{}, x); }
Tensor Tensor::selu() const { return rill::selu(*this); }
Tensor& Tensor::selu_() { return elementwise_(ops::Selu{}, *this); }

}  // namespace rill
