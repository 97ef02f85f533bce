// The training loop, to use or to ignore: epochs over a loader, validation, and callbacks with Keras' names.
//
//   optim::Trainer trainer(model, optimizer, optim::losses::cross_entropy());
//   trainer.metrics({optim::accuracy()});
//   auto progress = std::make_shared<optim::callbacks::Progress>(std::cout);
//   trainer.fit(train, {.epochs = 5, .validation = &test, .callbacks = {progress}});
//
// A step is: forward, loss, backward, the callbacks' look at loss and gradients, the optimizer's step. What a run does
// follows from its arguments alone, for any number of threads. It can be interrupted after any step, and resumed.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <rill/optim/callback.hpp>
#include <rill/optim/metric.hpp>

namespace rill::optim {

/// A file from which the run can be resumed, replaced in one step each time; nn::load_weights reads it as well.
struct CheckpointOptions {
  std::string file = {};          ///< empty for none
  std::int64_t every_steps = 0;   ///< optimizer steps; 0 for none within an epoch
  std::int64_t every_epochs = 1;  ///< 0 for none at the end of an epoch; a run that is stopped ends with one
  std::map<std::string, std::string> metadata = {};  ///< more for the file, such as the model's config
};

struct FitOptions {
  std::int64_t epochs = 1;
  std::int64_t first_epoch = 0;                  ///< of a resumed run; epochs counts from 0 all the same
  std::int64_t steps_per_epoch = 0;              ///< the first batches of the loader's epoch alone; 0 for all
  const nn::data::Loader* validation = nullptr;  ///< evaluated at the end of every epoch
  double clip_grad_norm =
      0;  ///< the largest norm of all gradients of the optimizer's together; 0 for no limit
  /// None, or one of the trainer's optimizer; stepped after each batch or epoch, as its interval() says, before
  /// on_train_batch_end and on_epoch_end. SequentialLR and ChainedScheduler make one of several.
  Schedule* schedule = nullptr;
  std::string schedule_metric = "val_loss";  ///< what a schedule that needs a metric is given
  std::vector<std::shared_ptr<Callback>> callbacks = {};
  /// Written once all callbacks of a step or an epoch are done, and when the run is interrupted. Where a write fails, fit()
  /// throws Error: the file is then the one before.
  CheckpointOptions checkpoint = {};
  /// A checkpoint to go on from; empty to begin anew. With a model, optimizer, schedules, callbacks, metrics and loader
  /// made as for the first run, what comes is what would have come without a stop, bit by bit.
  std::string resume = {};
  /// Asked after every step; where it says true, the run is interrupted. A handler of signals can set a flag for it.
  std::function<bool()> interrupted = {};
};

class Trainer {
 public:
  /// Both must outlive the trainer. Throws Error if the loss is empty.
  Trainer(nn::Module& model, Optimizer& optimizer, Loss loss);

  /// Measured in training, from the predictions of the steps themselves, and in evaluation. Throws Error, and changes
  /// nothing, for a null metric, and for a name that is empty, taken, or begins with "val_".
  Trainer& metrics(std::vector<std::shared_ptr<Metric>> metrics);

  /// Trains in training mode, and leaves every module in its own mode. Throws Error for options out of range, and what
  /// model, loss or callbacks throw; parameters are then those of the last whole step. To resume: throws Error, and changes
  /// nothing, for a file that is damaged or no checkpoint, one that does not fit (names, shapes and dtypes of the model, kind
  /// and groups of the optimizer, the schedule, lists of callbacks and metrics, the loader), and if more epochs are done or begun than there shall be; if all are
  /// done, nothing is trained.
  History fit(const nn::data::Loader& train, const FitOptions& options);

  /// "loss", the mean over samples (by Loss::weight), and the metrics, in evaluation mode and without recording. The metrics begin anew,
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
