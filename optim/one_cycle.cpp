#include <cmath>
#include <numbers>

#include <rill/optim/one_cycle.hpp>

namespace rill::optim {

OneCycle::OneCycle(Optimizer& optimizer, const OneCycleOptions& options)
    : optimizer_(optimizer), options_(options) {
  RILL_CHECK(options.total_steps >= 1, "OneCycle: total_steps is ", options.total_steps,
             ", expected 1 or more");
  RILL_CHECK(options.pct_start > 0 && options.pct_start < 1, "OneCycle: pct_start is ", options.pct_start,
             ", expected more than 0 and less than 1");
  detail::check_range("OneCycle", "max_lr", options.max_lr, 0, INFINITY);
  detail::check_range("OneCycle", "div_factor", options.div_factor, 1, INFINITY);
  detail::check_range("OneCycle", "final_div_factor", options.final_div_factor, 1, INFINITY);
  detail::check_range("OneCycle", "base_momentum", options.base_momentum, 0, 1);
  detail::check_range("OneCycle", "max_momentum", options.max_momentum, 0, 1);
  apply(0);
}

void OneCycle::step() {
  RILL_CHECK(index_ < options_.total_steps, "OneCycle: step ", index_ + 1, " of ", options_.total_steps,
             ", expected at most that many");
  // The last call comes after the last step: there is no learning rate left to set.
  if (++index_ < options_.total_steps) apply(index_);
}

double OneCycle::lr_at(std::int64_t index) const {
  const double first = options_.max_lr / options_.div_factor;
  return between(index, first, options_.max_lr, first / options_.final_div_factor);
}

double OneCycle::momentum_at(std::int64_t index) const {
  return between(index, options_.max_momentum, options_.base_momentum, options_.max_momentum);
}

double OneCycle::between(std::int64_t index, double start, double peak, double end) const {
  RILL_CHECK(index >= 0 && index < options_.total_steps, "OneCycle: step ", index, ", expected 0 to ",
             options_.total_steps - 1);
  const double last = static_cast<double>(options_.total_steps - 1), at = static_cast<double>(index);
  const double turn = options_.pct_start * static_cast<double>(options_.total_steps) - 1;
  const bool rising = at <= turn;
  const double from = rising ? start : peak, to = rising ? peak : end;
  const double share = rising ? (turn > 0 ? at / turn : 1) : (at - turn) / (last - turn);
  if (options_.anneal == Anneal::linear) return from + (to - from) * share;
  return to + (from - to) / 2 * (1 + std::cos(std::numbers::pi * share));
}

void OneCycle::apply(std::int64_t index) {
  optimizer_.set_lr(lr_at(index));
  if (options_.cycle_momentum && optimizer_.momentum()) optimizer_.set_momentum(momentum_at(index));
}

}  // namespace rill::optim
