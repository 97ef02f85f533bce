// exp(x - the largest element of its row), row by row: what softmax and its losses are made of. Rows of classes are
// short, so the exponentials of many rows run in one loop.
#pragma once

#include <algorithm>

#include <rill/core/elementwise.hpp>
#include <rill/core/lanewise.hpp>
#include <rill/core/ops/groups.hpp>
#include <rill/core/sum.hpp>

namespace rill::ops {

/// Elements whose exponentials are computed together, from the first-level cache.
constexpr std::int64_t exps_at_once = 1024;

/// Rows whose exponentials are computed together: 1 or more, and exps_at_once at most.
inline std::int64_t rows_at_once(std::int64_t classes) {
  return std::max<std::int64_t>(exps_at_once / classes, 1);
}

/// The largest of `classes` elements, 1 or more. A NaN among them need not be found: exp(NaN) is NaN again.
template <class T>
T top_of_row(const T* x, std::int64_t classes) {
  return classes < 64 ? *std::max_element(x, x + classes) : extreme_of<true>(x, classes);
}

/// e = exp(x - top) for contiguous rows of `classes` elements, 1 or more; tops[row] = the largest element of the row.
template <class T>
void exps_of_rows(const T* x, std::int64_t rows, std::int64_t classes, T* e, T* tops) {
  for (std::int64_t row = 0; row < rows; ++row) {
    const T* from = x + row * classes;
    T* to = e + row * classes;
    const T top = tops[row] = top_of_row(from, classes);
    for (std::int64_t c = 0; c < classes; ++c) to[c] = from[c] - top;
  }
  rill::detail::independent_loop(0, rows * classes,
                                 [=](std::int64_t i) { e[i] = lanewise::exp_of_negative(e[i]); });
}

/// Calls body(row, e, top) for rows [begin, end) of x, with e = exp(x - top) of a row, which the body may overwrite. They
/// lie in `to` + row · classes; where that is null, rows have at most exps_at_once elements.
template <class T, class Body>
void for_exps_of_rows(const T* x, std::int64_t begin, std::int64_t end, std::int64_t classes, T* to,
                      Body body) {
  const std::int64_t step = rows_at_once(classes);
  T tops[exps_at_once], own[exps_at_once];
  for (std::int64_t first = begin; first < end; first += step) {
    const std::int64_t rows = std::min(step, end - first);
    T* const e = to ? to + first * classes : own;
    exps_of_rows(x + first * classes, rows, classes, e, tops);
    for (std::int64_t row = 0; row < rows; ++row) body(first + row, e + row * classes, tops[row]);
  }
}

/// log Σ exp(x - top) of one row of any length, in f64, where `top` is set to the largest element: added to a large top, the
/// logarithm would be rounded off.
template <class T>
double log_sum_exp(const T* x, std::int64_t classes, T& top) {
  top = top_of_row(x, classes);
  T own[exps_at_once];
  double sum = 0;
  for (std::int64_t first = 0; first < classes; first += exps_at_once) {
    const std::int64_t count = std::min(exps_at_once, classes - first);
    rill::detail::independent_loop(0, count, [=, e = &own[0], most = top](std::int64_t i) {
      e[i] = lanewise::exp_of_negative(x[first + i] - most);
    });
    sum += rill::detail::sum_run(own, count);
  }
  return std::log(sum);
}

}  // namespace rill::ops
