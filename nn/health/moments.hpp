// Moments: what one pass over a tensor's numbers tells.
#pragma once

#include <rill/core/tensor.hpp>

namespace rill::nn::detail {

/// Sums in double, in an order that follows from the number of elements alone.
struct Moments {
  double sum = 0, squares = 0, largest = 0;  ///< largest: of |x|
  bool finite = true;
};
Moments moments_of(const Tensor& x);
/// ‖after − before‖ / ‖before‖, of floating tensors of one shape and dtype.
double update_ratio(const Tensor& before, const Tensor& after);

}  // namespace rill::nn::detail
