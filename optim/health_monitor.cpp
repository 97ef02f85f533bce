#include <algorithm>
#include <charconv>
#include <fstream>

#include <rill/optim/health_monitor.hpp>

namespace rill::optim::callbacks {

HealthMonitor::HealthMonitor(std::shared_ptr<const nn::data::Dataset> probe, HealthMonitorOptions options)
    : probe_(std::move(probe)), options_(std::move(options)) {
  RILL_CHECK(probe_, "HealthMonitor: the probe is null, expected a data set");
}

void HealthMonitor::on_train_begin(Run& run) {
  history_.clear();
  earlier_.clear();
  earlier_step_ = -1;
  if (run.resumed && !options_.csv.empty()) read_earlier(run.step);
  nn::MonitorOptions options{.probe_samples = options_.probe_samples,
                             .every = options_.every,
                             .statistics = options_.statistics,
                             .first_step = run.step};
  if (options_.gradients) options.loss = run.loss;
  monitor_.emplace(run.model, probe_, options);
}

// Rows of later steps come again; so does the report of the last one, which is left out of what is written.
void HealthMonitor::read_earlier(std::int64_t last_step) {
  std::ifstream in(options_.csv, std::ios::binary);
  std::string line;
  std::getline(in, line);
  while (std::getline(in, line) && !in.eof()) {
    std::int64_t step = 0;
    const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), step);
    if (error != std::errc() || end == line.data() + line.size() || *end != ',' || step > last_step) return;
    earlier_ += line + '\n';
    earlier_step_ = step;
  }
}

void HealthMonitor::on_gradients(Run&) { monitor_->before_update(); }

void HealthMonitor::on_train_batch_end(Run& run) { monitor_->after_update(run.batch->x.size(0)); }

void HealthMonitor::on_epoch_end(Run& run) {
  const nn::HealthReport& report = monitor_->report();
  run.logs.set("never_on", report.never_on_share());
  run.logs.set("dead", report.dead_share());
  run.logs.set("non_finite", static_cast<double>(report.non_finite()) / static_cast<double>(report.units()));
  write_csv();
}

void HealthMonitor::write_csv() const {
  if (options_.csv.empty()) return;
  const std::vector<nn::HealthReport>& all = monitor_->history();
  const auto fresh = std::ranges::find_if(all, [&](const auto& each) { return each.step > earlier_step_; });
  nn::write_health_csv({fresh, all.end()}, options_.csv, earlier_);
}

// A run that was interrupted ends within an epoch. The model may be gone when the history is read.
void HealthMonitor::on_train_end(Run&) {
  write_csv();
  history_ = monitor_->history();
  monitor_.reset();
}

}  // namespace rill::optim::callbacks
