#include <algorithm>
#include <cmath>
#include <numbers>

#include <rill/optim/one_cycle.hpp>

namespace rill::optim {

OneCycleLR::OneCycleLR(Optimizer& optimizer, const OneCycleLROptions& options)
    : Schedule("OneCycleLR", optimizer, Interval::batch), options_(options) {
  RILL_CHECK(options.total_steps >= 1, "OneCycleLR: total_steps is ", options.total_steps,
             ", expected 1 or more");
  RILL_CHECK(options.pct_start > 0 && options.pct_start < 1, "OneCycleLR: pct_start is ", options.pct_start,
             ", expected more than 0 and less than 1");
  options.max_lr.check("OneCycleLR", "max_lr", optimizer.group_count(), 0);
  detail::check_range("OneCycleLR", "div_factor", options.div_factor, 1, INFINITY);
  detail::check_range("OneCycleLR", "final_div_factor", options.final_div_factor, 1, INFINITY);
  detail::check_range("OneCycleLR", "base_momentum", options.base_momentum, 0, 1);
  detail::check_range("OneCycleLR", "max_momentum", options.max_momentum, 0, 1);
  start();
}

double OneCycleLR::scale(double, std::int64_t step, std::size_t group) const {
  const double peak = options_.max_lr[group], first = peak / options_.div_factor;
  return between(step, first, peak, first / options_.final_div_factor);
}

std::optional<double> OneCycleLR::momentum(std::int64_t step) const {
  if (!options_.cycle_momentum) return std::nullopt;
  return between(step, options_.max_momentum, options_.base_momentum, options_.max_momentum);
}

double OneCycleLR::between(std::int64_t step, double start, double peak, double end) const {
  // The last call of step() comes after the last step: there is no learning rate left to set.
  const double last = static_cast<double>(options_.total_steps - 1);
  const double at = std::min(static_cast<double>(step), last);
  const double turn = options_.pct_start * static_cast<double>(options_.total_steps) - 1;
  const bool rising = at <= turn;
  const double from = rising ? start : peak, to = rising ? peak : end;
  const double share = rising ? (turn > 0 ? at / turn : 1) : (at - turn) / (last - turn);
  if (options_.anneal == Anneal::linear) return from + (to - from) * share;
  return to + (from - to) / 2 * (1 + std::cos(std::numbers::pi * share));
}

}  // namespace rill::optim
