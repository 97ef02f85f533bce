#include <rill/core/ops/pairs.hpp>

namespace rill::ops {

TriplePlan::TriplePlan(const Shape& result, const std::array<Shape, 3>& operands) {
  // From the last dimension to the first: merge a dimension into the one after it where all operands just go on.
  std::array<Dim, Shape::max_rank> dims{};
  int count = 0;
  std::array<std::int64_t, 3> next{1, 1, 1};
  for (int i = result.rank() - 1; i >= 0; --i) {
    if (result[i] == 1) continue;
    Dim dim{result[i], {}};
    for (std::size_t k = 0; k < 3; ++k) {
      const int at = i - (result.rank() - operands[k].rank());
      const std::int64_t size = at < 0 ? 1 : operands[k][at];
      dim.strides[k] = size == 1 ? 0 : next[k];
      next[k] *= size;
    }
    if (count > 0) {
      Dim& inner = dims[static_cast<std::size_t>(count - 1)];
      bool goes_on = true;
      for (std::size_t k = 0; k < 3; ++k) goes_on &= dim.strides[k] == inner.strides[k] * inner.size;
      if (goes_on) {
        inner.size *= dim.size;
        continue;
      }
    }
    dims[static_cast<std::size_t>(count++)] = dim;
  }
  if (count == 0) {
    columns = result.numel();  // one element, or none
    return;
  }
  columns = dims[0].size;
  steps = dims[0].strides;
  outer_ = count - 1;
  for (std::size_t i = 0; i < static_cast<std::size_t>(outer_); ++i) {
    dims_[i] = dims[i + 1];
    rows *= dims_[i].size;
  }
}

std::array<std::int64_t, 3> TriplePlan::start(std::int64_t row) const {
  std::array<std::int64_t, 3> start{};
  for (std::size_t i = 0; i < static_cast<std::size_t>(outer_); ++i) {
    const std::int64_t at = row % dims_[i].size;
    for (std::size_t k = 0; k < 3; ++k) start[k] += at * dims_[i].strides[k];
    row /= dims_[i].size;
  }
  return start;
}

}  // namespace rill::ops
