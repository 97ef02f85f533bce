// SGD with momentum.
#pragma once

#include <limits>

#include <rill/optim/optimizer.hpp>

namespace rill::optim {

struct SGDOptions {
  double lr = std::numeric_limits<double>::quiet_NaN();  ///< has to be given
  double momentum = 0;
  double dampening = 0;
  double weight_decay = 0;
  bool nesterov = false;
};

/// With d = g + weight_decay · p: b = d at the first step, then b = momentum · b + (1 - dampening) · d;
/// p -= lr · b, or lr · (d + momentum · b) for nesterov. PyTorch's form.
class SGD final : public Optimizer {
 public:
  /// Throws Error for values out of range, and for nesterov without momentum or with dampening.
  SGD(std::vector<Group> groups, const SGDOptions& options);
  SGD(std::vector<Tensor> params, const SGDOptions& options)
      : SGD(detail::one_group(std::move(params)), options) {}
  /// All parameters of a model; vectors (biases, PReLU slopes) are not decayed.
  SGD(nn::Module& model, const SGDOptions& options) : SGD(decay_groups(model), options) {}

  std::optional<double> momentum() const override;
  void set_momentum(double momentum) override;

 private:
  void update(Slot& slot, const Tensor& grad, double lr, double weight_decay) override;
  SGDOptions options_;
  bool has_momentum_;
};

}  // namespace rill::optim
