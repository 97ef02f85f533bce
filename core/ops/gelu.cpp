#include <rill/core/ops/gelu.hpp>

namespace rill {

template struct ops::Elementwise<ops::Gelu>;
template struct ops::Slope<ops::Gelu, false>;
template struct ops::Elementwise<ops::GeluTanh>;
template struct ops::Slope<ops::GeluTanh, false>;

Tensor gelu(const Tensor& x, GeluApproximation approximation) {
  return approximation == GeluApproximation::none ? elementwise(ops::Gelu{}, x)
                                                  : elementwise(ops::GeluTanh{}, x);
}
Tensor Tensor::gelu() const { return rill::gelu(*this); }

}  // namespace rill
