#include <rill/core/broadcast.hpp>

namespace rill::detail {

BroadcastPlan::BroadcastPlan(const Shape& result, const Shape& a, const Shape& b) {
  // From the last dimension to the first: merge a dimension into the one after it where both operands just go on.
  struct Dim {
    std::int64_t size, stride_a, stride_b;
  };
  std::array<Dim, Shape::max_rank> dims{};
  int count = 0;
  std::int64_t next_a = 1, next_b = 1;
  for (int i = result.rank() - 1; i >= 0; --i) {
    const int in_a = i - (result.rank() - a.rank()), in_b = i - (result.rank() - b.rank());
    const std::int64_t size_a = in_a < 0 ? 1 : a[in_a], size_b = in_b < 0 ? 1 : b[in_b];
    if (result[i] == 1) continue;
    const Dim dim{result[i], size_a == 1 ? 0 : next_a, size_b == 1 ? 0 : next_b};
    next_a *= size_a;
    next_b *= size_b;
    if (count > 0) {
      Dim& inner = dims[static_cast<std::size_t>(count - 1)];
      if (dim.stride_a == inner.stride_a * inner.size && dim.stride_b == inner.stride_b * inner.size) {
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
  step_a = dims[0].stride_a;
  step_b = dims[0].stride_b;
  outer_ = count - 1;
  for (int i = 0; i < outer_; ++i) {
    const auto at = static_cast<std::size_t>(i);
    const Dim& dim = dims[at + 1];
    sizes_[at] = dim.size;
    stride_a_[at] = dim.stride_a;
    stride_b_[at] = dim.stride_b;
    rows *= dim.size;
  }
}

BroadcastPlan::Start BroadcastPlan::start(std::int64_t row) const {
  Start start{0, 0};
  for (std::size_t i = 0; i < static_cast<std::size_t>(outer_); ++i) {
    const std::int64_t at = row % sizes_[i];
    start.a += at * stride_a_[i];
    start.b += at * stride_b_[i];
    row /= sizes_[i];
  }
  return start;
}

}  // namespace rill::detail
