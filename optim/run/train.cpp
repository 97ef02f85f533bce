#include <algorithm>
#include <rill/core/io/file.hpp>
#include <rill/nn/config/nearest.hpp>
#include <rill/nn/health/audit.hpp>
#include <rill/optim/health_monitor.hpp>
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

template <class Check>
void as_config_error(Check check) {
  try {
    check();
  } catch (const Error& error) {
    throw RunConfigError(error.what());
  }
}

// Everything of a run, made in the order of its file; the folder is untouched until train().
class Training {
 public:
  Training(const RunConfig& config, const TrainOptions& options)
      : options_(options),
        folder_(config.out),
        model_(make_model(config)),
        config_(as_run(config, model_)),
        data_(load_data(config.data, static_cast<std::uint64_t>(config.seed))),
        loss_(make_loss(config.loss)) {
    as_config_error([&] { check_fit(config_, model_, data_); });
    model_.preprocessing = data_.preprocessing;
    model_.classes = data_.classes;
    model_.features = data_.features;
    model_.target = data_.target;
    train_.emplace(data_.train, loader_options(config_, data_));
    validation_ = validation_loader(data_);
    as_config_error([&] {
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
  }

  RunResult run() {
    as_config_error([&] { check_watched(); });
    if (!fit_.resume.empty()) check_resume(fit_.resume, config_);
    folder_.lock();
    if (fit_.resume.empty()) folder_.begin(options_.overwrite);
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
  // What would only be noticed when the files of an older run are gone.
  void check_watched() {
    check_monitors(config_, validation_.has_value());
    if (!config_.monitor) return;
    try {
      nn::audit(model_, *data_.train, {.samples = 1});
    } catch (const Error& error) {
      rill::detail::fail(std::string("run: /monitor: ") + error.what() + "; leave \"monitor\" out");
    }
  }

  void add_schedule() {
    if (!config_.schedule) return;
    const std::int64_t steps = config_.training.steps_per_epoch;
    schedule_ = config_.schedule->make(
        *optimizer_, {.epochs = config_.training.epochs, .batches = steps > 0 ? steps : train_->batches()},
        "run: /schedule");
    fit_.schedules = {schedule_.get()};
    const std::string watched = config_.schedule->monitor("run: /schedule");
    if (!watched.empty()) fit_.schedule_metric = watched;
  }

  // Numbers come first, then what writes and reads them.
  void add_callbacks() {
    using namespace callbacks;
    add(std::make_shared<TerminateOnNaN>());
    if (config_.recycle) add(std::make_shared<Recycle>(*data_.train, recycling()));
    if (config_.monitor) {
      const MonitorConfig& monitor = *config_.monitor;
      health_ = std::make_shared<HealthMonitor>(
          data_.train, HealthMonitorOptions{.probe_samples = monitor.probe_samples,
                                            .every = monitor.every,
                                            .gradients = monitor.gradients,
                                            .csv = monitor.csv ? folder_.file("health.csv") : ""});
      add(health_);
    }
    const auto lines = std::make_shared<JsonLines>(folder_.file("log.jsonl"));
    add(std::make_shared<AtBegin>([this, lines](Run& run) {
      lines->check(run);
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
