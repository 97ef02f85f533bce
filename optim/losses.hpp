// Losses as a Trainer takes them: the functions of core with their options bound.
#pragma once

#include <concepts>
#include <functional>
#include <utility>

#include <rill/core/ops/cross_entropy.hpp>
#include <rill/core/ops/pair_loss.hpp>

namespace rill::optim {

/// From predictions and targets to a scalar: any function that does so, and how much such a scalar counts where those of
/// several batches are averaged.
class Loss {
 public:
  using Function = std::function<Tensor(const Tensor& prediction, const Tensor& target)>;
  using Weight = std::function<double(const Tensor& target)>;

  Loss() = default;
  /// Without a weight a batch counts by its samples, as a mean over samples does.
  template <class F>
  requires(!std::same_as<F, Loss> && std::constructible_from<Function, F>) Loss(F compute, Weight weigh = {})
      : function_(std::move(compute)), weight_(std::move(weigh)) {}

  Tensor operator()(const Tensor& prediction, const Tensor& target) const {
    return function_(prediction, target);
  }
  double weight(const Tensor& target) const {
    return weight_ ? weight_(target) : static_cast<double>(target.size(0));
  }
  explicit operator bool() const { return static_cast<bool>(function_); }
  /// Empty as this is, for those who take a plain function.
  const Function& function() const { return function_; }

 private:
  Function function_;
  Weight weight_;
};

namespace losses {

// cross_entropy, mse_loss, l1_loss, huber_loss and binary_cross_entropy_with_logits, which check shapes and options when
// the loss is computed.

/// Its mean is over the weights of the labels' classes, and so is the mean over batches: it does not depend on their size.
Loss cross_entropy(const CrossEntropyOptions& options = {}, const Tensor& weight = {});
Loss mse();
Loss l1();
Loss huber(const HuberLossOptions& options = {});
Loss bce_with_logits(const BinaryCrossEntropyOptions& options = {});

/// The loss of predictions and targets in standard units: (prediction - mean) / std and (target - mean) / std. Its size, and
/// that of its gradients at a model's weights, do not depend on the unit that targets are given in, where the model ends
/// with nn::Rescaling(std, mean). Throws Error for an empty loss, and unless both are in the range of f32 and std is above 0.
Loss standardized(const Loss& loss, double mean, double std);

}  // namespace losses
}  // namespace rill::optim
