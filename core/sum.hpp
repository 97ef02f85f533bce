// Sums whose order, and so whose bits, follow from the length alone.
#pragma once

#include <cstdint>

namespace rill::detail {

/// Σ of `count` contiguous elements in f64, in 8 interleaved lanes.
template <class T>
double sum_run(const T* x, std::int64_t count) {
  double lanes[8] = {};
  std::int64_t i = 0;
  for (; i + 8 <= count; i += 8) {
    for (int lane = 0; lane < 8; ++lane) lanes[lane] += static_cast<double>(x[i + lane]);
  }
  for (int lane = 0; i < count; ++i, ++lane) lanes[lane] += static_cast<double>(x[i]);
  return ((lanes[0] + lanes[4]) + (lanes[1] + lanes[5])) + ((lanes[2] + lanes[6]) + (lanes[3] + lanes[7]));
}

}  // namespace rill::detail
