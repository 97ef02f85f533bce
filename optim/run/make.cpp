#include <filesystem>

#include <rill/core/text.hpp>
#include <rill/nn/config/nearest.hpp>
#include <rill/nn/data/csv_columns.hpp>
#include <rill/nn/metrics.hpp>
#include <rill/optim/run/make.hpp>

namespace rill::optim {
namespace config {
namespace {

// none for no factors: undefined
Tensor factors(const std::vector<double>& values) {
  if (values.empty()) return {};
  Tensor result = empty({static_cast<std::int64_t>(values.size())}, DType::f32);
  std::ranges::transform(values, result.mutable_data<float>().begin(),
                         [](double value) { return static_cast<float>(value); });
  return result;
}

struct LossMaker {
  Loss operator()(const CrossEntropyConfig& config) const {
    return losses::cross_entropy({.label_smoothing = config.label_smoothing}, factors(config.weight));
  }
  Loss operator()(const MseConfig&) const { return losses::mse(); }
  Loss operator()(const L1Config&) const { return losses::l1(); }
  Loss operator()(const HuberConfig& config) const { return losses::huber({.delta = config.delta}); }
  Loss operator()(const BceWithLogitsConfig& config) const {
    return losses::bce_with_logits({.pos_weight = factors(config.pos_weight)});
  }
};

// The share of logits on the side of 0 where the target is of 0.5.
double binary_accuracy(const Tensor& logits, const Tensor& target) {
  const auto y = logits.data<float>(), t = target.data<float>();
  std::int64_t right = 0;
  for (std::size_t i = 0; i < y.size(); ++i) right += (y[i] > 0) == (t[i] > 0.5F) && y[i] == y[i];
  return static_cast<double>(right) / static_cast<double>(y.size());
}

Tensor output_of(nn::Model& model) {
  const nn::EvalMode evaluation(model);
  const NoGrad no_grad;
  std::vector<std::int64_t> sizes{1};
  sizes.insert(sizes.end(), model.input_shape.begin(), model.input_shape.end());
  return model(zeros(Shape(sizes)));
}

void check_inputs(nn::Model& model, const RunData& data) {
  const Shape given = data.train->sample_shape();
  RILL_CHECK(model.input_shape == given, "run: /model: it takes samples ", model.input_shape, ", expected ",
             given, ", as those of the data are");
  for (const Tensor& parameter : model.parameters())
    RILL_CHECK(parameter.dtype() == DType::f32, "run: /model: its parameters are ", parameter.dtype(),
               ", expected f32, as data are");
}

// Other numbers have no logit: the loss would fall below 0 and on.
void check_shares(const nn::data::Dataset& data) {
  for (std::int64_t begin = 0; begin < data.size(); begin += 500) {
    const Tensor y = data.range(begin, std::min(begin + 500, data.size())).y;
    for (const float target : y.data<float>())
      RILL_CHECK(target >= 0 && target <= 1, "run: /loss: a target of the data is ", target,
                 ", expected 0 to 1 for bce_with_logits; write two classes as 0 and 1");
  }
}

}  // namespace

nn::Model make_model(const RunConfig& config) {
  const auto seed = static_cast<std::uint64_t>(config.seed);
  if (!config.model.object) return nn::load_model(config.model.path, {.seed = seed});
  Generator generator(seed);
  const nn::config::ModelConfig& description = *config.model.object;
  nn::Sequential network = nn::config::build(  // which checks the shape
      description, generator, {.where = "run: /model", .max_parameters = nn::LoadOptions().max_parameters});
  return nn::Model(std::move(network), Shape(description.input_shape));
}

Loss make_loss(const LossConfig& config) { return std::visit(LossMaker(), config.value); }

std::string_view loss_type(const LossConfig& config) {
  return std::visit([]<class Each>(const Each&) { return std::string_view(Each::type_name); }, config.value);
}

std::vector<std::shared_ptr<Metric>> make_metrics(const LossConfig& config) {
  if (std::holds_alternative<CrossEntropyConfig>(config.value)) return {accuracy()};
  if (std::holds_alternative<BceWithLogitsConfig>(config.value))
    return {mean_metric("accuracy", binary_accuracy)};
  return {mean_metric("mae", nn::mean_absolute_error)};
}

void check_fit(const RunConfig& config, nn::Model& model, const RunData& data) {
  check_inputs(model, data);
  check_loss(config, data.regression());
  const auto* of_classes = std::get_if<CrossEntropyConfig>(&config.loss.value);
  RILL_CHECK(!of_classes || data.train->classes() > 1,
             "run: /data: all targets are of one class, expected 2 classes or more");
  const Shape expected = of_classes ? Shape{1, data.train->classes()} : data.train->target_batch_shape(1);
  const Shape given = output_of(model).shape();
  RILL_CHECK(given == expected, "run: /model: it gives ", given, " for a sample, expected ", expected,
             of_classes ? ", one number a class" : ", as the targets are");
  RILL_CHECK(
      !of_classes || of_classes->weight.empty() || std::ssize(of_classes->weight) == data.train->classes(),
      "run: /loss/weight: there are ", of_classes->weight.size(), " factors, expected ",
      data.train->classes(), ", one a class");
  if (std::holds_alternative<BceWithLogitsConfig>(config.loss.value)) {
    check_shares(*data.train);
    if (data.validation) check_shares(*data.validation);
  }
  check_monitors(config, data.validation != nullptr);
}

void check_monitors(const RunConfig& config, bool validation) {
  std::vector<std::string> names{"loss"};
  for (const auto& metric : make_metrics(config.loss)) names.push_back(metric->name());
  for (std::size_t i = 0, count = names.size(); validation && i < count; ++i)
    names.push_back("val_" + names[i]);
  names.push_back("lr");
  const auto check = [&](const char* place, const std::string& name) {
    const std::vector<std::string_view> known(names.begin(), names.end());
    RILL_CHECK(validation || !name.starts_with("val_"), "run: ", place, ": there is no \"", name,
               "\" without validation data, expected loss or another number of the training",
               "; or set data.validation");
    RILL_CHECK(std::ranges::find(names, name) != names.end(), "run: ", place, ": there is no ",
               nn::config::in_quotes(name), " in the log", nn::config::suggestion(name, known));
  };
  // Schedules step before the units are counted.
  const std::string of_schedule = config.schedule ? config.schedule->monitor("run: /schedule") : "";
  if (!of_schedule.empty()) check("/schedule/monitor", of_schedule);
  if (config.monitor) names.insert(names.end(), {"never_on", "dead", "non_finite"});
  const SavingConfig& checkpoint = config.training.checkpoint;
  if (!checkpoint.monitor.empty()) check("/training/checkpoint/monitor", checkpoint.monitor);
  if (!checkpoint.monitor.empty())
    callbacks::mode_of("run: /training/checkpoint", checkpoint.mode, checkpoint.monitor);
  if (!config.training.early_stopping) return;
  const callbacks::EarlyStoppingOptions& stopping = *config.training.early_stopping;
  check("/training/early_stopping/monitor", stopping.monitor);
  callbacks::mode_of("run: /training/early_stopping", stopping.mode, stopping.monitor);
}

void check_schedule_length(const Schedule& schedule, const ScheduleConfig::Length& run) {
  const std::int64_t steps = run.epochs * (schedule.interval() == Interval::batch ? run.batches : 1);
  RILL_CHECK(schedule.last_step() >= steps, "run: /schedule: it ends after ", schedule.last_step(),
             " steps, expected ", steps, " or more, as the run has; without total_steps it has as many");
}

namespace {

// Whether targets are numbers, and whether some samples are kept for validation.
struct DataKind {
  bool regression = false, validation = true, stratified = false;
};

DataKind kind_of(const DataConfig& config) {
  return std::visit(
      []<class Each>(const Each& each) {
        DataKind kind;
        if constexpr (requires { each.regression; })
          kind = {each.regression, each.validation > 0, each.stratified};
        return kind;
      },
      config.value);
}

}  // namespace

void check_table(const CsvConfig& data) {
  RILL_CHECK(data.regression || !data.standardize_target,
             "run: /data/standardize_target: got true for classes, expected \"regression\": true beside it");
  RILL_CHECK(data.missing != "refuse" || !data.missing_indicator,
             "run: /data/missing_indicator: got true where missing values are refused, expected \"missing\": "
             "\"median\" or \"mean\" beside it");
  const bool by_name =
      nn::data::names_columns({.target = data.target, .features = data.features, .one_hot = data.one_hot});
  RILL_CHECK(data.header.value_or(true) || !by_name,
             "run: /data/header: got false where a column is given by name, expected column numbers");
  for (auto at = data.classes.begin(); at != data.classes.end(); ++at)
    RILL_CHECK(std::find(data.classes.begin(), at, *at) == at,
               "run: /data/classes: ", nn::config::in_quotes(*at),
               " is given twice, expected different names");
}

nn::data::Transforms preprocessing_before(const nn::Model& model) {
  return model.trained ? model.preprocessing : nn::data::Transforms();
}

void check_going_on(nn::Model& model, const RunData& data) {
  if (!model.trained) return;
  const auto check_names = [](const char* key, const char* what, const std::vector<std::string>& of_model,
                              const std::vector<std::string>& of_data) {
    if (of_model.empty() || of_data.empty() || of_model == of_data) return;
    const std::string before = nn::data::listed_csv_fields(of_model);
    rill::detail::fail(rill::detail::concat("run: /model: it was trained on the ", what, " ", before,
                                            ", the data have ", nn::data::listed_csv_fields(of_data),
                                            ", expected the same in the same order; set /data/", key));
  };
  check_names("features", "columns", model.features, data.features);
  check_names("classes", "classes", model.classes, data.classes);
  if (model.preprocessing.empty() && model.loss.empty()) return;  // no run has saved it
  nn::Model as_data(nn::Sequential(model.network), model.input_shape);
  as_data.preprocessing = data.preprocessing;
  const std::string key = "rill.preprocessing", before = nn::model_metadata(model).at(key),
                    now = nn::model_metadata(as_data).at(key);
  const auto beginning = [](const std::string& text) {
    return text.size() > 100 ? std::string(rill::detail::beginning(text, 100)) + "..." : text;
  };
  RILL_CHECK(before == now, "run: /data: samples are prepared by ", beginning(now),
             ", expected what the model was trained with, ", beginning(before));
}

void check_loss(const RunConfig& config, bool regression) {
  const std::string_view loss = loss_type(config.loss);
  const bool classes = std::holds_alternative<CrossEntropyConfig>(config.loss.value);
  RILL_CHECK(classes != regression, "run: /loss: ", loss, " is for ", classes ? "classes" : "numbers",
             ", the data's targets are ",
             regression ? "numbers, expected mse, l1, huber or bce_with_logits"
                        : "classes, expected cross_entropy, or data with \"regression\": true");
  const auto* table = std::get_if<CsvConfig>(&config.data.value);
  if (!table) return;
  check_table(*table);
  RILL_CHECK(
      !table->standardize_target || !std::holds_alternative<BceWithLogitsConfig>(config.loss.value),
      "run: /data/standardize_target: got true with bce_with_logits, whose targets are 0 to 1, expected "
      "mse, l1 or huber; or set it to false");
}

RunConfig as_run(const RunConfig& config, nn::Model& model) {
  RunConfig result = config;
  if (model.trained) {
    result.model.path = std::filesystem::absolute(config.model.path).lexically_normal().string();
  } else {
    result.model = {.path = {}, .object = nn::config::config_of(model.network, model.input_shape)};
  }
  return result;
}

std::string best_monitor(const RunConfig& config, const RunData& data) {
  const std::string& asked = config.training.checkpoint.monitor;
  return !asked.empty() ? asked : data.validation ? "val_loss" : "loss";
}

}  // namespace config

std::unique_ptr<Optimizer> OptimizerConfig::make(nn::Module& model) const {
  return config::placed("run: /optimizer", [&] {
    return std::visit(
        [&]<class Each>(const Each& options) -> std::unique_ptr<Optimizer> {
          return std::make_unique<typename Each::Optimizer>(model, options);
        },
        value);
  });
}

void check_run(const RunConfig& config) {
  nn::Model model = config::make_model(config);
  config::make_loss(config.loss);
  const config::DataKind kind = config::kind_of(config.data);
  RILL_CHECK(
      !kind.regression || !kind.stratified,
      "run: /data/stratified: got true for targets that are numbers, expected false; it keeps the shares "
      "of classes");
  config::check_loss(config, kind.regression);
  config::check_monitors(config, kind.validation);
  const std::unique_ptr<Optimizer> optimizer = config.optimizer.make(model);
  if (!config.schedule) return;
  constexpr std::int64_t plenty = 1'000'000'000;  // of batches: only the data says how many
  const std::int64_t given = config.training.steps_per_epoch;
  const ScheduleConfig::Length length{.epochs = config.training.epochs, .batches = given ? given : plenty};
  const auto schedule = config.schedule->make(*optimizer, length, "run: /schedule");
  if (given || schedule->interval() == Interval::epoch) config::check_schedule_length(*schedule, length);
}

}  // namespace rill::optim
