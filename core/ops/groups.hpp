// How kernels that reduce walk over the groups of elements that become one: sums and extremes of groups.
//
// Long groups are cut into fixed blocks, whose partial results are joined in order: nothing depends on the threads.
#pragma once

#include <algorithm>

#include <rill/core/graph.hpp>
#include <rill/core/parallel.hpp>

namespace rill::ops {

/// Which axes are reduced (bit i for axis i), and whether they stay as dimensions of size 1.
struct Axes {
  unsigned mask = 0;
  bool keepdim = false;

  Shape reduced(const Shape& shape, bool keep) const;
  std::int64_t count(const Shape& shape) const;  ///< elements that become one
};

/// The axes as a mask; no axes mean all. Throws Error for an axis out of range or named twice.
Axes axes_of(const char* where, const Shape& shape, const AxisList& axes, bool keepdim);

/// Element r of group (o, i) stands at (o · reduced + r) · inner + i; groups are numbered o · inner + i.
struct Groups {
  std::int64_t outer = 1, reduced = 1, inner = 1;
  std::int64_t count() const { return outer * inner; }
  /// Groups that are worth a thread, where an element costs as much as `work` plain operations.
  std::int64_t grain(std::int64_t work = 1) const {
    return std::max<std::int64_t>(detail::parallel_grain / std::max<std::int64_t>(reduced * work, 1), 1);
  }
};

/// The groups along one axis.
Groups groups_along(const Shape& shape, int axis);

/// The groups of axes. Where the axes are not neighbours, x becomes a copy in which they are: `groups` fit the result.
Tensor grouped(const Tensor& x, const Axes& axes, Groups& groups);

constexpr std::int64_t block_elements = 16384;
constexpr std::int64_t strip_columns = 64;

/// Σ term(i) in f64 for i from `begin`, in 8 interleaved lanes.
template <class Term>
double sum_terms(std::int64_t begin, std::int64_t count, Term term) {
  double lanes[8] = {};
  std::int64_t i = 0;
  for (; i + 8 <= count; i += 8) {
    for (int lane = 0; lane < 8; ++lane) lanes[lane] += term(begin + i + lane);
  }
  for (int lane = 0; i < count; ++i, ++lane) lanes[lane] += term(begin + i);
  return ((lanes[0] + lanes[4]) + (lanes[1] + lanes[5])) + ((lanes[2] + lanes[6]) + (lanes[3] + lanes[7]));
}

/// Calls body(o, begin, width) for strips of at most strip_columns groups o · inner + begin..., in parallel.
template <class Body>
void for_strips(const Groups& groups, std::int64_t work, Body body) {
  const std::int64_t strips = (groups.inner + strip_columns - 1) / strip_columns, inner = groups.inner;
  parallel_for(
      groups.outer * strips,
      [=](std::int64_t first, std::int64_t last) {
        for (std::int64_t task = first; task < last; ++task) {
          const std::int64_t begin = task % strips * strip_columns;
          body(task / strips, begin, std::min(strip_columns, inner - begin));
        }
      },
      groups.grain(work * strip_columns));
}

/// Calls task(block) for every block, each of block_elements that cost `work` plain operations; in parallel where that pays.
template <class Task>
void for_blocks(std::int64_t blocks, std::int64_t work, Task task) {
  if (blocks * block_elements * work > detail::parallel_grain) return parallel_tasks(blocks, task);
  for (std::int64_t block = 0; block < blocks; ++block) task(block);
}

/// y[group] = scale · Σ term(element, group), summed in f64; an element costs as much as `work` plain operations.
template <class Out, class Term>
void sum_groups(const Groups& groups, Out* y, double scale, std::int64_t work, Term term) {
  const auto [outer, reduced, inner] = groups;
  const std::int64_t size = reduced, columns = inner;  // lambdas of Clang 14 do not see structured bindings
  if (inner != 1) {
    return for_strips(groups, work, [=](std::int64_t o, std::int64_t begin, std::int64_t width) {
      double sums[strip_columns] = {};
      for (std::int64_t r = 0; r < size; ++r) {
        const std::int64_t row = (o * size + r) * columns + begin, group = o * columns + begin;
        for (std::int64_t i = 0; i < width; ++i) sums[i] += term(row + i, group + i);
      }
      for (std::int64_t i = 0; i < width; ++i) y[o * columns + begin + i] = static_cast<Out>(sums[i] * scale);
    });
  }
  if (outer >= 64 || reduced <= block_elements) {
    return parallel_for(
        outer,
        [=](std::int64_t begin, std::int64_t end) {
          for (std::int64_t o = begin; o < end; ++o) {
            const auto term_of_group = [=](std::int64_t at) { return term(at, o); };
            y[o] = static_cast<Out>(sum_terms(o * size, size, term_of_group) * scale);
          }
        },
        groups.grain(work));
  }
  const std::int64_t blocks = (reduced + block_elements - 1) / block_elements;
  Tensor partial = empty({blocks}, DType::f64);
  double* sums = partial.mutable_data<double>().data();
  for (std::int64_t o = 0; o < outer; ++o) {
    for_blocks(blocks, work, [=](std::int64_t block) {
      const std::int64_t begin = block * block_elements, end = std::min(begin + block_elements, size);
      sums[block] = sum_terms(o * size + begin, end - begin, [=](std::int64_t at) { return term(at, o); });
    });
    y[o] = static_cast<Out>(sum_terms(0, blocks, [=](std::int64_t at) { return sums[at]; }) * scale);
  }
}

/// Whether v takes the place of the extreme that was found so far: NaN beats all, and no number beats NaN. Without a
/// branch, so that loops are vectorised.
template <bool largest, class T>
bool beats(T v, T extreme) {
  return (largest ? v > extreme : v < extreme) | (v != v);
}

template <bool largest, class T>
T extreme_of(const T* x, std::int64_t count) {
  constexpr std::int64_t lanes = 32;  // more than compilers unroll instead of vectorising
  T best[lanes];
  std::fill_n(best, lanes, x[0]);
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    for (std::int64_t lane = 0; lane < lanes; ++lane) {
      const T v = x[i + lane];
      best[lane] = beats<largest>(v, best[lane]) ? v : best[lane];
    }
  }
  for (; i < count; ++i) best[0] = beats<largest>(x[i], best[0]) ? x[i] : best[0];
  for (std::int64_t lane = 1; lane < lanes; ++lane)
    best[0] = beats<largest>(best[lane], best[0]) ? best[lane] : best[0];
  return best[0];
}

/// y[group] = the largest (smallest) element of the group, NaN if there is one; groups hold one element or more.
template <bool largest, class T>
void extremes_of_groups(const Groups& groups, const T* x, T* y) {
  const std::int64_t size = groups.reduced, columns = groups.inner;
  if (columns != 1) {
    return for_strips(groups, 1, [=](std::int64_t o, std::int64_t begin, std::int64_t width) {
      const T* row = x + o * size * columns + begin;
      T* best = y + o * columns + begin;
      std::copy(row, row + width, best);
      for (std::int64_t r = 1; r < size; ++r) {
        row += columns;
        for (std::int64_t i = 0; i < width; ++i) best[i] = beats<largest>(row[i], best[i]) ? row[i] : best[i];
      }
    });
  }
  if (groups.outer >= 64 || size <= block_elements) {
    return parallel_for(
        groups.outer,
        [=](std::int64_t begin, std::int64_t end) {
          for (std::int64_t o = begin; o < end; ++o) y[o] = extreme_of<largest>(x + o * size, size);
        },
        groups.grain());
  }
  const std::int64_t blocks = (size + block_elements - 1) / block_elements;
  Tensor partial = empty({blocks}, dtype_of<T>());
  T* best = partial.mutable_data<T>().data();
  for (std::int64_t o = 0; o < groups.outer; ++o) {
    for_blocks(blocks, 1, [=](std::int64_t block) {
      const std::int64_t begin = block * block_elements, end = std::min(begin + block_elements, size);
      best[block] = extreme_of<largest>(x + o * size + begin, end - begin);
    });
    y[o] = extreme_of<largest>(best, blocks);
  }
}

}  // namespace rill::ops
