// Learning rates by a formula of the number of steps t: StepLR, MultiStepLR, ExponentialLR, CosineAnnealingLR, LinearLR.
//
// The schedules of torch.optim.lr_scheduler under their names. PyTorch multiplies the learning rate of the step before,
// rill computes it from the first one: the two agree but for rounding.
#pragma once

#include <rill/optim/schedule.hpp>

namespace rill::optim {

struct StepLROptions {
  std::int64_t step_size = 0;  ///< has to be given
  double gamma = 0.1;
};

/// lr · gamma^⌊t / step_size⌋.
class StepLR final : public Schedule {
 public:
  /// Throws Error for values out of range.
  StepLR(Optimizer& optimizer, const StepLROptions& options);

 private:
  double scale(double lr, std::int64_t step, std::size_t group) const override;
  StepLROptions options_;
};

struct MultiStepLROptions {
  std::vector<std::int64_t>
      milestones;  ///< has to be given, in ascending order; one given twice counts twice
  double gamma = 0.1;
};

/// lr · gamma^n, where n is the number of milestones that t has reached.
class MultiStepLR final : public Schedule {
 public:
  /// Throws Error for values out of range.
  MultiStepLR(Optimizer& optimizer, const MultiStepLROptions& options);

 private:
  double scale(double lr, std::int64_t step, std::size_t group) const override;
  MultiStepLROptions options_;
};

struct ExponentialLROptions {
  double gamma = std::numeric_limits<double>::quiet_NaN();  ///< has to be given
};

/// lr · gamma^t.
class ExponentialLR final : public Schedule {
 public:
  /// Throws Error for values out of range.
  ExponentialLR(Optimizer& optimizer, const ExponentialLROptions& options);

 private:
  double scale(double lr, std::int64_t step, std::size_t group) const override;
  ExponentialLROptions options_;
};

struct CosineAnnealingLROptions {
  std::int64_t t_max = 0;  ///< has to be given: the step at which the learning rate is eta_min
  double eta_min = 0;
};

/// eta_min + (lr - eta_min) · (1 + cos(π t / t_max)) / 2. After t_max it rises again, as in PyTorch.
/// Loshchilov and Hutter, arXiv 1608.03983, without restarts.
class CosineAnnealingLR final : public Schedule {
 public:
  /// Throws Error for values out of range.
  CosineAnnealingLR(Optimizer& optimizer, const CosineAnnealingLROptions& options);

 private:
  double scale(double lr, std::int64_t step, std::size_t group) const override;
  CosineAnnealingLROptions options_;
};

struct LinearLROptions {
  double start_factor = 1.0 / 3;
  double end_factor = 1;
  std::int64_t total_iters = 5;
};

/// lr times a factor that goes from start_factor to end_factor in total_iters steps and stays there: a warm-up.
class LinearLR final : public Schedule {
 public:
  /// Throws Error for values out of range.
  LinearLR(Optimizer& optimizer, const LinearLROptions& options = {});

 private:
  double scale(double lr, std::int64_t step, std::size_t group) const override;
  LinearLROptions options_;
};

}  // namespace rill::optim
