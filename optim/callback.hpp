// Callback: what is called while a model trains, and Run: the training as it sees it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <rill/nn/data/loader.hpp>
#include <rill/optim/logs.hpp>
#include <rill/optim/losses.hpp>
#include <rill/optim/schedule.hpp>
#include <rill/optim/state_dict.hpp>

namespace rill::optim {

/// A run of fit() as callbacks see it.
struct Run {
  Run(nn::Module& of_model, Optimizer& of_optimizer, const Loss& of_loss);

  nn::Module& model;
  Optimizer& optimizer;
  const Loss& loss;
  std::vector<Tensor> params;              ///< what the optimizer trains
  Schedule* schedule = nullptr;            ///< of FitOptions
  std::int64_t epochs = 0;                 ///< that were asked for
  std::int64_t epoch = 0;                  ///< counts from 0
  std::int64_t batches = 0;                ///< an epoch
  std::int64_t epoch_step = 0;             ///< optimizer steps done in this epoch
  std::int64_t step = 0;                   ///< optimizer steps done, those before first_epoch included
  bool resumed = false;                    ///< goes on from a checkpoint
  const nn::data::Batch* batch = nullptr;  ///< of the current step
  Logs logs = {};                          ///< of the epoch so far; with validation in on_epoch_end

  /// Ends the run after the current step: the epoch ends there, with validation and on_epoch_end, if it had a step.
  /// The first reason stays. Throws Error for an empty one.
  void stop(std::string why);
  /// Ends the run at once, as one whose numbers are of no use any more: before the optimizer's step the parameters stay
  /// as they are, and nothing but on_train_end is called. The reason takes that of a stop().
  void diverge(std::string why);
  /// Ends the run after the current step, to be resumed: the epoch does not end, so there is no validation and no
  /// on_epoch_end, but a checkpoint, if one is asked for, and on_train_end. In on_epoch_begin, before the epoch's first
  /// step. Throws Error for an empty reason.
  void interrupt(std::string why);
  bool stopped() const { return stopped_; }
  bool diverged() const { return diverged_; }
  bool interrupted() const { return interrupted_; }
  bool ended() const { return stopped_ || interrupted_; }
  /// Of what stopped it, else of what interrupted it.
  const std::string& reason() const { return stopped_ ? reason_ : interruption_; }

 private:
  bool stopped_ = false, diverged_ = false, interrupted_ = false;
  std::string reason_, interruption_;
};

/// What is called while a model trains; every function does nothing by default. Names and times are Keras'.
///
/// A callback on which later epochs depend has a type() and a state_dict(), which checkpoints keep: a run that is resumed
/// must have the callbacks of the same types in the same order, those without a type() left aside.
class Callback {
 public:
  virtual ~Callback() = default;
  /// Where a run is resumed (run.resumed), load_state_dict() came before: what it gave must stay.
  virtual void on_train_begin(Run&) {}
  /// Not called again for an epoch that is resumed after its first step.
  virtual void on_epoch_begin(Run&) {}
  virtual void on_train_batch_begin(Run&) {}
  /// With the loss of the batch, before the backward pass.
  virtual void on_loss(Run&, const Tensor&) {}
  /// With every gradient in its place, before the optimizer's step.
  virtual void on_gradients(Run&) {}
  virtual void on_train_batch_end(Run&) {}
  virtual void on_epoch_end(Run&) {}
  virtual void on_train_end(Run&) {}

  /// "EarlyStopping"; empty for a callback that has nothing to remember.
  virtual std::string_view type() const { return {}; }
  /// What it has to remember, after the callbacks of a step or an epoch.
  virtual StateDict state_dict() const { return {}; }
  /// Takes the place of what it remembers. The run holds neither its weights nor its position yet, for nothing has been
  /// changed so far. Throws Error, and changes nothing, for what state_dict() of a callback like this one does not give.
  virtual void load_state_dict(const Run&, const StateDict&) {}
};

}  // namespace rill::optim
