// Checkpoint: all that a run of fit() needs to go on, as plain data, and the one safetensors file that holds it.
//
// The file is a model's file as well: weights and buffers stand under PyTorch's names, and nn::load_weights leaves what
// else there is alone. That is tensors under "rill.optimizer.<parameter>.exp_avg" and the like, "rill.callbacks.<place>.<name>"
// and "rill.metrics.<place>.<name>", the logs of all epochs under "rill.history.numbers", ".places" and ".sizes", and metadata
// "rill.training", JSON, in which numbers are exact. The file carries a checksum.
#pragma once

#include <rill/optim/callback.hpp>

namespace rill::optim::detail {

/// Where in its epochs a run is: between two steps.
struct Position {
  std::int64_t epoch = 0;
  std::int64_t epoch_step = 0;  ///< steps done in that epoch; 0 before on_epoch_begin
  std::int64_t step = 0;        ///< as Run::step
  std::int64_t first_step = 0;  ///< Run::step when the run began
  std::string stopped = {};     ///< why it is to end when the epoch does; empty if it is not
};

/// What an epoch of which some steps are done has come to.
struct EpochSoFar {
  double lr = 0;  ///< when the epoch began
  double loss_sum = 0, loss_weight = 0;
  Logs logs = {};
};

struct SavedGroup {
  double lr = 0, initial_lr = 0;
  std::vector<std::string> params = {};
};

struct SavedOptimizer {
  std::string name = {};
  std::optional<double> momentum = {};
  std::vector<SavedGroup> groups = {};
  std::map<std::string, ParamState> params = {};
};

struct SavedSchedule {
  std::string name = {};
  Schedule::State state = {};
};

/// A callback or a metric.
struct SavedPart {
  std::string name = {};
  StateDict state = {};
};

/// What decides which samples a batch has.
struct SavedLoader {
  std::int64_t samples = 0, batch_size = 0, batches = 0;
  bool shuffle = false, drop_last = false;
  std::uint64_t seed = 0;
  std::vector<std::string> transforms = {};
};

struct Checkpoint {
  std::vector<std::pair<std::string, Tensor>> weights =
      {};                                              ///< and buffers; a tied one under each of its names
  std::map<std::string, std::uint64_t> counters = {};  ///< nn::Visitor's
  SavedOptimizer optimizer = {};
  std::vector<SavedSchedule> schedules = {};
  std::vector<SavedPart> callbacks = {}, metrics = {};
  SavedLoader loader = {};
  Position position = {};
  EpochSoFar so_far = {};
  std::vector<Logs> history = {};
  std::map<std::string, std::string> metadata = {};  ///< the caller's own
};

/// Whether a name in the metadata is for the caller: "format" and the names that checkpoints write themselves are not.
bool is_free_metadata(const std::string& name);

/// Throws Error if the file cannot be written; one that was there before stays as it was.
void save_checkpoint(const std::string& path, const Checkpoint& checkpoint);

/// Throws Error for a file that is damaged or no checkpoint.
Checkpoint load_checkpoint(const std::string& path);

}  // namespace rill::optim::detail
