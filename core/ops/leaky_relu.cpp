#include <rill/core/ops/leaky_relu.hpp>

namespace rill {

template struct ops::Elementwise<ops::LeakyRelu>;
template struct ops::Slope<ops::LeakyRelu, true>;

void ops::LeakyRelu::check(DType dtype) const {
  RILL_CHECK(negative_slope >= 0 && negative_slope <= largest_finite(dtype), "leaky_relu: negative_slope is ",
             negative_slope, ", expected a finite number, 0 or more");
}

Tensor leaky_relu(const Tensor& x, double negative_slope) {
  return elementwise(ops::LeakyRelu{negative_slope}, x);
}
Tensor Tensor::leaky_relu(double negative_slope) const { return rill::leaky_relu(*this, negative_slope); }
Tensor& Tensor::leaky_relu_(double negative_slope) {
  return elementwise_(ops::LeakyRelu{negative_slope}, *this);
}

}  // namespace rill
