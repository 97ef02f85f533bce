#include <rill/optim/losses.hpp>

namespace rill::optim::losses {

Loss cross_entropy(const CrossEntropyOptions& options, const Tensor& weight) {
  return
      [=](const Tensor& x, const Tensor& target) { return rill::cross_entropy(x, target, options, weight); };
}

Loss mse() {
  return [](const Tensor& x, const Tensor& target) { return mse_loss(x, target); };
}

Loss l1() {
  return [](const Tensor& x, const Tensor& target) { return l1_loss(x, target); };
}

Loss huber(const HuberLossOptions& options) {
  return [=](const Tensor& x, const Tensor& target) { return huber_loss(x, target, options); };
}

Loss bce_with_logits(const BinaryCrossEntropyOptions& options) {
  return [=](const Tensor& x, const Tensor& target) {
    return binary_cross_entropy_with_logits(x, target, options);
  };
}

}  // namespace rill::optim::losses
