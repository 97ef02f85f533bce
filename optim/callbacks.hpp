// Callbacks for Trainer::fit, with Keras' names, options and rules.
//
// A callback is for one run at a time, and begins anew with the next, but for one that is resumed; ModelCheckpoint goes on
// from its best. What a callback watches ("monitor") is a name in the logs: "loss", a metric, or one
// of these with "val_" in front.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include <rill/core/io/append.hpp>
#include <rill/nn/health/nan_trap.hpp>
#include <rill/optim/fit.hpp>

namespace rill::optim::callbacks {

/// Whether a small or a large number is good. With `automatic` the monitor's name decides: small ones for names that end
/// in "loss", "error", "mse", "mae" or "rmse", large ones for "acc", "accuracy", "auc", "precision", "recall", "f1" or
/// "r2"; any other name is refused.
enum class Mode { automatic, min, max };

/// What the name alone says of Mode::automatic.
std::optional<Mode> mode_by_name(std::string_view monitor);
/// min or max. Throws Error, naming `where`, if it is automatic and the monitor's name does not decide.
Mode mode_of(const char* where, Mode mode, const std::string& monitor);

struct LambdaCallbackOptions {
  using Function = std::function<void(Run&)>;
  Function on_train_begin = {};
  Function on_epoch_begin = {};
  Function on_train_batch_begin = {};
  Function on_gradients = {};
  Function on_train_batch_end = {};
  Function on_epoch_end = {};
  Function on_train_end = {};
};

/// A callback made of functions; an empty one does nothing.
class LambdaCallback final : public Callback {
 public:
  explicit LambdaCallback(LambdaCallbackOptions options) : options_(std::move(options)) {}
  void on_train_begin(Run& run) override { call(options_.on_train_begin, run); }
  void on_epoch_begin(Run& run) override { call(options_.on_epoch_begin, run); }
  void on_train_batch_begin(Run& run) override { call(options_.on_train_batch_begin, run); }
  void on_gradients(Run& run) override { call(options_.on_gradients, run); }
  void on_train_batch_end(Run& run) override { call(options_.on_train_batch_end, run); }
  void on_epoch_end(Run& run) override { call(options_.on_epoch_end, run); }
  void on_train_end(Run& run) override { call(options_.on_train_end, run); }

 private:
  static void call(const LambdaCallbackOptions::Function& function, Run& run) {
    if (function) function(run);
  }
  LambdaCallbackOptions options_;
};

/// A line an epoch: loss, metrics, learning rate, time; and while it runs, with `redraw`, a bar with the time left, drawn
/// over itself ten times a second at most, for a terminal.
class Progress final : public Callback {
 public:
  /// The stream must outlive the callback.
  explicit Progress(std::ostream& out, bool redraw = false) : out_(out), redraw_(redraw) {}
  void on_train_begin(Run& run) override { begin(run); }
  void on_epoch_begin(Run& run) override { begin(run); }
  void on_train_batch_end(Run& run) override;
  void on_epoch_end(Run& run) override;
  void on_train_end(Run& run) override;

 private:
  using Clock = std::chrono::steady_clock;
  void begin(const Run& run);
  void clear_line();
  std::ostream& out_;
  bool redraw_;
  std::size_t drawn_ = 0;        // characters on the line
  std::int64_t first_step_ = 0;  // of the epoch, that was seen
  Clock::time_point start_, last_draw_;
};

struct EarlyStoppingOptions {
  std::string monitor = "val_loss";
  double min_delta = 0;       ///< what is better by no more than that is not better; nor is a NaN, ever
  std::int64_t patience = 0;  ///< epochs without a better number that end the run
  Mode mode = Mode::automatic;
  std::optional<double> baseline = {};  ///< a number that has to be beaten for patience to begin anew
  /// Give the model the parameters and buffers of its best epoch at the end, however the run ends but by an exception.
  bool restore_best_weights = false;
  std::int64_t start_from_epoch = 0;  ///< epochs before that are not looked at
};

/// Ends a run whose monitored number gets no better; never in the epoch 0. The reason names the best one and its epoch.
class EarlyStopping final : public Callback {
 public:
  /// Throws Error for numbers out of range, and a monitor of unknown mode.
  explicit EarlyStopping(EarlyStoppingOptions options = {});
  void on_train_begin(Run& run) override;
  void on_epoch_end(Run& run) override;
  void on_train_end(Run& run) override;
  std::string_view type() const override { return "EarlyStopping"; }
  StateDict state_dict() const override;
  void load_state_dict(const Run& run, const StateDict& state) override;

  std::optional<double> best() const { return best_; }
  std::int64_t best_epoch() const { return best_epoch_; }  ///< counts from 0

 private:
  void keep_weights(Run& run);
  EarlyStoppingOptions options_;
  std::optional<double> best_;
  std::int64_t best_epoch_ = 0, wait_ = 0;
  std::vector<nn::NamedTensor> best_state_;
};

struct ModelCheckpointOptions {
  std::string monitor = "val_loss";  ///< read only for save_best_only and where the file's name asks for it
  bool save_best_only = false;
  Mode mode = Mode::automatic;
  std::int64_t every = 1;                              ///< epochs
  std::optional<double> initial_value_threshold = {};  ///< the best so far, of a resumed run
};

/// Saves the weights after every epoch, or after the best so far. In the file's name "{epoch}" stands for the epoch
/// from 1 on, "{val_loss}" and the like for numbers of the logs, with formats as in "w-{epoch:02d}-{val_loss:.3f}.safetensors".
class ModelCheckpoint final : public Callback {
 public:
  /// Throws Error for an empty name, numbers out of range, and with save_best_only for a monitor of unknown mode.
  explicit ModelCheckpoint(std::string file, ModelCheckpointOptions options = {});
  /// Throws Error if the name's format is wrong or the file cannot be written; an older file is left as it was then.
  void on_epoch_end(Run& run) override;
  std::string_view type() const override { return "ModelCheckpoint"; }
  StateDict state_dict() const override;
  void load_state_dict(const Run& run, const StateDict& state) override;
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

/// lr = max(lr · factor, min_lr) for every group, after `patience` epochs without a better number. Keras' form, which
/// reduces one epoch earlier than the schedule of that name, PyTorch's. It is Optimizer::scale_lr() that reduces: the
/// schedules of the run go on from there.
class ReduceLROnPlateau final : public Callback {
 public:
  /// Throws Error for numbers out of range, and a monitor of unknown mode.
  explicit ReduceLROnPlateau(ReduceLROnPlateauOptions options = {});
  /// Throws Error for a schedule that sets the learning rate whatever it was before, as OneCycleLR does.
  void on_train_begin(Run& run) override;
  void on_epoch_end(Run& run) override;
  std::string_view type() const override { return "ReduceLROnPlateau"; }
  StateDict state_dict() const override;
  void load_state_dict(const Run& run, const StateDict& state) override;

 private:
  ReduceLROnPlateauOptions options_;
  std::optional<double> best_;
  std::int64_t wait_ = 0, cooldown_ = 0;
};

/// A row an epoch: "epoch" from 0 on and the numbers of the logs under their names, with enough digits to read the same
/// numbers back; the first row decides the columns, and what a later one lacks is left empty. Written after every row, and synced before a
/// checkpoint that goes with it. A run that is resumed cuts the file back to the rows of its checkpoint.
class CSVLogger final : public Callback {
 public:
  /// With `append` rows are added to a file that is there, under its columns. Throws Error for an empty name, and a
  /// separator that a number, a name, a quote or a line end may hold.
  explicit CSVLogger(std::string file, char separator = ',', bool append = false);
  /// Throws Error if the file cannot be opened, or to append, read.
  void on_train_begin(Run& run) override;
  /// Throws Error if the file cannot be written, and if it has no column for a number.
  void on_epoch_end(Run& run) override;
  /// Throws Error if the file cannot be written.
  void on_train_end(Run& run) override;
  std::string_view type() const override { return "CSVLogger"; }
  /// Throws Error if the file cannot be synced.
  StateDict state_dict() const override;
  /// Throws Error if the file is not there any more, shorter, or has another first line.
  void load_state_dict(const Run& run, const StateDict& state) override;

 private:
  void go_on();
  std::string header() const;
  void read_columns();
  std::string path_;
  char separator_;
  bool append_;
  std::vector<std::string> columns_;
  std::string pending_;     // what has to be written before the next row
  std::int64_t bytes_ = 0;  // of the file
  mutable io::AppendFile file_;
};

/// Ends a run at the first loss, or gradient, that is NaN or infinite, before it reaches a parameter, and says in
/// Run::reason() and History::reason which layer and which op it comes from: the step is run again, with the dropout
/// masks that it had, as long as all its randomness follows from Visitor's counters. The model's buffers and counters are
/// then those before that step.
class TerminateOnNaN final : public Callback {
 public:
  /// Without `gradients` only the loss is looked at, which saves a pass over all gradients a step.
  explicit TerminateOnNaN(bool gradients = true) : gradients_(gradients) {}
  void on_train_batch_begin(Run& run) override { before_.take(run.model); }
  void on_loss(Run& run, const Tensor& loss) override;
  void on_gradients(Run& run) override;
  void on_train_end(Run&) override { before_ = nn::BufferSnapshot(); }

 private:
  void end(Run& run, const std::string& what);
  bool gradients_;
  nn::BufferSnapshot before_;
};

}  // namespace rill::optim::callbacks
