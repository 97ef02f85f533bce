#include <algorithm>
#include <charconv>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <rill/optim/health_monitor.hpp>

namespace rill::optim::callbacks {

HealthMonitor::HealthMonitor(std::shared_ptr<const nn::data::Dataset> probe, HealthMonitorOptions options)
    : probe_(std::move(probe)), options_(std::move(options)) {
  RILL_CHECK(probe_, "HealthMonitor: the probe is null, expected a data set");
}

void HealthMonitor::on_train_begin(Run& run) {
  history_.clear();
  earlier_.clear();
  written_ = 0;
  row_step_ = -1;
  file_ = io::AppendFile();
  if (run.resumed && !options_.csv.empty()) read_earlier(run.step);
  nn::MonitorOptions options{.probe_samples = options_.probe_samples,
                             .every = options_.every,
                             .statistics = options_.statistics,
                             .first_step = run.step};
  if (options_.gradients) options.loss = run.loss.function();
  monitor_.emplace(run.model, probe_, options);
}

// Rows of later steps come again. The report that is made where the run goes on is none that it would have made without a stop,
// unless an epoch ends there.
void HealthMonitor::read_earlier(std::int64_t last_step) {
  const std::vector<std::string> lines = io::complete_lines(options_.csv);
  for (const std::string& line : std::span(lines).subspan(std::min<std::size_t>(1, lines.size()))) {
    std::int64_t step = 0;
    const auto [rest, failure] = std::from_chars(line.data(), line.data() + line.size(), step);
    if (failure != std::errc() || rest == line.data() + line.size() || *rest != ',' || step > last_step)
      break;
    earlier_.append(line).append(1, '\n');
    written_ = 1;
    row_step_ = step;
  }
}

void HealthMonitor::on_gradients(Run&) { monitor_->before_update(); }

void HealthMonitor::on_train_batch_end(Run& run) {
  if (monitor_->after_update(run.batch->x.size(0))) write_csv();
}

void HealthMonitor::on_epoch_end(Run& run) {
  const nn::HealthReport& report = monitor_->report();
  run.logs.set("never_on", report.never_on_share());
  run.logs.set("dead", report.dead_share());
  run.logs.set("non_finite", static_cast<double>(report.non_finite()) / static_cast<double>(report.units()));
  if (report.step != row_step_) written_ = std::min(written_, monitor_->history().size() - 1);
  write_csv();
}

// The file is touched with the first report, when all of the run has begun.
void HealthMonitor::write_csv() {
  if (options_.csv.empty()) return;
  if (!file_.is_open()) {
    nn::write_health_csv({}, options_.csv, earlier_);
    file_ = io::AppendFile(options_.csv);
  }
  const std::vector<nn::HealthReport>& all = monitor_->history();
  const auto fresh = std::span(all).subspan(written_);
  file_.append(nn::health_csv_rows(fresh));
  if (!fresh.empty()) row_step_ = fresh.back().step;
  written_ = all.size();
  file_.sync();
}

// A run that was interrupted ends within an epoch. The model may be gone when the history is read.
void HealthMonitor::on_train_end(Run&) {
  write_csv();
  file_.close();
  history_ = monitor_->history();
  monitor_.reset();
}

}  // namespace rill::optim::callbacks
