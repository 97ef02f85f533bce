#include <rill/core/ops/silu.hpp>

namespace rill {

template struct ops::Elementwise<ops::Silu>;
template struct ops::Slope<ops::Silu, false>;

Tensor silu(const Tensor& x) { return elementwise(ops::Silu{}, x); }
Tensor Tensor::silu() const { return rill::silu(*this); }

}  // namespace rill
