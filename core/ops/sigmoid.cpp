#include <rill/core/ops/sigmoid.hpp>

namespace rill {

template struct ops::Elementwise<ops::Sigmoid>;
template struct ops::Elementwise<ops::Sigmoid, true>;
template struct ops::Slope<ops::Sigmoid, false>;
template struct ops::Slope<ops::Sigmoid, true>;

Tensor sigmoid(const Tensor& x) { return elementwise(ops::Sigmoid{}, x); }
Tensor Tensor::sigmoid() const { return rill::sigmoid(*this); }
Tensor& Tensor::sigmoid_() { return elementwise_(ops::Sigmoid{}, *this); }

}  // namespace rill
