#include <rill/core/ops/bounded_relu.hpp>

namespace rill {

template struct ops::Elementwise<ops::BoundedRelu>;
template struct ops::Slope<ops::BoundedRelu, false>;

void ops::BoundedRelu::check(DType dtype) const {
  const double most = largest_finite(dtype);
  const auto& [slope, ceiling, threshold] = options;
  RILL_CHECK(slope >= 0 && slope <= most, "bounded_relu: negative_slope is ", slope,
             ", expected a finite number, 0 or more");
  RILL_CHECK(threshold >= 0 && threshold <= most, "bounded_relu: threshold is ", threshold,
             ", expected a finite number, 0 or more");
  RILL_CHECK(ceiling >= threshold, "bounded_relu: max_value is ", ceiling,
             ", expected no less than the threshold, ", threshold);
}

Tensor bounded_relu(const Tensor& x, const BoundedReluOptions& options) {
  return elementwise(ops::BoundedRelu{options}, x);
}

}  // namespace rill
