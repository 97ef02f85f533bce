// RMSprop.
#pragma once

#include <rill/optim/optimizer.hpp>

namespace rill::optim {

struct RMSpropOptions {
  double lr = 1e-2;
  double alpha = 0.99;  ///< how much of the mean square is kept from step to step, in [0, 1)
  double eps = 1e-8;
  double weight_decay = 0;
  double momentum = 0;
  bool centered = false;
};

/// With d = g + weight_decay · p: s = alpha · s + (1 - alpha) · d²; step = d / (√s + eps), where centered takes
/// √(s - a²) with a = alpha · a + (1 - alpha) · d; p -= lr · step, or with momentum b = momentum · b + step, p -= lr · b.
/// Tieleman and Hinton, 2012; centered: Graves, arXiv 1308.0850. PyTorch's form, but where rounding makes s - a²
/// negative it counts as 0, not NaN.
class RMSprop final : public Optimizer {
 public:
  /// Throws Error for values out of range.
  RMSprop(std::vector<Group> groups, const RMSpropOptions& options = {});
  RMSprop(std::vector<Tensor> params, const RMSpropOptions& options = {})
      : RMSprop(detail::one_group(std::move(params)), options) {}
  /// All parameters of a model; vectors (biases, PReLU slopes) are not decayed.
  RMSprop(nn::Module& model, const RMSpropOptions& options = {}) : RMSprop(decay_groups(model), options) {}

  std::optional<double> momentum() const override;
  void set_momentum(double momentum) override;

 private:
  void update(Slot& slot, const Tensor& grad, double lr, double weight_decay) override;
  RMSpropOptions options_;
  bool has_momentum_;
};

}  // namespace rill::optim
