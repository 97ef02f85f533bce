// Loops of optimizers over the elements of a gradient.
#pragma once

#include <algorithm>
#include <cmath>
#include <type_traits>

#include <rill/core/elementwise.hpp>
#include <rill/core/outer_product.hpp>

namespace rill::optim::detail {

/// Calls `body` with std::true_type, or with std::false_type where nothing decays: 0 times an infinite parameter would be NaN.
template <class Body>
void with_or_without(double weight_decay, const Body& body) {
  if (weight_decay != 0) {
    body(std::true_type());
  } else {
    body(std::false_type());
  }
}

/// The gradient with the decay of its parameter.
template <bool decays, class T>
T decayed(T gradient, T decay, T param) {
  if constexpr (decays) {
    return gradient + decay * param;
  } else {
    return gradient;
  }
}

/// Calls loop(begin, end, g) for ranges that cover the gradient, in parallel; g(i) is its element i. A gradient of which the
/// factors are known is not read: a range then is one row, and with `zeros_rest` rows of zeros, those of units that were
/// off, are left out.
template <class T, class Loop>
void for_gradient(const Tensor& grad, bool zeros_rest, const Loop& loop) {
  if constexpr (std::is_same_v<T, float>) {
    if (const auto* product = rill::detail::outer_product(grad)) {
      const std::int64_t rows = product->rows, columns = product->columns;
      const float *column = product->column(), *row = product->row();
      // 0 · inf is NaN.
      const bool leave_out =
          zeros_rest && std::all_of(row, row + columns, [](float x) { return std::isfinite(x); });
      const std::int64_t grain = (rill::detail::parallel_grain + columns - 1) / columns;
      const auto rows_of = [=](std::int64_t begin, std::int64_t end) {
        for (std::int64_t r = begin; r < end; ++r) {
          const float factor = column[r];
          const std::int64_t first = r * columns;
          if (leave_out && factor == 0) continue;
          loop(first, first + columns, [=](std::int64_t i) { return factor * row[i - first]; });
        }
      };
      return parallel_for(rows, rows_of, grain);
    }
  }
  const T* g = grad.data<T>().data();
  parallel_for(grad.numel(), [=](std::int64_t begin, std::int64_t end) {
    loop(begin, end, [=](std::int64_t i) { return g[i]; });
  });
}

}  // namespace rill::optim::detail
