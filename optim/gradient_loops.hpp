// Loops of optimizers over the elements of a gradient.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include <rill/core/elementwise.hpp>
#include <rill/core/isa.hpp>
#include <rill/core/outer_product.hpp>

namespace rill::optim::detail {

/// The gradient with the decay of its parameter; where nothing decays 0 times an infinite parameter would be NaN. A loop of vectors
/// takes both ways and keeps one, which is free beside a root and a division, or beside states to be read.
template <class T>
T decayed(T gradient, bool decays, T decay, T param) {
  return decays ? gradient + decay * param : gradient;
}

/// A running mean, as +0 once its magnitude is below `least`; NaN stays. A unit that is off for good leaves gradients of 0, and its
/// means would end as subnormal numbers (0.9 times the smallest one is rounded to that one again), with which processors may
/// take a hundred times as long.
template <class T>
T settled(T mean, T least) {
  return std::abs(mean) < least ? T(0) : mean;
}

/// The least mean of gradients that counts: one whose product with a learning rate is a normal number.
template <class T>
inline constexpr T least_mean = std::numeric_limits<T>::min() / std::numeric_limits<T>::epsilon();

/// The least mean of gradients, and of their squares, that counts.
template <class T>
struct Least {
  T mean, square;
};

/// For an optimizer that divides by a root plus eps; 0 where its steps would change by it. `rest` is the weight of a new
/// square, which the first means of squares are divided by.
template <class T>
Least<T> least_of(T eps, T rest) {
  using Limits = std::numeric_limits<T>;
  if (std::sqrt(Limits::min() / rest) < eps * Limits::epsilon()) return {least_mean<T>, Limits::min()};
  return {0, 0};
}

/// Whether no number is infinite or NaN: by the largest of their bits, which compilers find in vectors.
inline bool all_finite(const float* x, std::int64_t count) {
  constexpr std::uint32_t infinity = 0x7f800000;
  std::uint32_t largest = 0;
  rill::on_isa([x, count, found = &largest] {
    std::uint32_t most = 0;
    for (std::int64_t i = 0; i < count; ++i) most = std::max(most, std::bit_cast<std::uint32_t>(x[i]) << 1);
    *found = most;
  });
  return largest < infinity << 1;
}

/// Calls each(i, g) for all elements i of the gradient g, in parallel and compiled for the machine's instruction set: its
/// captures have to be values. A gradient of which the factors are known is not read; with `zeros_rest` its rows of zeros, those
/// of units that were off, are left out. What is inlined would stand in the library twice, for one thread and for several.
template <class T, class Each>
void for_gradient(const Tensor& grad, bool zeros_rest, const Each& each) {
  if constexpr (std::is_same_v<T, float>) {
    if (const auto* product = rill::detail::outer_product(grad)) {
      const std::int64_t rows = product->rows, columns = product->columns;
      const float *column = product->column(), *row = product->row();
      const bool leave_out = zeros_rest && all_finite(row, columns);  // 0 · inf is NaN
      const auto rows_of = [=](std::int64_t begin, std::int64_t end) __attribute__((noinline)) {
        rill::on_isa([=] {
          for (std::int64_t r = begin; r < end; ++r) {
            const float factor = column[r];
            const std::int64_t first = r * columns;
            if (leave_out && factor == 0) continue;
            rill::detail::plain_loop(first, first + columns,
                                     [=](std::int64_t i) { each(i, factor * row[i - first]); });
          }
        });
      };
      const std::int64_t grain = (rill::detail::parallel_grain + columns - 1) / columns;
      return parallel_for(rows, rows_of, grain);
    }
  }
  const T* g = grad.data<T>().data();
  parallel_for(
      grad.numel(), [=](std::int64_t begin, std::int64_t end) __attribute__((noinline)) {
        rill::detail::independent_loop(begin, end, [=](std::int64_t i) { each(i, g[i]); });
      });
}

}  // namespace rill::optim::detail
