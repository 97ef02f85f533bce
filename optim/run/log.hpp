// What a run writes while it trains, and the choice of its best model: callbacks.
#pragma once

#include <chrono>
#include <fstream>
#include <functional>
#include <optional>
#include <string>

#include <rill/optim/callbacks.hpp>

namespace rill::optim::config {

/// A file with a line an epoch, behind a first line that may be empty for none. A run that is resumed cuts it back to the
/// epochs that its checkpoint has seen.
class EpochLines : public Callback {
 public:
  EpochLines(std::string path, std::string first_line)
      : path_(std::move(path)), first_line_(std::move(first_line)) {}
  /// Throws Error if the file cannot be written, or if a resumed run's has too few lines.
  void on_train_begin(Run& run) override;
  /// Throws Error if the line cannot be written.
  void on_epoch_end(Run& run) override;
  void on_train_end(Run&) override { file_.close(); }

 protected:
  virtual std::string line(const Run& run) = 0;

 private:
  std::string lines_so_far(std::int64_t epochs) const;
  std::string path_, first_line_;
  std::ofstream file_;
};

/// {"epoch":0,"loss":0.5,…}, the numbers with enough digits to read the same ones back; null for those that are not finite.
class JsonLines final : public EpochLines {
 public:
  explicit JsonLines(std::string path) : EpochLines(std::move(path), "") {}

 private:
  std::string line(const Run& run) override;
};

/// epoch,seconds,steps: how long the steps of an epoch, and its end, took; of a resumed one those that were left.
class TimingLines final : public EpochLines {
 public:
  explicit TimingLines(std::string path) : EpochLines(std::move(path), "epoch,seconds,steps\n") {}
  void on_train_begin(Run& run) override;

 private:
  using Clock = std::chrono::steady_clock;
  std::string line(const Run& run) override;
  Clock::time_point start_;
  std::int64_t first_step_ = 0;
};

/// Saves the model after every epoch that is the best so far.
class BestModel final : public Callback {
 public:
  /// Throws Error for a monitor of unknown mode.
  BestModel(std::string monitor, callbacks::Mode mode, std::function<void()> save);
  void on_epoch_end(Run& run) override;
  std::string_view type() const override { return "BestModel"; }
  StateDict state_dict() const override;
  void load_state_dict(const Run& run, const StateDict& state) override;
  const std::optional<std::int64_t>& epoch() const { return epoch_; }

 private:
  std::string monitor_;
  callbacks::Mode mode_;
  std::function<void()> save_;
  std::optional<double> best_;
  std::optional<std::int64_t> epoch_;
};

}  // namespace rill::optim::config
