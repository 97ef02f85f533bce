// RunConfig: a training run as rill's JSON format describes it. Options of optimizers, schedules and callbacks are their own
// structs, with their own defaults.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <rill/nn/config/model_config.hpp>
#include <rill/optim/run/data_config.hpp>
#include <rill/optim/run/optimizer_config.hpp>
#include <rill/optim/run/schedule_config.hpp>

namespace rill::optim {

namespace config {

struct CrossEntropyConfig {
  static constexpr std::string_view type_name = "cross_entropy";
  double label_smoothing = 0;
  std::vector<double> weight = {};
  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    archive.optional("label_smoothing", self.label_smoothing,
                     "share of the target that is spread over all classes", between(0, 1));
    archive.optional("weight", self.weight, "a factor for each class; none for 1", at_least(0));
  }
};

struct HuberConfig {
  static constexpr std::string_view type_name = "huber";
  double delta = 1;
  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    archive.optional("delta", self.delta, "where the parabola goes over into lines", above(0));
  }
};

struct BceWithLogitsConfig {
  static constexpr std::string_view type_name = "bce_with_logits";
  std::vector<double> pos_weight = {};
  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    archive.optional("pos_weight", self.pos_weight, "a factor for the ones of each output; none for 1",
                     at_least(0));
  }
};

struct MseConfig {
  static constexpr std::string_view type_name = "mse";
  template <class Self, class Archive>
  static void fields(Self&, Archive&) {}
};

struct L1Config {
  static constexpr std::string_view type_name = "l1";
  template <class Self, class Archive>
  static void fields(Self&, Archive&) {}
};

}  // namespace config

/// "cross_entropy", or {"type": "cross_entropy", "label_smoothing": 0.1}.
struct LossConfig {
  static constexpr std::string_view noun = "loss";
  static constexpr bool by_name = true;
  std::variant<config::CrossEntropyConfig, config::MseConfig, config::L1Config, config::HuberConfig,
               config::BceWithLogitsConfig>
      value;
};

struct EarlyStoppingConfig : callbacks::EarlyStoppingOptions {
  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    using namespace config;
    archive.optional("monitor", self.monitor, "number of the log that is watched");
    archive.optional("patience", self.patience, "epochs without a better number that end the run", counts());
    archive.optional("min_delta", self.min_delta, "what is better by no more than that is not better",
                     at_least(0));
    archive.optional("mode", self.mode, "whether a small or a large number is good",
                     one_of({"auto", "min", "max"}));
    archive.optional("baseline", self.baseline, "number that has to be beaten", finite());
    archive.optional("restore_best_weights", self.restore_best_weights,
                     "end with the weights of the best epoch");
    archive.optional("start_from_epoch", self.start_from_epoch, "epochs before that are not looked at",
                     counts());
  }
};

/// last.safetensors and best.safetensors.
struct SavingConfig {
  std::int64_t every_steps = 0, every_epochs = 1;
  std::string monitor = "";
  callbacks::Mode mode = callbacks::Mode::automatic;
  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    using namespace config;
    archive.optional("every_steps", self.every_steps, "steps between checkpoints; 0 for none in an epoch",
                     counts());
    archive.optional("every_epochs", self.every_epochs, "epochs between checkpoints; 0 for none", counts());
    archive.optional("monitor", self.monitor,
                     "number of the log that decides which model is the best; empty for val_loss, or loss");
    archive.optional("mode", self.mode, "whether a small or a large number is good",
                     one_of({"auto", "min", "max"}));
  }
};

struct TrainingConfig {
  std::int64_t epochs = 10, batch_size = 32;
  bool shuffle = true, drop_last = false;
  std::int64_t steps_per_epoch = 0;
  double clip_grad_norm = 0;
  std::int64_t prefetch = 0;
  std::optional<EarlyStoppingConfig> early_stopping = {};
  SavingConfig checkpoint = {};
  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    using namespace config;
    archive.optional("epochs", self.epochs, "passes over the data", between(1, 1e9));
    archive.optional("batch_size", self.batch_size, "samples a step", between(1, 1e9));
    archive.optional("shuffle", self.shuffle, "a new order in every epoch");
    archive.optional("drop_last", self.drop_last, "leave out a last batch that is not full");
    archive.optional("steps_per_epoch", self.steps_per_epoch, "the first batches alone; 0 for all",
                     between(0, 1e9));
    archive.optional("clip_grad_norm", self.clip_grad_norm,
                     "largest norm of all gradients together; 0 for none", at_least(0));
    archive.optional("prefetch", self.prefetch, "batches that are prepared ahead, by a thread of their own",
                     between(0, 1000));
    archive.optional("early_stopping", self.early_stopping, "ends a run that gets no better");
    archive.optional("checkpoint", self.checkpoint, "when the run is saved");
  }
};

/// Watches the units of the model: callbacks::HealthMonitor.
struct MonitorConfig {
  std::int64_t every = 0, probe_samples = 500;
  bool gradients = true, csv = true;
  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    using namespace config;
    archive.optional("every", self.every, "steps between reports; 0: it costs some 3 % of the time",
                     counts());
    archive.optional("probe_samples", self.probe_samples, "samples that are looked at", between(1, 1e9));
    archive.optional("gradients", self.gradients, "measure the gradients of the units, too");
    archive.optional("csv", self.csv, "write health.csv into the run's folder");
  }
};

/// Brings dead units back: callbacks::Recycle.
struct RecycleConfig {
  std::int64_t steps = 1000, last_step = 0, samples = 1000;
  double tau = 0;
  RecycleBy by = RecycleBy::activity;
  std::vector<std::string> layers = {};
  bool reset_state = true;
  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    using namespace config;
    archive.optional("steps", self.steps, "steps between two times", between(1, 1e15));
    archive.optional("last_step", self.last_step, "none after it; 0 for no end", counts());
    archive.optional("samples", self.samples, "of the training data that are looked at; 0 for all", counts());
    archive.optional("tau", self.tau, "units whose score is at most that are recycled", between(0, 1));
    archive.optional("by", self.by, "which score", one_of({"activity", "gradient"}));
    archive.optional("layers", self.layers, "names; none for all that can be recycled");
    archive.optional("reset_state", self.reset_state, "forget what the optimizer knows of their weights");
  }
};

/// "model.json", the path of any file that nn::load_model() reads, or a model in rill's format.
struct ModelSource {
  using Object = nn::config::ModelConfig;
  std::string path = {};
  std::optional<Object> object = {};  ///< where there is no path
};

struct RunConfig {
  std::int64_t rill = nn::config::format_version;
  std::int64_t seed = 42;
  ModelSource model = {};
  DataConfig data = {};
  LossConfig loss = {};
  OptimizerConfig optimizer = {};
  std::optional<ScheduleConfig> schedule = {};
  TrainingConfig training = {};
  std::optional<MonitorConfig> monitor = {};
  std::optional<RecycleConfig> recycle = {};
  std::string out = "";
  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    using namespace config;
    archive.required("rill", self.rill, "version of the format", between(1, 1));
    archive.optional("seed", self.seed, "of everything that is random", counts());
    archive.required("model", self.model, "a model, or the path of its file, seen from this file's folder");
    archive.required("data", self.data, "what it is trained on");
    archive.required("loss", self.loss, "what is made small");
    archive.required("optimizer", self.optimizer, "how");
    archive.optional("schedule", self.schedule, "moves the learning rate");
    archive.optional("training", self.training, "epochs and batches");
    archive.optional("monitor", self.monitor, "watches the model's units");
    archive.optional("recycle", self.recycle, "brings dead units back");
    archive.optional("out", self.out,
                     "folder for all that the run writes; empty for runs/<name of this file>");
  }
};

}  // namespace rill::optim
