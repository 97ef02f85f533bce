// One call of Trainer::fit(): the loop over epochs and steps, and the checkpoints between them.
#pragma once

#include <rill/optim/fit.hpp>
#include <rill/optim/resume.hpp>

namespace rill::optim {

namespace detail {

/// The mean of a loss over batches, by their weights.
class LossSum {
 public:
  LossSum() = default;
  LossSum(double sum, double weight) : sum_(sum), weight_(weight) {}
  /// A batch without weight, whose labels are all ignored, has no loss.
  void add(double loss, double weight) {
    if (weight == 0) return;
    sum_ += loss * weight;
    weight_ += weight;
  }
  double mean() const { return sum_ / weight_; }
  double sum() const { return sum_; }
  double weight() const { return weight_; }

 private:
  double sum_ = 0, weight_ = 0;
};

}  // namespace detail

class Trainer::Loop {
 public:
  Loop(Trainer& trainer, const nn::data::Loader& train, const FitOptions& options);
  History run();

 private:
  detail::Training training() { return {run_, options_.callbacks, trainer_.metrics_, train_}; }
  void call(void (Callback::*function)(Run&)) {
    for (const auto& callback : options_.callbacks) ((*callback).*function)(run_);
  }

  /// Throws Error for what no checkpoint could hold, before the first step.
  void check_checkpoint();
  void resume();
  void write();
  bool writes() const { return !options_.checkpoint.file.empty(); }

  void epochs();
  bool begin_epoch();
  void end_epoch();
  void steps();
  void step(const nn::data::Batch& batch);
  void after_step();
  void measure(const Tensor& prediction, const Tensor& target);
  void step_schedule(Interval interval);

  Trainer& trainer_;
  const nn::data::Loader& train_;
  const FitOptions& options_;
  Run run_;
  History history_;
  std::int64_t first_step_ = 0;
  std::int64_t written_step_ = -1;  // of the last checkpoint
  double epoch_lr_ = 0;             // when the epoch began
  detail::LossSum loss_;
};

}  // namespace rill::optim
