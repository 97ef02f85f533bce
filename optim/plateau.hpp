// ReduceLROnPlateau: a smaller learning rate when a metric stops getting better.
#pragma once

#include <rill/optim/schedule.hpp>

namespace rill::optim {

enum class PlateauMode { min, max };              ///< whether a small or a large metric is good
enum class ThresholdMode { relative, absolute };  ///< whether threshold is a share of the best metric

struct ReduceLROnPlateauOptions {
  PlateauMode mode = PlateauMode::min;
  double factor = 0.1;         ///< in [0, 1)
  std::int64_t patience = 10;  ///< bad steps that are let pass: the one after them reduces
  double threshold = 1e-4;     ///< what is better by no more than that is bad
  ThresholdMode threshold_mode = ThresholdMode::relative;
  std::int64_t cooldown = 0;  ///< steps after a reduction in which none is counted as bad
  PerGroup min_lr = 0;        ///< for all groups, or one for each
  double eps = 1e-8;          ///< a reduction by no more than that is left out
};

/// step(metric) counts the steps in a row whose metric is not better than the best one so far; after more than
/// `patience` of them, lr = max(lr · factor, min_lr). A metric that is NaN is not better. PyTorch's form.
class ReduceLROnPlateau final : public Schedule {
 public:
  /// Throws Error for values out of range.
  ReduceLROnPlateau(Optimizer& optimizer, const ReduceLROnPlateauOptions& options = {});

 private:
  double scale(double lr, std::int64_t step, std::size_t group) const override;
  bool needs_metric(std::int64_t) const override { return true; }
  void observe(std::int64_t step, double metric) override;
  void save(State& state, const std::string& prefix) const override;
  void load(State& state, const std::string& prefix) override;
  bool is_better(double metric) const;

  ReduceLROnPlateauOptions options_;
  std::optional<double> best_;  // none before the first good metric
  std::int64_t num_bad_epochs_ = 0, cooldown_counter_ = 0, reductions_ = 0;
};

}  // namespace rill::optim
