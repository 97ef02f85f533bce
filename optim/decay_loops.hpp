// Loops of optimizers with and without weight decay.
#pragma once

#include <type_traits>

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

}  // namespace rill::optim::detail
