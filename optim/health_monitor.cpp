#include <rill/optim/health_monitor.hpp>

namespace rill::optim::callbacks {

HealthMonitor::HealthMonitor(std::shared_ptr<const nn::data::Dataset> probe, HealthMonitorOptions options)
    : probe_(std::move(probe)), options_(std::move(options)) {
  RILL_CHECK(probe_, "HealthMonitor: the probe is null, expected a data set");
}

void HealthMonitor::on_train_begin(Run& run) {
  history_.clear();
  nn::MonitorOptions options{.probe_samples = options_.probe_samples,
                             .every = options_.every,
                             .statistics = options_.statistics,
                             .first_step = run.step};
  if (options_.gradients) options.loss = run.loss;
  monitor_.emplace(run.model, probe_, options);
}

void HealthMonitor::on_gradients(Run&) { monitor_->before_update(); }

void HealthMonitor::on_train_batch_end(Run& run) { monitor_->after_update(run.batch->x.size(0)); }

void HealthMonitor::on_epoch_end(Run& run) {
  const nn::HealthReport& report = monitor_->report();
  run.logs.set("never_on", report.never_on_share());
  run.logs.set("dead", report.dead_share());
  run.logs.set("non_finite", static_cast<double>(report.non_finite()) / static_cast<double>(report.units()));
  if (!options_.csv.empty()) nn::write_health_csv(monitor_->history(), options_.csv);
}

// The model may be gone when the history is read.
void HealthMonitor::on_train_end(Run&) {
  history_ = monitor_->history();
  monitor_.reset();
}

}  // namespace rill::optim::callbacks
