#include <rill/core/ops/softplus.hpp>

namespace rill {

template struct ops::Elementwise<ops::Softplus>;
template struct ops::Slope<ops::Softplus, false>;

void ops::Softplus::check(DType dtype) const {
  RILL_CHECK(beta >= smallest_positive(dtype) && beta <= largest_finite(dtype), "softplus: beta is ", beta,
             ", expected a finite number above 0");
  RILL_CHECK(!std::isnan(threshold), "softplus: threshold is nan, expected a number");
}

// Inputs that are drawn lie between 0.1 and 1.5 from 0: no threshold is near one of them.
std::vector<ops::Softplus> ops::Softplus::samples() { return {{1.0}, {2.0}, {0.5}, {1.0, 0.05}}; }

Tensor softplus(const Tensor& x, double beta, double threshold) {
  return elementwise(ops::Softplus{beta, threshold}, x);
}
Tensor Tensor::softplus(double beta) const { return rill::softplus(*this, beta); }

}  // namespace rill
