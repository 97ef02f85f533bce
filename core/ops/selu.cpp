#include <rill/core/ops/selu.hpp>

namespace rill {

template struct ops::Elementwise<ops::Selu>;
template struct ops::Elementwise<ops::Selu, true>;
template struct ops::Slope<ops::Selu, false>;
template struct ops::Slope<ops::Selu, true>;

Tensor selu(const Tensor& x) { return elementwise(ops::Selu{}, x); }
Tensor Tensor::selu() const { return rill::selu(*this); }
Tensor& Tensor::selu_() { return elementwise_(ops::Selu{}, *this); }

}  // namespace rill
