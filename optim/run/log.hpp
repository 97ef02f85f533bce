// What a run writes while it trains, and the choice of its best model: callbacks.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <rill/core/io/append.hpp>
#include <rill/optim/callbacks.hpp>

namespace rill::optim::config {

/// A file with a line an epoch, synced, behind a first line that may be empty for none. A run that is resumed cuts it back to the
/// epochs that its checkpoint has seen.
class EpochLines : public Callback {
 public:
  EpochLines(std::string path, std::string first_line)
      : path_(std::move(path)), first_line_(std::move(first_line)) {}
  /// Throws Error if a resumed run's file has too few lines. Nothing is written.
  virtual void check(const Run& run) const;
  /// Throws Error as check() does, and if the file cannot be written.
  void on_train_begin(Run& run) override;
  /// Throws Error if the line cannot be written.
  void on_epoch_end(Run& run) override;
  /// Throws Error if the file cannot be written.
  void on_train_end(Run&) override { file_.close(); }

 protected:
  virtual std::string line(const Run& run) = 0;

 private:
  std::vector<std::string> lines_so_far(std::int64_t epochs) const;
  std::string path_, first_line_;
  io::AppendFile file_;
};

/// {"epoch":0,"loss":0.5,…}, the numbers with enough digits to read the same ones back; null for those that are not finite.
class JsonLines final : public EpochLines {
 public:
  explicit JsonLines(std::string path) : EpochLines(std::move(path), "") {}

 private:
  std::string line(const Run& run) override;
};

/// epoch,seconds,steps: how long the steps of an epoch, and its end, took; of a resumed one those that were left. Lines that are
/// gone do not keep a run from going on.
class TimingLines final : public EpochLines {
 public:
  explicit TimingLines(std::string path) : EpochLines(std::move(path), "epoch,seconds,steps\n") {}
  void check(const Run&) const override {}
  void on_train_begin(Run& run) override;

 private:
  using Clock = std::chrono::steady_clock;
  std::string line(const Run& run) override;
  Clock::time_point start_;
  std::int64_t first_step_ = 0;
};

/// Calls a function once, when the training begins: in a resumed run everything has been restored by then.
class AtBegin final : public Callback {
 public:
  explicit AtBegin(std::function<void(Run&)> call) : call_(std::move(call)) {}
  void on_train_begin(Run& run) override { call_(run); }

 private:
  std::function<void(Run&)> call_;
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
