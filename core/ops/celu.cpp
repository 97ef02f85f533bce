#include <rill/core/ops/celu.hpp>

namespace rill {

template struct ops::Elementwise<ops::Celu>;
template struct ops::Elementwise<ops::Celu, true>;
template struct ops::Slope<ops::Celu, false>;
template struct ops::Slope<ops::Celu, true>;

void ops::Celu::check(DType dtype) const {
  RILL_CHECK(alpha >= smallest_positive(dtype) && alpha <= largest_finite(dtype), "celu: alpha is ", alpha,
             ", expected a finite number above 0");
}

Tensor celu(const Tensor& x, double alpha) { return elementwise(ops::Celu{alpha}, x); }
Tensor Tensor::celu(double alpha) const { return rill::celu(*this, alpha); }
Tensor& Tensor::celu_(double alpha) { return elementwise_(ops::Celu{alpha}, *this); }

}  // namespace rill
