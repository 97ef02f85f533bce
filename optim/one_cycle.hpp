// The one-cycle schedule: up to a large learning rate, then down to a very small one.
#pragma once

#include <limits>

#include <rill/optim/optimizer.hpp>

namespace rill::optim {

enum class Anneal { cosine, linear };

struct OneCycleOptions {
  double max_lr = std::numeric_limits<double>::quiet_NaN();  ///< has to be given
  std::int64_t total_steps = 0;                              ///< has to be given
  double pct_start = 0.3;                                    ///< the share of the steps that go up, in (0, 1)
  Anneal anneal = Anneal::cosine;
  double div_factor = 25;         ///< the first learning rate is max_lr / div_factor
  double final_div_factor = 1e4;  ///< the last one is the first / final_div_factor
  bool cycle_momentum = true;     ///< where the optimizer has a momentum, move it the other way
  double base_momentum = 0.85;
  double max_momentum = 0.95;
};

/// Smith and Topin, arXiv 1708.07120, in PyTorch's form (two phases). Construct it before the first step, and call
/// step() after each one. Every group gets the same learning rate. The optimizer must outlive the schedule.
class OneCycle {
 public:
  /// Throws Error for values out of range.
  OneCycle(Optimizer& optimizer, const OneCycleOptions& options);

  /// Sets the learning rate of the next step. Throws Error after total_steps calls.
  void step();

  /// The learning rate of step `index`, in [0, total_steps).
  double lr_at(std::int64_t index) const;
  double momentum_at(std::int64_t index) const;

 private:
  double between(std::int64_t index, double start, double peak, double end) const;
  void apply(std::int64_t index);

  Optimizer& optimizer_;
  OneCycleOptions options_;
  std::int64_t index_ = 0;
};

}  // namespace rill::optim
