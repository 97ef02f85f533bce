// Adam and AdamW.
#pragma once

#include <rill/optim/optimizer.hpp>

namespace rill::optim {

struct AdamOptions {
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0;
  bool amsgrad = false;
};

/// With d = g + weight_decay · p (Adam), or p *= 1 - lr · weight_decay and d = g (AdamW):
/// m = beta1 · m + (1 - beta1) · d; v = beta2 · v + (1 - beta2) · d²;
/// p -= lr / (1 - beta1ᵗ) · m / (√v / √(1 - beta2ᵗ) + eps), where amsgrad takes the largest v so far.
/// Kingma and Ba, arXiv 1412.6980; Loshchilov and Hutter, arXiv 1711.05101; Reddi et al., 2018. PyTorch's form.
class Adam : public Optimizer {
 public:
  /// Throws Error for values out of range.
  Adam(std::vector<Group> groups, const AdamOptions& options = {})
      : Adam("Adam", std::move(groups), options, false) {}
  Adam(std::vector<Tensor> params, const AdamOptions& options = {})
      : Adam(detail::one_group(std::move(params)), options) {}
  /// All parameters of a model; vectors (biases, PReLU slopes) are not decayed.
  Adam(nn::Module& model, const AdamOptions& options = {}) : Adam(decay_groups(model), options) {}

  std::optional<double> momentum() const override { return options_.beta1; }
  void set_momentum(double beta1) override;

 protected:
  Adam(const char* name, std::vector<Group> groups, const AdamOptions& options, bool decoupled);

 private:
  void update(Slot& slot, const Tensor& grad, double lr, double weight_decay) override;
  AdamOptions options_;
  bool decoupled_;
};

struct AdamWOptions {
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0.01;
  bool amsgrad = false;
};

/// Adam whose weight decay acts on the parameters themselves, not on the gradient, and is 0.01 by default.
class AdamW final : public Adam {
 public:
  AdamW(std::vector<Group> groups, const AdamWOptions& options = {})
      : Adam("AdamW", std::move(groups),
             {options.lr, options.beta1, options.beta2, options.eps, options.weight_decay, options.amsgrad},
             true) {}
  AdamW(std::vector<Tensor> params, const AdamWOptions& options = {})
      : AdamW(detail::one_group(std::move(params)), options) {}
  AdamW(nn::Module& model, const AdamWOptions& options = {}) : AdamW(decay_groups(model), options) {}
};

}  // namespace rill::optim
