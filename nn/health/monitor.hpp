// Monitor: the health of a model while it trains, every so many samples, on one probe set.
//
//   nn::Monitor monitor(model, probe, {.loss = cross_entropy_of});
//   for (…) {
//     … loss.backward();
//     monitor.before_update();
//     optimizer.step();
//     monitor.after_update(batch.x.size(0));
//   }
//   nn::write_health_csv(monitor.history(), "health.csv");
//
// optim::callbacks::HealthMonitor does the same within a Trainer. A step after which no report is due costs a comparison.
#pragma once

#include <memory>

#include <rill/nn/health/audit.hpp>

namespace rill::nn {

struct MonitorOptions {
  std::int64_t probe_samples = 500;  ///< the first ones of the probe set
  /// Steps between reports. 0: as many as train on 30 times the samples of the probe, so that watching costs some 3 % of the
  /// training, and less without a loss.
  std::int64_t every = 0;
  std::function<Tensor(const Tensor& prediction, const Tensor& target)> loss =
      {};  ///< as AuditOptions::loss: with it, gradients are measured
  /// From step 50 on. Till then batch statistics serve, as in born_dead(): the running ones are still those of the start.
  Statistics statistics = Statistics::running;
  std::int64_t first_step = 0;  ///< of a resumed run
};

class Monitor {
 public:
  /// The model must outlive the monitor. The first report, of what there is before any step, is made at once.
  /// Throws Error as audit() does, and for options out of range.
  Monitor(Module& model, std::shared_ptr<const data::Dataset> probe, const MonitorOptions& options = {});

  /// Before the optimizer's step: where a report is due, the parameters are kept, for update_ratio. May be left out.
  void before_update();
  /// After the optimizer's step on a batch of `samples` samples. Returns whether it made a report. Throws Error for less than 1
  /// sample.
  bool after_update(std::int64_t samples);
  /// A report of the present step, due or not; that of the history if there is one.
  const HealthReport& report();

  std::int64_t step() const { return step_; }  ///< optimizer steps so far
  /// Some 100 bytes a unit and report.
  const std::vector<HealthReport>& history() const { return history_; }

 private:
  // Whether a report is due once `steps` steps and `samples` samples have passed.
  bool due(std::int64_t steps, std::int64_t samples) const;
  void measure();

  Module& model_;
  std::shared_ptr<const data::Dataset> probe_;
  MonitorOptions options_;
  std::vector<HealthReport> history_;
  std::vector<NamedTensor> kept_;  // parameters before the running step, where a report is due after it
  std::int64_t step_, samples_since_ = 0, last_batch_ = 0;
};

}  // namespace rill::nn
