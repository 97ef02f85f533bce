#include <algorithm>
#include <cmath>

#include <rill/optim/plateau.hpp>

namespace rill::optim {

ReduceLROnPlateau::ReduceLROnPlateau(Optimizer& optimizer, const ReduceLROnPlateauOptions& options)
    : Schedule("ReduceLROnPlateau", optimizer, Interval::epoch), options_(options) {
  detail::check_range(name(), "factor", options.factor, 0, 1);
  RILL_CHECK(options.patience >= 0, name(), ": patience is ", options.patience, ", expected 0 or more");
  detail::check_range(name(), "threshold", options.threshold, 0, INFINITY);
  RILL_CHECK(options.cooldown >= 0, name(), ": cooldown is ", options.cooldown, ", expected 0 or more");
  options.min_lr.check(name(), "min_lr", optimizer.group_count(), 0);
  detail::check_range(name(), "eps", options.eps, 0, INFINITY);
  start();
}

double ReduceLROnPlateau::scale(double lr, std::int64_t, std::size_t group) const {
  for (std::int64_t i = 0; i < reductions_; ++i) {
    const double reduced = std::max(lr * options_.factor, options_.min_lr[group]);
    if (!(lr - reduced > options_.eps)) break;
    lr = reduced;
  }
  return lr;
}

bool ReduceLROnPlateau::is_better(double metric) const {
  const bool min = options_.mode == PlateauMode::min;
  if (!best_) return min ? metric < HUGE_VAL : metric > -HUGE_VAL;
  if (options_.threshold_mode == ThresholdMode::relative)
    return min ? metric < *best_ * (1 - options_.threshold) : metric > *best_ * (1 + options_.threshold);
  return min ? metric < *best_ - options_.threshold : metric > *best_ + options_.threshold;
}

void ReduceLROnPlateau::observe(std::int64_t, double metric) {
  if (is_better(metric)) {
    best_ = metric;
    num_bad_epochs_ = 0;
  } else {
    ++num_bad_epochs_;
  }
  if (cooldown_counter_ > 0) {
    --cooldown_counter_;
    num_bad_epochs_ = 0;
  }
  if (num_bad_epochs_ <= options_.patience) return;
  ++reductions_;
  cooldown_counter_ = options_.cooldown;
  num_bad_epochs_ = 0;
}

void ReduceLROnPlateau::save(State& state, const std::string& prefix) const {
  if (best_) state[prefix + "best"] = *best_;
  state[prefix + "num_bad_epochs"] = static_cast<double>(num_bad_epochs_);
  state[prefix + "cooldown_counter"] = static_cast<double>(cooldown_counter_);
  state[prefix + "reductions"] = static_cast<double>(reductions_);
}

void ReduceLROnPlateau::load(State& state, const std::string& prefix) {
  const auto best = state.extract(prefix + "best");
  RILL_CHECK(!best || !std::isnan(best.mapped()), name(), ": state \"", prefix, "best\" is ", best.mapped(),
             ", expected a number");
  num_bad_epochs_ = take_count(state, prefix + "num_bad_epochs");
  cooldown_counter_ = take_count(state, prefix + "cooldown_counter");
  reductions_ = take_count(state, prefix + "reductions");
  best_ = best ? std::optional(best.mapped()) : std::nullopt;
}

}  // namespace rill::optim
