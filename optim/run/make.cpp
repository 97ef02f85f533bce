#include <filesystem>

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

}  // namespace

nn::Model make_model(const RunConfig& config) {
  const auto seed = static_cast<std::uint64_t>(config.seed);
  if (!config.model.object) return nn::load_model(config.model.path, {.seed = seed});
  Generator generator(seed);
  const nn::config::ModelConfig& description = *config.model.object;
  return nn::Model(
      nn::config::build(description, generator,
                        {.where = "run: /model", .max_parameters = nn::LoadOptions().max_parameters}),
      Shape(description.input_shape));
}

Loss make_loss(const LossConfig& config) { return std::visit(LossMaker(), config.value); }

std::vector<std::shared_ptr<Metric>> make_metrics(const LossConfig& config) {
  if (std::holds_alternative<CrossEntropyConfig>(config.value)) return {accuracy()};
  if (std::holds_alternative<BceWithLogitsConfig>(config.value))
    return {mean_metric("accuracy", binary_accuracy)};
  return {mean_metric("mae", nn::mean_absolute_error)};
}

void check_fit(const RunConfig& config, nn::Model& model, const RunData& data) {
  check_inputs(model, data);
  const std::string loss(
      std::visit([]<class Each>(const Each&) { return Each::type_name; }, config.loss.value));
  const auto* of_classes = std::get_if<CrossEntropyConfig>(&config.loss.value);
  RILL_CHECK((of_classes != nullptr) != data.regression(), "run: /loss: ", loss, " is for ",
             of_classes ? "classes" : "numbers", ", the data's targets are ",
             data.regression() ? "numbers, expected mse, l1, huber or bce_with_logits"
                               : "classes, expected cross_entropy, or data with \"regression\": true");
  const Shape expected = of_classes ? Shape{1, data.train->classes()} : data.train->target_batch_shape(1);
  const Shape given = output_of(model).shape();
  RILL_CHECK(given == expected, "run: /model: it gives ", given, " for a sample, expected ", expected,
             of_classes ? ", one number a class" : ", as the targets are");
  RILL_CHECK(
      !of_classes || of_classes->weight.empty() || std::ssize(of_classes->weight) == data.train->classes(),
      "run: /loss/weight: there are ", of_classes->weight.size(), " factors, expected ",
      data.train->classes(), ", one a class");
  const auto check_monitor = [&](const char* place, const std::string& name) {
    RILL_CHECK(data.validation || !name.starts_with("val_"), "run: ", place, ": there is no \"", name,
               "\" without validation data, expected loss or another number of the training; or set "
               "data.validation");
  };
  check_monitor("/training/checkpoint/monitor", config.training.checkpoint.monitor);
  if (config.training.early_stopping)
    check_monitor("/training/early_stopping/monitor", config.training.early_stopping->monitor);
  if (config.schedule) check_monitor("/schedule/monitor", config.schedule->monitor("run: /schedule"));
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
  return std::visit(
      [&]<class Each>(const Each& options) -> std::unique_ptr<Optimizer> {
        return std::make_unique<typename Each::Optimizer>(model, options);
      },
      value);
}

void check_run(const RunConfig& config) {
  nn::Model model = config::make_model(config);
  config::make_loss(config.loss);
  const std::unique_ptr<Optimizer> optimizer = config.optimizer.make(model);
  if (!config.schedule) return;
  constexpr std::int64_t plenty = 1'000'000'000;  // of batches: only the data says how many
  config.schedule->make(
      *optimizer,
      {.epochs = config.training.epochs,
       .batches = config.training.steps_per_epoch ? config.training.steps_per_epoch : plenty},
      "run: /schedule");
}

}  // namespace rill::optim
