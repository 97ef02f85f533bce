// How a kernel walks over operands that broadcast: rows of equal steps, without copying an operand.
#pragma once

#include <rill/core/parallel.hpp>
#include <rill/core/shape.hpp>

namespace rill::detail {

/// `rows` × `columns` elements of the result; along a row, operand a advances by step_a (0 or 1) and b by step_b.
/// Adjacent dimensions in which both operands advance alike are merged.
class BroadcastPlan {
 public:
  /// `result` must be what a and b broadcast to.
  BroadcastPlan(const Shape& result, const Shape& a, const Shape& b);

  std::int64_t rows = 1, columns = 1;
  std::int64_t step_a = 1, step_b = 1;

  struct Start {
    std::int64_t a, b;
  };
  /// Where row `row` begins in a and in b.
  Start start(std::int64_t row) const;

 private:
  int outer_ = 0;
  std::array<std::int64_t, Shape::max_rank> sizes_{}, stride_a_{}, stride_b_{};
};

/// Calls `body(row, begin, end)` for column ranges that together cover every row, in parallel where it pays.
template <class Body>
void for_rows(const BroadcastPlan& plan, Body&& body) {
  if (plan.rows == 1) {
    parallel_for(plan.columns,
                 [&](std::int64_t begin, std::int64_t end) { body(std::int64_t{0}, begin, end); });
    return;
  }
  const std::int64_t grain =
      parallel_grain / (plan.columns < parallel_grain ? plan.columns + 1 : parallel_grain) + 1;
  parallel_for(
      plan.rows,
      [&](std::int64_t first, std::int64_t last) {
        for (std::int64_t row = first; row < last; ++row) body(row, std::int64_t{0}, plan.columns);
      },
      grain);
}

}  // namespace rill::detail
