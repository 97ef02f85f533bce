// Optimizer: what all optimizers share. Groups of parameters, each with a learning rate and a weight decay of its own.
//
// step() reads each parameter's grad and overwrites the parameter, in one pass over memory, bitwise the same for any
// number of threads; a parameter without a grad is left alone. What an optimizer remembers of a parameter has names,
// PyTorch's, and can be read, written and put into another optimizer. Means of gradients become 0 where they are too small
// to matter: those of a unit that is off for good would slow each step as subnormal numbers. One thread at a time.
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <rill/nn/module.hpp>

namespace rill::optim {

/// Parameters that are trained alike. What is not set is taken from the optimizer's options.
struct Group {
  std::vector<Tensor> params = {};
  std::optional<double> lr = {};
  std::optional<double> weight_decay = {};
};

/// The parameters of a model that require a gradient, as two groups: what a weight decay is meant for (tensors of two or
/// more dimensions), and those whose weight decay is 0: biases, PReLU slopes and other vectors, and the gains and biases
/// of LayerNorm and BatchNorm1d, whatever their dimensions.
std::vector<Group> decay_groups(nn::Module& model);

/// What an optimizer remembers of one parameter.
struct ParamState {
  std::int64_t steps = 0;                ///< updates that the parameter has seen
  std::vector<nn::NamedTensor> tensors;  ///< "exp_avg", "momentum_buffer", ...: none before the first update
};

class Schedule;

class Optimizer {
 public:
  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  /// Updates every parameter that requires a gradient and has one. Observers see it as an op of the optimizer's name.
  void step();
  /// Clears the gradients of all parameters.
  void zero_grad();

  /// "SGD", "Adam", ...
  const char* name() const { return name_; }
  std::size_t group_count() const { return groups_.size(); }
  /// The parameters of a group. This and what follows throw Error if there is no such group.
  std::vector<Tensor> params(std::size_t group = 0) const;
  double weight_decay(std::size_t group = 0) const;

  /// The learning rate of the next step.
  double lr(std::size_t group = 0) const;
  /// The learning rate that schedules scale: the one given to the constructor, or to set_lr() since, times what
  /// scale_lr() was given.
  double initial_lr(std::size_t group = 0) const;
  /// Sets the learning rate of every group, and what schedules scale from now on. Throws Error unless it is finite and
  /// not negative.
  void set_lr(double lr);
  void set_lr(std::size_t group, double lr);
  /// Multiplies the learning rate of a group, and what schedules scale from now on, so that a schedule goes on from
  /// there. Throws Error unless both stay finite and the factor is not negative.
  void scale_lr(std::size_t group, double factor);
  /// Both as lr() and initial_lr() gave them, for a run that is resumed. Throws Error, and changes nothing, unless both
  /// are finite and not negative.
  void restore_lr(std::size_t group, double lr, double initial_lr);

  /// What is remembered of `param`. The tensors share their blocks with the optimizer: to write to them is to change
  /// what it remembers. Throws Error if it does not train this parameter.
  ParamState state(const Tensor& param);
  /// Replaces what is remembered of `param` by a copy of `state`. Throws Error, and changes nothing, if it does not
  /// train this parameter, or unless `state` has the names, shapes and dtypes that it keeps itself, or no tensor and no
  /// steps.
  void set_state(const Tensor& param, const ParamState& state);

  /// Whether it trains this parameter: it is among its params(), and requires a gradient still.
  bool trains(const Tensor& param) const;
  /// Forgets single elements of `param`, by their places in it, row-major, as if they were new: means of gradients
  /// (exp_avg, momentum_buffer, grad_avg) become 0, and those of squares (exp_avg_sq, max_exp_avg_sq, square_avg, sum) the
  /// mean over the parameter's other elements. A 0 there would make Adam's next step at such an element 3 times the
  /// learning rate, for the parameter's steps stay as they are. What is not finite counts in no mean. Where no other
  /// element is left, the parameter begins anew, with no steps: squares of a layer that died long ago are near 0. Throws Error, and changes nothing, if it has not this parameter, or for a place out of range.
  void forget(const Tensor& param, std::span<const std::int64_t> elements);

  /// The coefficient that schedules call momentum (Adam's beta1), where there is one.
  virtual std::optional<double> momentum() const { return std::nullopt; }
  virtual void set_momentum(double momentum);

 protected:
  struct Slot {
    Tensor param;
    std::vector<Tensor> state;  // in the order of keep_state(), created by the first update
    std::int64_t steps = 0;     // updates that this parameter has seen
  };

  /// Throws Error if there is no parameter, if one is undefined, requires no gradient or appears twice, or for a bad
  /// learning rate or weight decay.
  Optimizer(const char* name, std::vector<Group> groups, double lr, double weight_decay);

  virtual void update(Slot& slot, const Tensor& grad, double lr, double weight_decay) = 0;

  /// What a state tensor is the mean, or the sum, of; it decides what an element that is forgotten becomes.
  enum class Of { gradients, squares };
  struct StateName {
    std::string_view name;
    Of of;
  };
  /// For constructors: the state tensors that update() finds in each slot, like the parameter in shape and dtype, and the
  /// number that they are filled with at first.
  void keep_state(std::vector<StateName> names, double initial = 0);

 private:
  friend class Schedule;
  struct OwnGroup {
    std::vector<Slot> slots;
    double initial_lr, weight_decay;
    double lr = initial_lr;
  };
  const OwnGroup& group_at(std::size_t group) const;
  template <class Groups>
  static auto* find_slot(Groups& groups, const Tensor& param);
  Slot& slot_of(const Tensor& param);
  void make_states();
  void check_state(const Slot& slot, const ParamState& state) const;

  const char* name_;
  std::vector<OwnGroup> groups_;
  std::vector<StateName> state_names_;
  double initial_state_ = 0;
  std::uint64_t schedules_ = 0;  // that were made for this optimizer
};

namespace detail {
/// Throws Error naming `where` and `key` unless `value` lies in [low, high).
void check_range(const char* where, const char* key, double value, double low, double high);
/// The parameters as one group, for a constructor that takes a plain list.
std::vector<Group> one_group(std::vector<Tensor> params);
}  // namespace detail

}  // namespace rill::optim
