// The training loop, to use or to ignore: epochs over a loader, validation, and callbacks with Keras' names.
//
//   optim::Trainer trainer(model, optimizer, optim::losses::cross_entropy());
//   trainer.metrics({optim::accuracy()});
//   auto progress = std::make_shared<optim::callbacks::Progress>(std::cout);
//   trainer.fit(train, {.epochs = 5, .validation = &test, .callbacks = {progress}});
//
// A step is: forward, loss, backward, the callbacks' look at loss and gradients, the optimizer's step. What a run does
// follows from its arguments alone, for any number of threads.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <rill/nn/data/loader.hpp>
#include <rill/nn/module.hpp>
#include <rill/optim/losses.hpp>
#include <rill/optim/optimizer.hpp>
#include <rill/optim/schedule.hpp>

namespace rill::optim {

/// What is measured over an epoch: reset() at its start, update() with every batch, result() at its end.
class Metric {
 public:
  virtual ~Metric() = default;
  virtual std::string name() const = 0;
  virtual void reset() = 0;
  virtual void update(const Tensor& prediction, const Tensor& target) = 0;
  virtual double result() const = 0;
};

/// A metric that is the mean over samples of a number for each batch, such as a share or an error.
std::shared_ptr<Metric> mean_metric(
    std::string name, std::function<double(const Tensor& prediction, const Tensor& target)> of_batch);

/// The share of samples whose largest logit is their label's: "accuracy".
std::shared_ptr<Metric> accuracy();

/// Names and numbers of an epoch, in the order in which they came: loss, metrics, then the same with "val_".
class Logs {
 public:
  void set(std::string_view name, double value);
  bool contains(std::string_view name) const { return find(name) != nullptr; }
  /// Throws Error, naming `where` and what there is, if there is no such number.
  double at(std::string_view name, std::string_view where = "logs") const;
  auto begin() const { return entries_.begin(); }
  auto end() const { return entries_.end(); }
  std::size_t size() const { return entries_.size(); }
  std::string names() const;  ///< "loss, accuracy"

 private:
  using Entry = std::pair<std::string, double>;
  const Entry* find(std::string_view name) const;
  std::vector<Entry> entries_;
};

/// A run of fit() as callbacks see it.
struct Run {
  Run(nn::Module& of_model, Optimizer& of_optimizer, const Loss& of_loss);

  nn::Module& model;
  Optimizer& optimizer;
  const Loss& loss;
  std::vector<Tensor> params;              ///< what the optimizer trains
  std::vector<Schedule*> schedules = {};   ///< of FitOptions
  std::int64_t epochs = 0;                 ///< that were asked for
  std::int64_t epoch = 0;                  ///< counts from 0
  std::int64_t batches = 0;                ///< an epoch
  std::int64_t step = 0;                   ///< optimizer steps done, those before first_epoch included
  const nn::data::Batch* batch = nullptr;  ///< of the current step
  Logs logs;                               ///< of the epoch so far; with validation in on_epoch_end

  /// Ends the run after the current step: the epoch ends there, with validation and on_epoch_end, if it had a step.
  /// The first reason stays. Throws Error for an empty one.
  void stop(std::string why);
  /// Ends the run at once, as one whose numbers are of no use any more: before the optimizer's step the parameters stay
  /// as they are, and nothing but on_train_end is called. The reason takes that of a stop().
  void diverge(std::string why);
  bool stopped() const { return stopped_; }
  bool diverged() const { return diverged_; }
  const std::string& reason() const { return reason_; }

 private:
  bool stopped_ = false, diverged_ = false;
  std::string reason_;
};

/// What is called while a model trains; every function does nothing by default. Names and times are Keras'.
class Callback {
 public:
  virtual ~Callback() = default;
  virtual void on_train_begin(Run&) {}
  virtual void on_epoch_begin(Run&) {}
  virtual void on_train_batch_begin(Run&) {}
  /// With the loss of the batch, before the backward pass.
  virtual void on_loss(Run&, const Tensor&) {}
  /// With every gradient in its place, before the optimizer's step.
  virtual void on_gradients(Run&) {}
  virtual void on_train_batch_end(Run&) {}
  virtual void on_epoch_end(Run&) {}
  virtual void on_train_end(Run&) {}
};

struct FitOptions {
  std::int64_t epochs = 1;
  std::int64_t first_epoch = 0;                  ///< of a resumed run; epochs counts from 0 all the same
  std::int64_t steps_per_epoch = 0;              ///< the first batches of the loader's epoch alone; 0 for all
  const nn::data::Loader* validation = nullptr;  ///< evaluated at the end of every epoch
  double clip_grad_norm =
      0;  ///< the largest norm of all gradients of the optimizer's together; 0 for no limit
  /// Stepped after each batch or epoch, as their interval() says, before on_train_batch_end and on_epoch_end.
  std::vector<Schedule*> schedules = {};
  std::string schedule_metric = "val_loss";  ///< what schedules that need a metric are given
  std::vector<std::shared_ptr<Callback>> callbacks = {};
};

struct History {
  std::vector<Logs> epochs;  ///< of every epoch that ended, the one that was stopped too
  std::int64_t steps = 0;
  bool diverged = false;
  std::string reason;  ///< why the run ended early; empty if it did not

  /// A number of every epoch, such as "val_loss". Throws Error if an epoch has none of that name.
  std::vector<double> of(std::string_view name) const;
};

class Trainer {
 public:
  /// Both must outlive the trainer. Throws Error if the loss is empty.
  Trainer(nn::Module& model, Optimizer& optimizer, Loss loss);

  /// Measured in training, from the predictions of the steps themselves, and in evaluation. Throws Error, and changes
  /// nothing, for a null metric, and for a name that is empty, taken, or begins with "val_".
  Trainer& metrics(std::vector<std::shared_ptr<Metric>> metrics);

  /// Trains in training mode, and leaves every module in its own mode. Throws Error for options out of range, and what
  /// model, loss or callbacks throw; parameters are then those of the last whole step.
  History fit(const nn::data::Loader& train, const FitOptions& options);

  /// "loss", the mean over samples, and the metrics, in evaluation mode and without recording. The metrics begin anew,
  /// so a callback that calls it within an epoch cuts what they have measured in training.
  Logs evaluate(const nn::data::Loader& data);

 private:
  class Loop;

  nn::Module& model_;
  Optimizer& optimizer_;
  Loss loss_;
  std::vector<std::shared_ptr<Metric>> metrics_;
  std::vector<std::string> metric_names_;
};

/// The model's outputs for all samples of a loader, one after the other, in evaluation mode and without recording.
/// Throws Error for a loader that shuffles or drops samples, and for outputs that are not one row a sample, all alike.
Tensor predict(nn::Module& model, const nn::data::Loader& data);

}  // namespace rill::optim
