// Schedules made of schedules: SequentialLR, one after the other, and ChainedScheduler, all at once.
#pragma once

#include <concepts>
#include <memory>

#include <rill/optim/schedule.hpp>

namespace rill::optim {

/// A list of schedules, which owns them: {LinearLR(optimizer), CosineAnnealingLR(optimizer, {.t_max = 95})}.
class Schedules {
 public:
  template <class... S>
  requires(sizeof...(S) > 0 && (std::derived_from<S, Schedule> && ...))
      Schedules(S... schedules) {  // NOLINT(google-explicit-constructor)
    list_.reserve(sizeof...(S));
    (list_.push_back(std::make_unique<S>(std::move(schedules))), ...);
  }
  Schedules(std::vector<std::unique_ptr<Schedule>> list)  // NOLINT(google-explicit-constructor)
      : list_(std::move(list)) {}

 private:
  friend class SequentialLR;
  friend class ChainedScheduler;
  // Takes back what making the schedules has done to their optimizers. Throws Error naming `where` if there is none, if
  // one is null, or if one drives another optimizer.
  Interval check(const char* where, const Optimizer& optimizer) const;
  bool scale_initial_lr() const;
  void save(Schedule::State& state, const std::string& prefix) const;
  void load(Schedule::State& state, const std::string& prefix);

  std::vector<std::unique_ptr<Schedule>> list_;
};

/// The first schedule until the first milestone, then the second, and so on; each counts its steps from 0 when its turn
/// comes. The learning rates that it scales are the optimizer's initial ones. PyTorch's form.
///
///   SequentialLR schedule(optimizer, {LinearLR(optimizer), CosineAnnealingLR(optimizer, {.t_max = 95})}, {5});
///
/// interval() is that of the first one. The momentum stays as it was until the turn of a OneCycleLR comes.
class SequentialLR final : public Schedule {
 public:
  /// Throws Error, and leaves learning rates and momentum as they were before the schedules, unless all drive this
  /// optimizer, and unless there is one milestone less than there are schedules, ascending from 1.
  SequentialLR(Optimizer& optimizer, Schedules schedules, std::vector<std::int64_t> milestones);
  bool scales_initial_lr() const override { return schedules_.scale_initial_lr(); }

 private:
  // The schedule whose turn a step is, and the step at which that began.
  struct Turn {
    Schedule* schedule;
    std::int64_t begin;
  };
  Turn turn(std::int64_t step) const;

  double scale(double lr, std::int64_t step, std::size_t group) const override;
  std::optional<double> momentum(std::int64_t step) const override;
  std::int64_t last_step() const override;
  bool needs_metric(std::int64_t step) const override;
  void observe(std::int64_t step, double metric) override;
  void save(State& state, const std::string& prefix) const override { schedules_.save(state, prefix); }
  void load(State& state, const std::string& prefix) override { schedules_.load(state, prefix); }

  Schedules schedules_;
  std::vector<std::int64_t> milestones_;
};

/// All schedules, each scaling what the one before it has made of the optimizer's initial learning rate: factors are
/// multiplied, as in PyTorch. Where PyTorch's result depends on the steps before (eta_min above 0, ReduceLROnPlateau),
/// the two differ: here eta_min and min_lr hold for what the schedules up to that one make.
///
///   ChainedScheduler schedule(optimizer, {LinearLR(optimizer), ExponentialLR(optimizer, {.gamma = 0.9})});
///
/// step(metric) goes to all. interval() is that of the first one.
class ChainedScheduler final : public Schedule {
 public:
  /// Throws Error, and leaves learning rates and momentum as they were before the schedules, unless all drive this
  /// optimizer, or if there is none.
  ChainedScheduler(Optimizer& optimizer, Schedules schedules);
  bool scales_initial_lr() const override { return schedules_.scale_initial_lr(); }

 private:
  double scale(double lr, std::int64_t step, std::size_t group) const override;
  std::optional<double> momentum(std::int64_t step) const override;
  std::int64_t last_step() const override;
  bool needs_metric(std::int64_t step) const override;
  void observe(std::int64_t step, double metric) override;
  void save(State& state, const std::string& prefix) const override { schedules_.save(state, prefix); }
  void load(State& state, const std::string& prefix) override { schedules_.load(state, prefix); }

  Schedules schedules_;
};

}  // namespace rill::optim
