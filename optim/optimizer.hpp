// Optimizer: what all optimizers share. Groups of parameters, each with a learning rate and a weight decay of its own.
//
// step() reads each parameter's grad and overwrites the parameter, in one pass over memory, bitwise the same for any
// number of threads; a parameter without a grad is left alone. One thread at a time.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include <rill/nn/module.hpp>

namespace rill::optim {

/// Parameters that are trained alike. What is not set is taken from the optimizer's options.
struct Group {
  std::vector<Tensor> params;
  std::optional<double> lr;
  std::optional<double> weight_decay;
};

/// The parameters of a model that require a gradient, as two groups: what a weight decay is meant for (tensors of two or more dimensions), and
/// biases, PReLU slopes and other vectors, whose weight decay is 0.
std::vector<Group> decay_groups(nn::Module& model);

class Optimizer {
 public:
  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  /// Updates every parameter that has a gradient.
  void step();
  /// Clears the gradients of all parameters.
  void zero_grad();

  std::size_t group_count() const { return groups_.size(); }
  /// Throws Error if there is no such group.
  double lr(std::size_t group = 0) const;
  /// Sets the learning rate of every group. Throws Error unless it is finite and not negative.
  void set_lr(double lr);
  void set_lr(std::size_t group, double lr);

  /// The coefficient that schedules call momentum (Adam's beta1), where there is one.
  virtual std::optional<double> momentum() const { return std::nullopt; }
  virtual void set_momentum(double momentum);

 protected:
  struct Slot {
    Tensor param;
    std::vector<Tensor> state;  // created by the first update
    std::int64_t steps = 0;     // updates that this parameter has seen
  };

  /// Throws Error if there is no parameter, if one is undefined, requires no gradient or appears twice, or for a bad
  /// learning rate or weight decay.
  Optimizer(const char* name, std::vector<Group> groups, double lr, double weight_decay);

  virtual void update(Slot& slot, const Tensor& grad, double lr, double weight_decay) = 0;

  /// Makes sure that a slot has `count` state tensors of zeros, like its parameter.
  static void prepare_state(Slot& slot, std::size_t count);

 private:
  void check_group(std::size_t group) const;
  struct OwnGroup {
    std::vector<Slot> slots;
    double lr, weight_decay;
  };
  const char* name_;
  std::vector<OwnGroup> groups_;
};

namespace detail {
/// Throws Error naming `where` and `key` unless `value` lies in [low, high).
void check_range(const char* where, const char* key, double value, double low, double high);
/// The parameters as one group, for a constructor that takes a plain list.
std::vector<Group> one_group(std::vector<Tensor> params);
}  // namespace detail

}  // namespace rill::optim
