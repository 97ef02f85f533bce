// OneCycleLR: up to a large learning rate, then down to a very small one.
#pragma once

#include <rill/optim/schedule.hpp>

namespace rill::optim {

enum class Anneal { cosine, linear };

struct OneCycleLROptions {
  PerGroup max_lr =
      std::numeric_limits<double>::quiet_NaN();  ///< has to be given: for all groups, or one for each
  std::int64_t total_steps = 0;                  ///< has to be given
  double pct_start = 0.3;                        ///< the share of the steps that go up, in (0, 1)
  Anneal anneal = Anneal::cosine;
  double div_factor = 25;         ///< the first learning rate is max_lr / div_factor
  double final_div_factor = 1e4;  ///< the last one is the first / final_div_factor
  bool cycle_momentum = true;     ///< where the optimizer has a momentum, move it the other way
  double base_momentum = 0.85;
  double max_momentum = 0.95;
};

/// Smith and Topin, arXiv 1708.07120, in PyTorch's form (two phases); for steps that are batches. As in PyTorch the
/// optimizer's own learning rates do not matter: max_lr is every group's, unless one is given for each. The call of
/// step() after the last step leaves the learning rate as it is.
class OneCycleLR final : public Schedule {
 public:
  /// Throws Error for values out of range.
  OneCycleLR(Optimizer& optimizer, const OneCycleLROptions& options);
  bool scales_initial_lr() const override { return false; }

 private:
  double scale(double lr, std::int64_t step, std::size_t group) const override;
  std::optional<double> momentum(std::int64_t step) const override;
  std::int64_t last_step() const override { return options_.total_steps; }
  double between(std::int64_t step, double start, double peak, double end) const;

  OneCycleLROptions options_;
};

}  // namespace rill::optim
