#include <fmt/format.h>

#include <cmath>
#include <cstdint>
#include <utility>

#include <rill/core/io/file.hpp>
#include <rill/nn/config/json.hpp>
#include <rill/optim/run/log.hpp>

namespace rill::optim::config {

void EpochLines::check(const Run& run) const {
  if (!run.resumed) return;
  const auto lines = std::ssize(lines_so_far(run.epoch));
  RILL_CHECK(lines == run.epoch, path_, ": there are ", lines, " epochs, expected the ", run.epoch,
             " of the checkpoint; resume in the folder of the run");
}

void EpochLines::on_train_begin(Run& run) {
  check(run);
  std::string text = first_line_;
  if (run.resumed) {
    for (const std::string& each : lines_so_far(run.epoch)) text += each + '\n';
  }
  io::write_file_atomically(path_, text);
  file_ = io::AppendFile(path_);
}

// Synced, so that a checkpoint which outlives a power failure finds the lines of its epochs.
void EpochLines::on_epoch_end(Run& run) {
  file_.append(line(run) + '\n');
  file_.sync();
}

std::vector<std::string> EpochLines::lines_so_far(std::int64_t epochs) const {
  std::vector<std::string> lines = io::complete_lines(path_);
  if (!first_line_.empty() && !lines.empty()) lines.erase(lines.begin());
  if (std::ssize(lines) > epochs) lines.resize(static_cast<std::size_t>(epochs));
  return lines;
}

std::string JsonLines::line(const Run& run) {
  nn::config::OrderedJson row{{"epoch", run.epoch}};
  for (const auto& [name, value] : run.logs) {
    row[name] = nullptr;
    if (std::isfinite(value)) row[name] = value;
  }
  return row.dump();
}

void TimingLines::on_train_begin(Run& run) {
  EpochLines::on_train_begin(run);
  start_ = Clock::now();
  first_step_ = run.step;
}

std::string TimingLines::line(const Run& run) {
  const Clock::time_point now = Clock::now();
  const double seconds = std::chrono::duration<double>(now - std::exchange(start_, now)).count();
  const std::int64_t steps = run.step - std::exchange(first_step_, run.step);
  return fmt::format("{},{:.6f},{}", run.epoch, seconds, steps);
}

BestModel::BestModel(std::string monitor, callbacks::Mode mode, std::function<void()> save)
    : monitor_(std::move(monitor)),
      mode_(callbacks::mode_of("run: /training/checkpoint", mode, monitor_)),
      save_(std::move(save)) {}

void BestModel::on_epoch_end(Run& run) {
  const double value = run.logs.at(monitor_, "run: /training/checkpoint/monitor");
  const bool better = !best_ || (mode_ == callbacks::Mode::max ? value > *best_ : value < *best_);
  if (std::isnan(value) || !better) return;
  save_();
  best_ = value;
  epoch_ = run.epoch;
}

StateDict BestModel::state_dict() const {
  StateDict state{.texts = {{"monitor", monitor_}}};
  state.set_optional("best", best_);
  if (epoch_) state.set_optional("epoch", static_cast<double>(*epoch_));
  return state;
}

void BestModel::load_state_dict(const Run&, const StateDict& state) {
  const std::string& monitor = state.text("monitor", "BestModel");
  RILL_CHECK(monitor == monitor_, "BestModel: monitor is \"", monitor_, "\", expected \"", monitor,
             "\" as in the state");
  best_ = state.optional("best");
  epoch_.reset();
  if (best_) epoch_ = state.count("epoch", "BestModel");
}

}  // namespace rill::optim::config
