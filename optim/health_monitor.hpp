// HealthMonitor: nn::Monitor as a callback of Trainer::fit.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include <rill/core/io/append.hpp>
#include <rill/nn/health/monitor.hpp>
#include <rill/optim/fit.hpp>

namespace rill::optim::callbacks {

struct HealthMonitorOptions {
  std::int64_t probe_samples = 500;  ///< as nn::MonitorOptions
  std::int64_t every = 0;            ///< as nn::MonitorOptions
  bool gradients = true;             ///< measured with the trainer's loss
  nn::Statistics statistics = nn::Statistics::running;
  std::string csv = {};  ///< where each report is written as it is made, and synced; empty for nowhere
};

/// Watches the units of the model that trains on one probe set: a report before the first step, one every so many steps, and one
/// at the end of every epoch. That one's never_on_share() and shares of dead and non-finite units are in the epoch's logs, as
/// "never_on", "dead" and "non_finite". In a run that is resumed the history begins anew there; in its file the rows up to there stay, and
/// with an `every` that is set it ends as that of a run that was not stopped.
class HealthMonitor final : public Callback {
 public:
  /// Throws Error for a null probe.
  explicit HealthMonitor(std::shared_ptr<const nn::data::Dataset> probe, HealthMonitorOptions options = {});
  /// Throws Error as nn::Monitor does.
  void on_train_begin(Run& run) override;
  void on_gradients(Run& run) override;
  /// These throw Error if the CSV file cannot be written.
  void on_train_batch_end(Run& run) override;
  void on_epoch_end(Run& run) override;
  void on_train_end(Run& run) override;

  /// The reports of the run so far, or of the last one, also if that threw. Empty before the first.
  const std::vector<nn::HealthReport>& history() const { return monitor_ ? monitor_->history() : history_; }

 private:
  void write_csv();
  void read_earlier(std::int64_t last_step);

  std::shared_ptr<const nn::data::Dataset> probe_;
  HealthMonitorOptions options_;
  std::optional<nn::Monitor> monitor_;
  std::vector<nn::HealthReport> history_;
  std::string earlier_;         // rows of the file that a resumed run goes on
  std::size_t written_ = 0;     // reports of this run that stand in the file, or need not
  std::int64_t row_step_ = -1;  // of the file's last rows
  io::AppendFile file_;
};

}  // namespace rill::optim::callbacks
