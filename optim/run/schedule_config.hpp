// Schedules as configs hold them: {"type": "one_cycle", "max_lr": 0.004}. Lengths that are 0 follow from the run.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <rill/optim/callbacks.hpp>
#include <rill/optim/combined.hpp>
#include <rill/optim/decay.hpp>
#include <rill/optim/one_cycle.hpp>
#include <rill/optim/plateau.hpp>
#include <rill/optim/recycle.hpp>
#include <rill/optim/run/checks.hpp>

namespace rill::optim {

struct ScheduleConfig;

namespace config {

template <class Field, class Archive>
void interval_field(Field& interval, Archive& archive) {
  archive.optional("interval", interval, "what a step of the schedule is", one_of({"batch", "epoch"}));
}

struct OneCycleConfig {
  static constexpr std::string_view type_name = "one_cycle";
  double max_lr = 0;
  std::int64_t total_steps = 0;
  double pct_start = 0.3;
  Anneal anneal = Anneal::cosine;
  double div_factor = 25, final_div_factor = 1e4;
  bool cycle_momentum = true;
  double base_momentum = 0.85, max_momentum = 0.95;
  Interval interval = Interval::batch;
  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    archive.required("max_lr", self.max_lr, "the peak", above(0));
    archive.optional("total_steps", self.total_steps, "length; 0 for that of the run", counts());
    archive.optional("pct_start", self.pct_start, "share of the steps that go up",
                     Check{.low = 0, .high = 0.9999999999999999, .open = true});
    archive.optional("anneal", self.anneal, "form of the slopes", one_of({"cosine", "linear"}));
    archive.optional("div_factor", self.div_factor, "the first rate is max_lr / div_factor", at_least(1));
    archive.optional("final_div_factor", self.final_div_factor, "the last rate is the first one / that",
                     at_least(1));
    archive.optional("cycle_momentum", self.cycle_momentum, "move the optimizer's momentum the other way");
    archive.optional("base_momentum", self.base_momentum, "momentum at the peak", between(0, 1));
    archive.optional("max_momentum", self.max_momentum, "momentum at both ends", between(0, 1));
    interval_field(self.interval, archive);
  }
};

struct StepConfig : StepLROptions {
  static constexpr std::string_view type_name = "step";
  Interval interval = Interval::epoch;
  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    archive.required("step_size", self.step_size, "steps between two falls", between(1, 1e15));
    archive.optional("gamma", self.gamma, "factor of a fall", at_least(0));
    interval_field(self.interval, archive);
  }
};

struct MultiStepConfig : MultiStepLROptions {
  static constexpr std::string_view type_name = "multi_step";
  Interval interval = Interval::epoch;
  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    archive.required("milestones", self.milestones, "steps of the falls, ascending",
                     Check{.low = 1, .high = 1e15, .min_items = 1});
    archive.optional("gamma", self.gamma, "factor of a fall", at_least(0));
    interval_field(self.interval, archive);
  }
};

struct ExponentialConfig : ExponentialLROptions {
  static constexpr std::string_view type_name = "exponential";
  Interval interval = Interval::epoch;
  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    archive.required("gamma", self.gamma, "factor of every step", at_least(0));
    interval_field(self.interval, archive);
  }
};

struct CosineConfig : CosineAnnealingLROptions {
  static constexpr std::string_view type_name = "cosine";
  Interval interval = Interval::epoch;
  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    archive.optional("t_max", self.t_max, "length; 0 for that of the run", counts());
    archive.optional("eta_min", self.eta_min, "the last rate", at_least(0));
    interval_field(self.interval, archive);
  }
};

struct LinearConfig : LinearLROptions {
  static constexpr std::string_view type_name = "linear";
  Interval interval = Interval::epoch;
  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    archive.optional("start_factor", self.start_factor, "of the learning rate, at first",
                     Check{.low = 0, .high = 1, .open = true});
    archive.optional("end_factor", self.end_factor, "at the end", between(0, 1));
    archive.optional("total_iters", self.total_iters, "steps till then", between(1, 1e15));
    interval_field(self.interval, archive);
  }
};

struct PlateauConfig {
  static constexpr std::string_view type_name = "reduce_on_plateau";
  std::string monitor = "val_loss";
  callbacks::Mode mode = callbacks::Mode::automatic;
  double factor = 0.1;
  std::int64_t patience = 10;
  double threshold = 1e-4;
  ThresholdMode threshold_mode = ThresholdMode::relative;
  std::int64_t cooldown = 0;
  double min_lr = 0, eps = 1e-8;
  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    archive.optional("monitor", self.monitor, "number of the log that is watched");
    archive.optional("mode", self.mode, "whether a small or a large number is good",
                     one_of({"auto", "min", "max"}));
    archive.optional("factor", self.factor, "of a reduction", below_one());
    archive.optional("patience", self.patience, "bad epochs that are let pass", counts());
    archive.optional("threshold", self.threshold, "what is better by no more than that is bad", at_least(0));
    archive.optional("threshold_mode", self.threshold_mode, "whether threshold is a share of the best number",
                     one_of({"relative", "absolute"}));
    archive.optional("cooldown", self.cooldown, "epochs after a reduction that do not count", counts());
    archive.optional("min_lr", self.min_lr, "the least rate", at_least(0));
    archive.optional("eps", self.eps, "a reduction by no more than that is left out", at_least(0));
  }
};

struct SequenceConfig {
  static constexpr std::string_view type_name = "sequence";
  std::vector<ScheduleConfig> schedules;  // Clang wants the whole type for an initialiser
  std::vector<std::int64_t> milestones = {};
  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    archive.required("schedules", self.schedules, "one after the other, all of one interval",
                     nn::config::items(1, 100));
    archive.required("milestones", self.milestones, "steps at which the second and the later ones begin",
                     Check{.low = 1, .high = 1e15, .max_items = 99});
  }
};

}  // namespace config

struct ScheduleConfig {
  static constexpr std::string_view noun = "schedule";
  static constexpr bool by_name = true;
  std::variant<config::OneCycleConfig, config::StepConfig, config::MultiStepConfig, config::ExponentialConfig,
               config::CosineConfig, config::LinearConfig, config::PlateauConfig, config::SequenceConfig>
      value;

  /// How long a run is.
  struct Length {
    std::int64_t epochs = 0, batches = 0;  ///< batches of an epoch
  };
  /// Throws Error, naming `where`, for intervals that differ within a sequence, and as the schedules do. The optimizer
  /// must outlive it.
  std::unique_ptr<Schedule> make(Optimizer& optimizer, const Length& length, const std::string& where) const;
  /// The number of the log that a schedule needs, or empty. Throws Error, naming `where`, if two need different ones.
  std::string monitor(const std::string& where) const;
};

}  // namespace rill::optim
