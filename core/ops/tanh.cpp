#include <rill/core/ops/tanh.hpp>

namespace rill {

template struct ops::Elementwise<ops::Tanh>;
template struct ops::Elementwise<ops::Tanh, true>;
template struct ops::Slope<ops::Tanh, false>;
template struct ops::Slope<ops::Tanh, true>;

Tensor tanh(const Tensor& x) { return elementwise(ops::Tanh{}, x); }
Tensor Tensor::tanh() const { return rill::tanh(*this); }
Tensor& Tensor::tanh_() { return elementwise_(ops::Tanh{}, *this); }

}  // namespace rill
