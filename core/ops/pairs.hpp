// How the kernels of ops on two or three operands that broadcast walk over them: for_pairs and for_triples.
#pragma once

#include <rill/core/broadcast.hpp>
#include <rill/core/elementwise.hpp>

namespace rill::ops {

// Only f32 is worth the code of a second instruction set.
template <class T, class Body>
void loop_of(std::int64_t begin, std::int64_t end, Body body) {
  if constexpr (std::is_same_v<T, float>) {
    detail::independent_loop(begin, end, body);
  } else {
    detail::plain_loop(begin, end, body);
  }
}

/// y = f(a, b) for every pair; the elements of a and b are In, those of y are Out. y may be a or b.
template <class In, class Out, class F>
void for_pairs(const Tensor& a, const Tensor& b, Tensor& y, F f) {
  const detail::BroadcastPlan plan(y.shape(), a.shape(), b.shape());
  const In *all_a = a.data<In>().data(), *all_b = b.data<In>().data();
  Out* all_y = y.mutable_data<Out>().data();
  // The steps are constants inside each loop, so that each is vectorised.
  for_rows(plan, [&](std::int64_t row, std::int64_t begin, std::int64_t end) {
    const auto start = plan.start(row);
    const In *in_a = all_a + start.a, *in_b = all_b + start.b;
    Out* out = all_y + row * plan.columns;
    if (plan.step_a == 0) {
      const In value = *in_a;
      loop_of<In>(begin, end, [=](std::int64_t i) { out[i] = f(value, in_b[plan.step_b ? i : 0]); });
    } else if (plan.step_b == 0) {
      const In value = *in_b;
      loop_of<In>(begin, end, [=](std::int64_t i) { out[i] = f(in_a[i], value); });
    } else {
      loop_of<In>(begin, end, [=](std::int64_t i) { out[i] = f(in_a[i], in_b[i]); });
    }
  });
}

/// BroadcastPlan for three operands.
class TriplePlan {
 public:
  /// `result` must be what the operands broadcast to.
  TriplePlan(const Shape& result, const std::array<Shape, 3>& operands);

  std::int64_t rows = 1, columns = 1;
  std::array<std::int64_t, 3> steps{1, 1, 1};
  /// Where row `row` begins in each operand.
  std::array<std::int64_t, 3> start(std::int64_t row) const;

  struct Dim {
    std::int64_t size = 1;
    std::array<std::int64_t, 3> strides{};
  };

 private:
  int outer_ = 0;
  std::array<Dim, Shape::max_rank> dims_{};
};

/// y = f(a, b, c) for every triple; the elements of a are A, those of b, c and y are T.
template <class A, class T, class F>
void for_triples(const Tensor& a, const Tensor& b, const Tensor& c, Tensor& y, F f) {
  const TriplePlan plan(y.shape(), {a.shape(), b.shape(), c.shape()});
  const A* all_a = a.data<A>().data();
  const T *all_b = b.data<T>().data(), *all_c = c.data<T>().data();
  T* all_y = y.mutable_data<T>().data();
  const auto row_range = [&](std::int64_t row, std::int64_t begin, std::int64_t end) {
    const std::array<std::int64_t, 3> start = plan.start(row);
    const A* in_a = all_a + start[0];
    const T *in_b = all_b + start[1], *in_c = all_c + start[2];
    T* out = all_y + row * plan.columns;
    const auto [step_a, step_b, step_c] = plan.steps;
    if (step_a == 1 && step_b == 1 && step_c == 1) {
      loop_of<T>(begin, end, [=](std::int64_t i) { out[i] = f(in_a[i], in_b[i], in_c[i]); });
    } else if (step_a == 1 && step_b == 1) {
      const T value = *in_c;
      loop_of<T>(begin, end, [=](std::int64_t i) { out[i] = f(in_a[i], in_b[i], value); });
    } else if (step_a == 1 && step_c == 1) {
      const T value = *in_b;
      loop_of<T>(begin, end, [=](std::int64_t i) { out[i] = f(in_a[i], value, in_c[i]); });
    } else {
      const std::int64_t to_a = step_a, to_b = step_b, to_c = step_c;
      for (std::int64_t i = begin; i < end; ++i) out[i] = f(in_a[i * to_a], in_b[i * to_b], in_c[i * to_c]);
    }
  };
  if (plan.rows == 1) {
    parallel_for(plan.columns,
                 [&](std::int64_t begin, std::int64_t end) { row_range(std::int64_t{0}, begin, end); });
    return;
  }
  parallel_for(
      plan.rows,
      [&](std::int64_t first, std::int64_t last) {
        for (std::int64_t row = first; row < last; ++row) row_range(row, 0, plan.columns);
      },
      detail::parallel_grain / std::min(plan.columns + 1, detail::parallel_grain) + 1);
}

}  // namespace rill::ops
