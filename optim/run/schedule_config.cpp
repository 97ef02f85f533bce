#include <rill/optim/run/make.hpp>
#include <rill/optim/run/schedule_config.hpp>

namespace rill::optim {
namespace config {
namespace {

// Makes a schedule that has the turn from step `begin` to step `end`, or to the end of the run where that is 0.
struct ScheduleMaker {
  using Made = std::unique_ptr<Schedule>;
  Optimizer& optimizer;
  const ScheduleConfig::Length& run;
  std::string where;
  std::int64_t begin = 0, end = 0;

  std::int64_t length(std::int64_t given, Interval interval) const {
    if (given > 0) return given;
    const std::int64_t steps = interval == Interval::batch ? run.epochs * run.batches : run.epochs;
    const std::int64_t last = end > 0 ? end : steps, left = last - begin;
    RILL_CHECK(left > 0, where, ": it begins at step ", begin, " and ends at step ", last,
               ", expected an earlier milestone, or a length of its own");
    return left;
  }

  template <class Made, class Config>
  std::unique_ptr<Schedule> simple(const Config& config) const {
    auto made = std::make_unique<Made>(optimizer, config);
    made->set_interval(config.interval);
    return made;
  }

  Made operator()(const OneCycleConfig& config) const {
    auto made = std::make_unique<OneCycleLR>(
        optimizer, OneCycleLROptions{.max_lr = config.max_lr,
                                     .total_steps = length(config.total_steps, config.interval),
                                     .pct_start = config.pct_start,
                                     .anneal = config.anneal,
                                     .div_factor = config.div_factor,
                                     .final_div_factor = config.final_div_factor,
                                     .cycle_momentum = config.cycle_momentum,
                                     .base_momentum = config.base_momentum,
                                     .max_momentum = config.max_momentum});
    made->set_interval(config.interval);
    return made;
  }
  Made operator()(const StepConfig& config) const { return simple<StepLR>(config); }
  Made operator()(const MultiStepConfig& config) const { return simple<MultiStepLR>(config); }
  Made operator()(const ExponentialConfig& config) const { return simple<ExponentialLR>(config); }
  Made operator()(const LinearConfig& config) const { return simple<LinearLR>(config); }
  Made operator()(CosineConfig config) const {
    config.t_max = length(config.t_max, config.interval);
    return simple<CosineAnnealingLR>(config);
  }
  Made operator()(const PlateauConfig& config) const {
    const callbacks::Mode mode = callbacks::mode_of(where.c_str(), config.mode, config.monitor);
    return std::make_unique<ReduceLROnPlateau>(
        optimizer,
        ReduceLROnPlateauOptions{.mode = mode == callbacks::Mode::max ? PlateauMode::max : PlateauMode::min,
                                 .factor = config.factor,
                                 .patience = config.patience,
                                 .threshold = config.threshold,
                                 .threshold_mode = config.threshold_mode,
                                 .cooldown = config.cooldown,
                                 .min_lr = config.min_lr,
                                 .eps = config.eps});
  }
  Made operator()(const SequenceConfig& config) const {
    RILL_CHECK(config.milestones.size() + 1 == config.schedules.size(), where, ": there are ",
               config.milestones.size(), " milestones for ", config.schedules.size(),
               " schedules, expected one less than those");
    std::vector<Made> made;
    for (std::size_t i = 0; i < config.schedules.size(); ++i) {
      ScheduleMaker part{optimizer, run, where + "/schedules/" + std::to_string(i)};
      part.begin = begin + (i == 0 ? 0 : config.milestones[i - 1]);
      part.end = i < config.milestones.size() ? begin + config.milestones[i] : end;
      made.push_back(placed(part.where, [&] { return std::visit(part, config.schedules[i].value); }));
      RILL_CHECK(made.back()->interval() == made.front()->interval(), part.where,
                 ": its interval is not that of the first schedule, expected batch or epoch for all");
    }
    return std::make_unique<SequentialLR>(optimizer, std::move(made), config.milestones);
  }
};

}  // namespace
}  // namespace config

std::unique_ptr<Schedule> ScheduleConfig::make(Optimizer& optimizer, const Length& length,
                                               const std::string& where) const {
  return config::placed(where, [&] {
    return std::visit(config::ScheduleMaker{optimizer, length, where}, value);
  });
}

std::string ScheduleConfig::monitor(const std::string& where) const {
  if (const auto* plateau = std::get_if<config::PlateauConfig>(&value)) return plateau->monitor;
  const auto* sequence = std::get_if<config::SequenceConfig>(&value);
  std::string found;
  if (!sequence) return found;
  for (const ScheduleConfig& part : sequence->schedules) {
    const std::string name = part.monitor(where);
    RILL_CHECK(found.empty() || name.empty() || name == found, where, ": two schedules watch \"", found,
               "\" and \"", name, "\", expected the same number");
    if (!name.empty()) found = name;
  }
  return found;
}

}  // namespace rill::optim
