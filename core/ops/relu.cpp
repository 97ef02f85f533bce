#include <rill/core/ops/relu.hpp>

namespace rill {

template struct ops::Elementwise<ops::Relu>;
template struct ops::Slope<ops::Relu, true>;

Tensor relu(const Tensor& x) { return elementwise(ops::Relu{}, x); }
Tensor Tensor::relu() const { return rill::relu(*this); }
Tensor& Tensor::relu_() { return elementwise_(ops::Relu{}, *this); }

}  // namespace rill
