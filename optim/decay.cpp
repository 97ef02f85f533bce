#include <algorithm>
#include <cmath>
#include <numbers>

#include <rill/optim/decay.hpp>

namespace rill::optim {

namespace {

void check_positive(const char* where, const char* key, std::int64_t value) {
  RILL_CHECK(value >= 1, where, ": ", key, " is ", value, ", expected 1 or more");
}

void check_share(const char* where, const char* key, double value) {
  RILL_CHECK(value >= 0 && value <= 1, where, ": ", key, " is ", value, ", expected 0 to 1");
}

}  // namespace

StepLR::StepLR(Optimizer& optimizer, const StepLROptions& options)
    : Schedule("StepLR", optimizer, Interval::epoch), options_(options) {
  check_positive("StepLR", "step_size", options.step_size);
  detail::check_range("StepLR", "gamma", options.gamma, 0, INFINITY);
  start();
}

double StepLR::scale(double lr, std::int64_t step, std::size_t) const {
  const std::int64_t decays = step / options_.step_size;
  return lr * std::pow(options_.gamma, static_cast<double>(decays));
}

MultiStepLR::MultiStepLR(Optimizer& optimizer, const MultiStepLROptions& options)
    : Schedule("MultiStepLR", optimizer, Interval::epoch), options_(options) {
  RILL_CHECK(!options.milestones.empty(), "MultiStepLR: there are no milestones, expected at least one");
  std::int64_t before = 1;
  for (const std::int64_t milestone : options.milestones) {
    RILL_CHECK(milestone >= before, "MultiStepLR: milestone ", milestone, ", expected ", before,
               " or more, in ascending order");
    before = milestone;
  }
  detail::check_range("MultiStepLR", "gamma", options.gamma, 0, INFINITY);
  start();
}

double MultiStepLR::scale(double lr, std::int64_t step, std::size_t) const {
  const auto reached = std::ranges::upper_bound(options_.milestones, step) - options_.milestones.begin();
  return lr * std::pow(options_.gamma, static_cast<double>(reached));
}

ExponentialLR::ExponentialLR(Optimizer& optimizer, const ExponentialLROptions& options)
    : Schedule("ExponentialLR", optimizer, Interval::epoch), options_(options) {
  detail::check_range("ExponentialLR", "gamma", options.gamma, 0, INFINITY);
  start();
}

double ExponentialLR::scale(double lr, std::int64_t step, std::size_t) const {
  return lr * std::pow(options_.gamma, static_cast<double>(step));
}

CosineAnnealingLR::CosineAnnealingLR(Optimizer& optimizer, const CosineAnnealingLROptions& options)
    : Schedule("CosineAnnealingLR", optimizer, Interval::epoch), options_(options) {
  check_positive("CosineAnnealingLR", "t_max", options.t_max);
  detail::check_range("CosineAnnealingLR", "eta_min", options.eta_min, 0, INFINITY);
  start();
}

double CosineAnnealingLR::scale(double lr, std::int64_t step, std::size_t) const {
  const double share = static_cast<double>(step) / static_cast<double>(options_.t_max);
  return options_.eta_min + (lr - options_.eta_min) * (1 + std::cos(std::numbers::pi * share)) / 2;
}

LinearLR::LinearLR(Optimizer& optimizer, const LinearLROptions& options)
    : Schedule("LinearLR", optimizer, Interval::epoch), options_(options) {
  check_share("LinearLR", "start_factor", options.start_factor);
  check_share("LinearLR", "end_factor", options.end_factor);
  check_positive("LinearLR", "total_iters", options.total_iters);
  start();
}

double LinearLR::scale(double lr, std::int64_t step, std::size_t) const {
  if (step >= options_.total_iters) return lr * options_.end_factor;
  const double share = static_cast<double>(step) / static_cast<double>(options_.total_iters);
  return lr * (options_.start_factor + (options_.end_factor - options_.start_factor) * share);
}

}  // namespace rill::optim
