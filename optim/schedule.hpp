// Schedule: what all learning-rate schedules share. After `steps` steps the learning rate of a group is a function of
// `steps` and of the group's initial_lr(), not of the learning rate before it: a schedule that is set to a step gives the
// same bits as one that walked there.
//
//   optim::StepLR schedule(optimizer, {.step_size = 30});
//   for (int epoch = 0; epoch < epochs; ++epoch) {
//     train_one_epoch(optimizer);
//     schedule.step();
//   }
//
// The constructor sets the first learning rate. One schedule drives an optimizer at a time; SequentialLR and
// ChainedScheduler make one of several. The optimizer must outlive the schedule. One thread at a time.
#pragma once

#include <limits>
#include <map>

#include <rill/optim/optimizer.hpp>

namespace rill::optim {

/// What a step of a schedule stands for. The schedule only says so: a training loop asks, and calls step().
enum class Interval { batch, epoch };

/// One number for all groups of an optimizer, or one for each.
class PerGroup {
 public:
  PerGroup(double value) : values_{value}, same_(true) {}  // NOLINT(google-explicit-constructor)
  PerGroup(std::initializer_list<double> values) : values_(values) {}
  PerGroup(std::vector<double> values)  // NOLINT(google-explicit-constructor)
      : values_(std::move(values)) {}

  double operator[](std::size_t group) const { return values_[same_ ? 0 : group]; }
  /// Throws Error naming `where` and `key` unless there is a number for each group, in [low, infinity).
  void check(const char* where, const char* key, std::size_t groups, double low) const;

 private:
  std::vector<double> values_;
  bool same_ = false;
};

class Schedule {
 public:
  /// What a checkpoint has to keep: "steps", the optimizer's "initial_lr.<group>", and what else the next learning rates
  /// depend on. All numbers are finite where the metrics are.
  using State = std::map<std::string, double>;

  virtual ~Schedule() = default;

  /// To be called after each batch, or each epoch: sets the learning rates of the next one. Only ReduceLROnPlateau reads
  /// the metric. Throws Error, and changes nothing, where one is needed and not given, after the last step of a schedule
  /// that has one, and for learning rates that would not be finite.
  void step(std::optional<double> metric = {});
  /// Steps done so far.
  std::int64_t steps() const { return steps_; }

  /// The learning rate of a group after `step` steps (as ReduceLROnPlateau would have it now). Throws Error if there is
  /// no such group or step.
  double lr_at(std::int64_t step, std::size_t group = 0) const;

  State state() const;
  /// Takes the schedule to a state, and sets the learning rates and the initial ones. Throws Error, and changes nothing,
  /// unless `state` has the names of state(), with values that they can have.
  void set_state(const State& state);

  /// Batch for OneCycleLR, else epoch, until it is set.
  Interval interval() const { return interval_; }
  void set_interval(Interval interval) { interval_ = interval; }

  /// How many steps can be done.
  virtual std::int64_t last_step() const { return std::numeric_limits<std::int64_t>::max(); }

  const char* name() const { return name_; }
  Optimizer& optimizer() const { return *optimizer_; }
  /// Whether the next step() has to be given a metric.
  bool wants_metric() const { return needs_metric(steps_ + 1); }
  /// Whether the learning rates follow from the optimizer's initial_lr(), so that scale_lr() lasts.
  virtual bool scales_initial_lr() const { return true; }

 protected:
  Schedule(const char* name, Optimizer& optimizer, Interval interval);
  // A copy would drive the same optimizer.
  Schedule(Schedule&&) = default;
  Schedule& operator=(Schedule&&) = default;

  /// For the end of constructors: sets the first learning rates.
  void start();

  /// What becomes of a group's learning rate `lr` after `step` steps.
  virtual double scale(double lr, std::int64_t step, std::size_t group) const = 0;
  /// The momentum after `step` steps, of schedules that move it.
  virtual std::optional<double> momentum(std::int64_t) const { return std::nullopt; }

  // For schedules that depend on more than the number of steps.

  virtual bool needs_metric(std::int64_t) const { return false; }
  /// Learns the metric of step `step`, counted from 1.
  virtual void observe(std::int64_t, double) {}
  /// Writes what there is to remember under names that begin with `prefix`, and takes it out of `state` again. load()
  /// throws Error if something is missing or cannot be.
  virtual void save(State&, const std::string&) const {}
  virtual void load(State&, const std::string&) {}

  /// The number of that name, which is taken out of `state`: a whole one, 0 or more.
  std::int64_t take_count(State& state, const std::string& key) const;

 private:
  friend class Schedules;
  friend class SequentialLR;
  friend class ChainedScheduler;
  void check_rates(std::int64_t step) const;
  void set_rates();
  double take_number(State& state, const std::string& key) const;
  void load_all(State state);
  // Gives the optimizer back the learning rates and the momentum that it had when this schedule was made.
  void undo();

  struct Found {
    std::uint64_t order = 0;  // among the schedules of this optimizer
    std::vector<double> lr = {};
    std::optional<double> momentum = {};
  };

  const char* name_;
  Optimizer* optimizer_;
  Interval interval_;
  std::int64_t steps_ = 0;
  Found found_;
};

}  // namespace rill::optim
