// Losses as a Trainer takes them: the functions of core with their options bound.
#pragma once

#include <functional>

#include <rill/core/ops/cross_entropy.hpp>
#include <rill/core/ops/pair_loss.hpp>

namespace rill::optim {

/// From predictions and targets to a scalar.
using Loss = std::function<Tensor(const Tensor& prediction, const Tensor& target)>;

namespace losses {

// cross_entropy, mse_loss, l1_loss, huber_loss and binary_cross_entropy_with_logits, which check shapes and options when
// the loss is computed.

Loss cross_entropy(const CrossEntropyOptions& options = {}, const Tensor& weight = {});
Loss mse();
Loss l1();
Loss huber(const HuberLossOptions& options = {});
Loss bce_with_logits(const BinaryCrossEntropyOptions& options = {});

}  // namespace losses
}  // namespace rill::optim
