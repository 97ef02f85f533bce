// Adagrad.
#pragma once

#include <rill/optim/optimizer.hpp>

namespace rill::optim {

struct AdagradOptions {
  double lr = 1e-2;
  double lr_decay = 0;
  double weight_decay = 0;
  double initial_accumulator_value = 0;
  double eps = 1e-10;
};

/// With d = g + weight_decay · p: s = s + d², which starts at initial_accumulator_value;
/// p -= lr / (1 + (t - 1) · lr_decay) · d / (√s + eps). Duchi, Hazan and Singer, JMLR 12 (2011). PyTorch's form.
class Adagrad final : public Optimizer {
 public:
  /// Throws Error for values out of range.
  Adagrad(std::vector<Group> groups, const AdagradOptions& options = {});
  Adagrad(std::vector<Tensor> params, const AdagradOptions& options = {})
      : Adagrad(detail::one_group(std::move(params)), options) {}
  /// All parameters of a model; vectors (biases, PReLU slopes) are not decayed.
  Adagrad(nn::Module& model, const AdagradOptions& options = {}) : Adagrad(decay_groups(model), options) {}

 private:
  void update(Slot& slot, const Tensor& grad, double lr, double weight_decay) override;
  AdagradOptions options_;
};

}  // namespace rill::optim
