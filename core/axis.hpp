// Tensors seen around one axis: sizes, copies of equal runs, and checks of index tensors.
#pragma once

#include <algorithm>

#include <rill/core/parallel.hpp>
#include <rill/core/tensor.hpp>

namespace rill::detail {

/// A shape as [outer, size, inner]: what lies before `axis`, the axis itself, and what lies after it.
struct AroundAxis {
  std::int64_t outer = 1, size = 1, inner = 1;
  AroundAxis(const Shape& shape, int axis);
};

/// `shape` with another size of `axis`, without `axis`, and with a new axis before `axis`.
Shape with_size(const Shape& shape, int axis, std::int64_t size);
Shape without_axis(const Shape& shape, int axis);
Shape with_axis(const Shape& shape, int axis, std::int64_t size);

/// Throws Error unless `index` is i64 and all of its elements are in [0, size). `what` names it: "index", "labels".
void check_index(std::string_view where, const char* what, const Tensor& index, std::int64_t size);

/// How many runs are worth a thread.
inline std::int64_t grain_of_runs(std::int64_t run) {
  return std::max<std::int64_t>(parallel_grain / std::max<std::int64_t>(run, 1), 1);
}

/// Copies `count` runs of `run` elements, which begin `from_step` and `to_step` apart.
template <class T>
void copy_runs(std::int64_t count, std::int64_t run, const T* from, std::int64_t from_step, T* to,
               std::int64_t to_step) {
  if (count == 1) {
    parallel_for(
        run, [=](std::int64_t begin, std::int64_t end) { std::copy(from + begin, from + end, to + begin); });
    return;
  }
  parallel_for(
      count,
      [=](std::int64_t first, std::int64_t last) {
        for (std::int64_t i = first; i < last; ++i) std::copy_n(from + i * from_step, run, to + i * to_step);
      },
      grain_of_runs(run));
}

/// Sets `count` runs of `run` elements to zero, which begin `step` apart.
template <class T>
void clear_runs(std::int64_t count, std::int64_t run, T* to, std::int64_t step) {
  if (count == 1) {
    parallel_for(run, [=](std::int64_t begin, std::int64_t end) { std::fill(to + begin, to + end, T(0)); });
    return;
  }
  parallel_for(
      count,
      [=](std::int64_t first, std::int64_t last) {
        for (std::int64_t i = first; i < last; ++i) std::fill_n(to + i * step, run, T(0));
      },
      grain_of_runs(run));
}

}  // namespace rill::detail
