// Numbers that are too small to matter, as 0.
#pragma once

#include <cmath>
#include <limits>

namespace rill::detail {

/// x, or 0 if it is smaller than `least`. What shrinks without end, a mean of gradients that have stopped, a probability that training
/// drives to 0, comes to the subnormal numbers, with which processors may take a hundred times as long, and so does all that
/// is computed from it. By default products with a weight, an input and a learning rate are normal numbers still.
template <class T>
T settled(T x, T least = std::numeric_limits<T>::min() / std::numeric_limits<T>::epsilon()) {
  return std::abs(x) < least ? T(0) : x;
}

}  // namespace rill::detail
