#include <algorithm>
#include <rill/core/io/file.hpp>
#include <rill/core/io/safetensors.hpp>
#include <rill/nn/config/nearest.hpp>
#include <rill/nn/health/monitor.hpp>
#include <rill/nn/health/nan_trap.hpp>
#include <rill/nn/state_file.hpp>
#include <rill/optim/health_monitor.hpp>
#include <rill/optim/recycling.hpp>
#include <rill/optim/run/folder.hpp>
#include <rill/optim/run/log.hpp>
#include <rill/optim/run/make.hpp>
#include <rill/optim/run/report_of_run.hpp>

namespace rill::optim {
namespace config {
namespace {

nn::data::LoaderOptions loader_options(const RunConfig& config, const RunData& data) {
  const TrainingConfig& training = config.training;
  return {.batch_size = training.batch_size,
          .shuffle = training.shuffle,
          .drop_last = training.drop_last,
          .seed = static_cast<std::uint64_t>(config.seed),
          .transforms = data.augment,
          .prefetch = training.prefetch};
}

std::optional<nn::data::Loader> validation_loader(const RunData& data) {
  if (!data.validation) return std::nullopt;
  return nn::data::Loader(data.validation, {.batch_size = 500});
}

// The one that holds the last layer.
nn::Sequential& last_sequential(nn::Sequential& network) {
  auto* inner = dynamic_cast<nn::Sequential*>(&network[network.size() - 1]);
  return inner && inner->size() > 0 ? last_sequential(*inner) : network;
}

// Everything of a run, made in the order of its file; the folder is untouched until train().
class Training {
 public:
  Training(const RunConfig& config, const TrainOptions& options)
      : options_(options),
        folder_(config.out),
        model_(make_model(config)),
        config_(as_run(config, model_)),
        data_(load_data(config.data, static_cast<std::uint64_t>(config.seed), preprocessing_before(model_))),
        loss_(make_loss(config.loss)) {
    as_config_error([&] {
      check_going_on(model_, data_);
      check_fit(config_, model_, data_);
    });
    model_.target_scale.reset();
    if (data_.target_scale) standardize_target(*data_.target_scale);
    model_.preprocessing = data_.preprocessing;
    model_.classes = data_.classes;
    model_.features = data_.features;
    model_.target = data_.target;
    model_.loss = loss_type(config_.loss);
    as_config_error([&] {
      placed("run: /training", [&] { train_.emplace(data_.train, loader_options(config_, data_)); });
    });
    validation_ = validation_loader(data_);
    as_config_error([&] {
      check_steps();
      optimizer_ = config_.optimizer.make(model_);
      add_schedule();
    });
    add_callbacks();
    fit_.epochs = config_.training.epochs;
    fit_.steps_per_epoch = config_.training.steps_per_epoch;
    fit_.validation = validation_ ? &*validation_ : nullptr;
    fit_.clip_grad_norm = config_.training.clip_grad_norm;
    fit_.interrupted = options_.interrupted;
    fit_.resume = options_.resume;
    fit_.checkpoint = {.file = folder_.file("last.safetensors"),
                       .every_steps = config_.training.checkpoint.every_steps,
                       .every_epochs = config_.training.checkpoint.every_epochs,
                       .metadata = nn::model_metadata(model_)};
    fit_.checkpoint.metadata["rill.run"] = to_line(config_);
    fit_.checkpoint.metadata["rill.data"] = fingerprint(data_);
  }

  RunResult run() {
    as_config_error([&] { check_beginning(); });
    check_savable();
    if (!fit_.resume.empty()) check_resume(fit_.resume, config_, fit_.checkpoint.metadata);
    folder_.lock();
    Trainer trainer(model_, *optimizer_, loss_);
    trainer.metrics(make_metrics(config_.loss));
    RunResult result;
    result.history = trainer.fit(*train_, fit_);
    model_.trained = true;
    result.model = std::move(model_);
    result.monitor = monitor_;
    result.best_epoch = best_->epoch();
    result.folder = folder_.path();
    if (health_) result.health = health_->history();
    if (options_.report && !result.history.interrupted) write_run_report(config_, data_, result);
    result.files = folder_.files();
    return result;
  }

 private:
  // A model that comes with weights gives answers in the targets' unit already.
  void standardize_target(const nn::TargetScale& scale) {
    loss_ = losses::standardized(loss_, scale.mean, scale.std);
    model_.target_scale = scale;
    if (model_.trained) return;
    const nn::Rescaling rescaling(scale.std, scale.mean);
    nn::Sequential& innermost = last_sequential(model_.network);
    if (innermost[innermost.size() - 1].type() == nn::Rescaling::type_name) {
      innermost.replace(innermost.size() - 1, rescaling);  // of other targets
    } else {
      model_.network.add(rescaling);
    }
  }

  void check_steps() const {
    const std::int64_t steps = config_.training.steps_per_epoch;
    RILL_CHECK(steps <= train_->batches(), "run: /training/steps_per_epoch: got ", steps,
               ", expected at most ", train_->batches(), ", the batches of an epoch");
  }

  std::int64_t steps_an_epoch() const {
    const std::int64_t steps = config_.training.steps_per_epoch;
    return steps > 0 ? steps : train_->batches();
  }

  // What fit() would only notice when it has begun.
  void check_beginning() {
    check_monitors(config_, validation_.has_value());
    check_single_sample();
    if (config_.recycle) {
      placed("run: /recycle", [&] {
        const optim::detail::Recycling refuses_now(model_, *optimizer_, *data_.train, recycling().options);
      });
    }
    if (!config_.monitor) return;
    try {
      nn::MonitorOptions options{.probe_samples = config_.monitor->probe_samples};
      if (config_.monitor->gradients) options.loss = loss_.function();
      const nn::Monitor refuses_now(model_, data_.train, options);
    } catch (const Error& error) {
      rill::detail::fail(std::string("run: /monitor: ") + error.what() + "; leave \"monitor\" out");
    }
  }

  // A table of many columns may have names that no saved model has room for.
  void check_savable() {
    io::Safetensors file = nn::state_file(model_);
    file.metadata.insert(fit_.checkpoint.metadata.begin(), fit_.checkpoint.metadata.end());
    try {
      io::check_safetensors("run: the model cannot be saved", file);
    } catch (const Error& error) {
      rill::detail::fail(std::string(error.what()) +
                         "; names of columns and classes, means of columns and layers take that room");
    }
  }

  // Layers such as batch_norm need more than one sample to train with, and the last batch may have no more.
  void check_single_sample() {
    const std::int64_t size = config_.training.batch_size;
    const bool rest_of_one = steps_an_epoch() == train_->batches() && !config_.training.drop_last &&
                             data_.train->size() % size == 1;
    if (size > 1 && !rest_of_one) return;
    nn::BufferSnapshot before;
    before.take(model_);
    try {
      const nn::ModeGuard training(model_, true);
      const NoGrad no_grad;
      model_(data_.train->range(0, 1).x);
    } catch (const Error& error) {
      rill::detail::fail(std::string("run: /training: ") + (size > 1 ? "the last batch has" : "a batch has") +
                         " 1 sample: " + error.what() +
                         (size > 1 ? "; set drop_last, or another batch_size" : ""));
    }
    before.restore();
  }

  void add_schedule() {
    if (!config_.schedule) return;
    const ScheduleConfig::Length length{.epochs = config_.training.epochs, .batches = steps_an_epoch()};
    schedule_ = config_.schedule->make(*optimizer_, length, "run: /schedule");
    check_schedule_length(*schedule_, length);
    fit_.schedule = schedule_.get();
    const std::string watched = config_.schedule->monitor("run: /schedule");
    if (!watched.empty()) fit_.schedule_metric = watched;
  }

  // Numbers come first, then what writes and reads them.
  void add_callbacks() {
    using namespace callbacks;
    add(std::make_shared<TerminateOnNaN>());
    if (config_.monitor) {
      const MonitorConfig& monitor = *config_.monitor;
      health_ = std::make_shared<HealthMonitor>(
          data_.train, HealthMonitorOptions{.probe_samples = monitor.probe_samples,
                                            .every = monitor.every,
                                            .gradients = monitor.gradients,
                                            .csv = monitor.csv ? folder_.file("health.csv") : ""});
      add(health_);
    }
    // Behind the monitor, which measures what a step of the optimizer changes.
    if (config_.recycle) add(std::make_shared<Recycle>(*data_.train, recycling()));
    const auto lines = std::make_shared<JsonLines>(folder_.file("log.jsonl"));
    // Behind all that may still refuse, and before the first file is written.
    add(std::make_shared<AtBegin>([this, lines](Run& run) {
      lines->check(run);
      if (!run.resumed) folder_.begin(options_.overwrite);
      io::write_file_atomically(folder_.file("config.json"), to_json(config_));
    }));
    add(std::make_shared<CSVLogger>(folder_.file("log.csv")));
    add(lines);
    add(std::make_shared<TimingLines>(folder_.file("timing.csv")));
    monitor_ = best_monitor(config_, data_);
    best_ = std::make_shared<BestModel>(monitor_, config_.training.checkpoint.mode,
                                        [this] { nn::save_model(model_, folder_.file("best.safetensors")); });
    add(best_);
    if (config_.training.early_stopping)
      add(std::make_shared<EarlyStopping>(*config_.training.early_stopping));
    if (options_.out) add(std::make_shared<Progress>(*options_.out, options_.redraw));
  }

  callbacks::RecycleEvery recycling() const {
    const RecycleConfig& recycle = *config_.recycle;
    RecycleOptions options{.samples = recycle.samples,
                           .tau = recycle.tau,
                           .by = recycle.by,
                           .layers = recycle.layers,
                           .reset_state = recycle.reset_state};
    if (recycle.by == RecycleBy::gradient) options.loss = loss_;
    return {.steps = recycle.steps,
            .last_step = recycle.last_step,
            .seed = static_cast<std::uint64_t>(config_.seed),
            .options = std::move(options)};
  }

  void add(std::shared_ptr<Callback> callback) { fit_.callbacks.push_back(std::move(callback)); }

  const TrainOptions& options_;
  RunFolder folder_;
  nn::Model model_;
  RunConfig config_;
  RunData data_;
  Loss loss_;
  std::optional<nn::data::Loader> train_, validation_;
  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<Schedule> schedule_;
  std::shared_ptr<callbacks::HealthMonitor> health_;
  std::string monitor_;
  std::shared_ptr<BestModel> best_;
  FitOptions fit_;
};

std::optional<double> number_of(const History& history, std::optional<std::int64_t> epoch,
                                const std::string& name) {
  if (!epoch || *epoch < 0 || *epoch >= std::ssize(history.epochs)) return std::nullopt;
  const Logs& logs = history.epochs[static_cast<std::size_t>(*epoch)];
  return logs.contains(name) ? std::optional(logs.at(name)) : std::nullopt;
}

}  // namespace
}  // namespace config

std::optional<double> RunResult::best(const std::string& name) const {
  return config::number_of(history, best_epoch, name);
}

std::optional<double> RunResult::last(const std::string& name) const {
  return config::number_of(history, std::ssize(history.epochs) - 1, name);
}

RunResult run_training(const RunConfig& config, const TrainOptions& options) {
  return config::Training(config, options).run();
}

}  // namespace rill::optim
