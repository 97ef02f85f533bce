// Optimizers for schedules to drive, and the refusal of what cannot be.
#pragma once

#include <functional>

#include <doctest/doctest.h>

#include <rill/optim/sgd.hpp>

namespace rill::test {

inline optim::SGD make_optimizer(double lr = 1, double momentum = 0) {
  return optim::SGD({zeros({1}).requires_grad_()}, {.lr = lr, .momentum = momentum});
}

/// Two groups, of learning rates 1 and 0.1.
inline optim::SGD two_groups() {
  return optim::SGD({optim::Group{.params = {zeros({1}).requires_grad_()}, .lr = 1.0},
                     optim::Group{.params = {zeros({1}).requires_grad_()}, .lr = 0.1}},
                    {.lr = 1});
}

inline void refused(const char* text, const std::function<void()>& call) {
  CAPTURE(text);
  CHECK_THROWS_WITH_AS(call(), text, Error);
}

}  // namespace rill::test
