// Callbacks for Trainer::fit, with Keras' names, options and rules.
//
// A callback is for one run at a time. What a callback watches ("monitor") is a name in the logs: "loss", a metric, or one
// of these with "val_" in front.
#pragma once

#include <chrono>
#include <fstream>
#include <optional>
#include <ostream>
#include <string>

#include <rill/optim/fit.hpp>

namespace rill::optim::callbacks {

/// Whether a small or a large number is good; `automatic` takes large ones for names that end in "acc", "accuracy",
/// "auc" or "r2".
enum class Mode { automatic, min, max };

/// A line an epoch: loss, metrics, learning rate, time; and while it runs, with `redraw`, a bar with the time left, drawn
/// over itself ten times a second at most, for a terminal.
class Progress final : public Callback {
 public:
  /// The stream must outlive the callback.
  explicit Progress(std::ostream& out, bool redraw = false) : out_(out), redraw_(redraw) {}
  void on_epoch_begin(Run& run) override;
  void on_train_batch_end(Run& run) override;
  void on_epoch_end(Run& run) override;
  void on_train_end(Run& run) override;

 private:
  using Clock = std::chrono::steady_clock;
  void clear_line();
  std::ostream& out_;
  bool redraw_;
  std::size_t drawn_ = 0;  // characters on the line
  std::int64_t epoch_steps_ = 0;
  Clock::time_point epoch_start_, last_draw_;
};

struct EarlyStoppingOptions {
  std::string monitor = "val_loss";
  double min_delta = 0;       ///< what is better by no more than that is not better
  std::int64_t patience = 0;  ///< epochs without a better number that end the run
  Mode mode = Mode::automatic;
  std::optional<double> baseline{};  ///< a number that has to be beaten for patience to begin anew
  bool restore_best_weights =
      false;  ///< give the model the parameters and buffers of its best epoch at the end
  std::int64_t start_from_epoch = 0;  ///< epochs before that are not looked at
};

/// Ends a run whose monitored number gets no better.
class EarlyStopping final : public Callback {
 public:
  /// Throws Error for numbers out of range.
  explicit EarlyStopping(EarlyStoppingOptions options = {});
  void on_train_begin(Run& run) override;
  void on_epoch_end(Run& run) override;
  void on_train_end(Run& run) override;

  std::optional<double> best() const { return best_; }
  std::int64_t best_epoch() const { return best_epoch_; }  ///< counts from 0

 private:
  bool better(double value, double than) const;
  void keep_weights(Run& run);
  EarlyStoppingOptions options_;
  std::optional<double> best_;
  std::int64_t best_epoch_ = 0, wait_ = 0;
  std::vector<Tensor> best_state_;
};

struct ModelCheckpointOptions {
  std::string monitor = "val_loss";  ///< read only for save_best_only and where the file's name asks for it
  bool save_best_only = false;
  Mode mode = Mode::automatic;
  std::int64_t every = 1;  ///< epochs
};

/// Saves the weights after every epoch, or after the best so far. In the file's name "{epoch}" stands for the epoch
/// from 1 on, "{val_loss}" and the like for numbers of the logs, with formats as in "w-{epoch:02d}-{val_loss:.3f}.safetensors".
class ModelCheckpoint final : public Callback {
 public:
  /// Throws Error for an empty name and numbers out of range.
  explicit ModelCheckpoint(std::string file, ModelCheckpointOptions options = {});
  void on_train_begin(Run& run) override;
  /// Throws Error if the name's format is wrong or the file cannot be written; an older file is left as it was then.
  void on_epoch_end(Run& run) override;
  const std::string& last_file() const { return last_file_; }  ///< empty before the first

 private:
  std::string file_;
  ModelCheckpointOptions options_;
  std::optional<double> best_;
  std::string last_file_;
};

struct ReduceLROnPlateauOptions {
  std::string monitor = "val_loss";
  double factor = 0.1;         ///< in (0, 1)
  std::int64_t patience = 10;  ///< epochs without a better number that reduce
  Mode mode = Mode::automatic;
  double min_delta = 1e-4;
  std::int64_t cooldown = 0;  ///< epochs after a reduction in which none is counted
  double min_lr = 0;
};

/// Keras' form, which reduces one epoch earlier than the schedule of that name, PyTorch's.
class ReduceLROnPlateau final : public Callback {
 public:
  /// Throws Error for numbers out of range.
  explicit ReduceLROnPlateau(ReduceLROnPlateauOptions options = {});
  void on_train_begin(Run& run) override;
  void on_epoch_end(Run& run) override;

 private:
  ReduceLROnPlateauOptions options_;
  std::optional<double> best_;
  std::int64_t wait_ = 0, cooldown_ = 0;
};

/// A row an epoch: "epoch" from 0 on and the numbers of the logs under their names, with enough digits to read the same
/// numbers back. Flushed after every row.
class CSVLogger final : public Callback {
 public:
  /// With `append` rows are added to a file that is there, without another header.
  explicit CSVLogger(std::string file, char separator = ',', bool append = false);
  /// Throws Error if the file cannot be written.
  void on_train_begin(Run& run) override;
  void on_epoch_end(Run& run) override;

 private:
  std::string path_;
  char separator_;
  bool append_, header_written_ = false;
  std::ofstream file_;
};

/// Ends a run at the first loss, or gradient, that is NaN or infinite, before it reaches a parameter, and says in
/// Run::reason() and History::reason which layer and which op it comes from.
class TerminateOnNaN final : public Callback {
 public:
  /// Without `gradients` only the loss is looked at, which saves a pass over all gradients a step.
  explicit TerminateOnNaN(bool gradients = true) : gradients_(gradients) {}
  void on_loss(Run& run, const Tensor& loss) override;
  void on_gradients(Run& run) override;

 private:
  void end(Run& run, const std::string& what);
  bool gradients_;
};

}  // namespace rill::optim::callbacks
