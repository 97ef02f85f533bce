// rill doctor: the health of a model's units on data, and advice.
#include <nlohmann/json.hpp>
#include <sstream>

#include <rill/nn/health/audit.hpp>
#include <rill/nn/health/diagnose.hpp>
#include <rill/tools/rill/commands.hpp>
#include <rill/tools/rill/data_source.hpp>
#include <rill/tools/rill/judge.hpp>
#include <rill/tools/rill/model_file.hpp>
#include <rill/tools/rill/output.hpp>

namespace rill::command {
namespace {

using nlohmann::ordered_json;

constexpr std::int64_t enough_samples = 10000;

struct DoctorOptions {
  ModelFile model;
  DataSource data;
  std::string loss = "auto";
  bool json = false;
};

// Samples as the network sees them: in its shape, preprocessed.
nn::data::TensorDataset prepared(const nn::Model& model, const nn::data::Dataset& raw) {
  nn::data::Samples samples = raw.range(0, std::min(raw.size(), enough_samples));
  std::vector<std::int64_t> sizes{samples.x.size(0)};
  sizes.insert(sizes.end(), model.input_shape.begin(), model.input_shape.end());
  Tensor x = samples.x.reshape(Shape(sizes)).clone();
  nn::data::apply_transforms(model.preprocessing, x);
  const auto classes = raw.classes();
  return {x, samples.y, classes > 0 ? std::optional(classes) : std::nullopt};
}

ordered_json to_json(const nn::HealthReport& report) {
  ordered_json layers = ordered_json::array(), parameters = ordered_json::array();
  for (const nn::LayerHealth& layer : report.layers) {
    layers.push_back({{"name", layer.name},
                      {"activation", layer.activation},
                      {"units", layer.size()},
                      {"dead", layer.dead()},
                      {"never_positive", layer.never_positive()},
                      {"always_on", layer.count(&nn::UnitHealth::always_on)},
                      {"saturated", layer.count(&nn::UnitHealth::saturated)},
                      {"constant", layer.count(&nn::UnitHealth::constant)},
                      {"zero_gradient", layer.count(&nn::UnitHealth::zero_gradient)},
                      {"non_finite", layer.non_finite()},
                      {"dormant", layer.dormant(0.025)},
                      {"frequency", layer.frequency()}});
  }
  for (const nn::ParameterHealth& each : report.parameters) {
    parameters.push_back({{"name", each.name},
                          {"finite", each.finite},
                          {"norm", each.norm},
                          {"gradient_norm", each.gradient_norm}});
  }
  return {{"samples", report.samples},
          {"loss", report.loss},
          {"units", report.units()},
          {"dead", report.dead()},
          {"dead_share", report.dead_share()},
          {"non_finite", report.non_finite()},
          {"input_mean", report.input_mean},
          {"input_std", report.input_std},
          {"layers", layers},
          {"parameters", parameters}};
}

ordered_json to_json(const std::vector<nn::Advice>& findings) {
  ordered_json list = ordered_json::array();
  for (const nn::Advice& advice : findings) {
    list.push_back({{"rule", advice.rule},
                    {"layer", advice.layer},
                    {"reason", advice.reason},
                    {"remedy", advice.remedy},
                    {"value", advice.value},
                    {"limit", advice.limit}});
  }
  return list;
}

int examine(const DoctorOptions& options) {
  nn::Model model = options.model.open();
  const Judge judge(model, options.loss);
  const auto raw = options.data.open(model, judge.targets());
  const auto dataset = prepared(model, *raw);
  const nn::HealthReport report = nn::audit(
      model, dataset,
      {.loss = [&](const Tensor& y, const Tensor& target) { return judge.loss(y, target); },
       .statistics = model.trained || dataset.size() < 2 ? nn::Statistics::running : nn::Statistics::batch});
  const std::vector<nn::Advice> findings = nn::diagnose(report);
  if (options.json) {
    print_json({{"model", options.model.path},
                {"data", options.data.name()},
                {"trained", model.trained},
                {"health", to_json(report)},
                {"advice", to_json(findings)}});
    return done;
  }
  std::ostringstream text;
  text << "model: " << options.model.path << ", " << describe(model) << (model.trained ? "" : ", not trained")
       << "\ndata: " << options.data.name() << ", " << dataset.size() << " samples\n\n"
       << report << '\n'
       << findings;
  out(text.str());
  return done;
}

}  // namespace

void add_doctor(Program& program) {
  auto options = std::make_shared<DoctorOptions>();
  CLI::App* app = program.add(
      {.name = "doctor",
       .summary = "The health of a model's neurons on data, with advice",
       .text =
           "Runs the first 10000 samples through the model and counts the units that are dead (never on, so\n"
           "that no gradient passes), saturated, always on, or not finite; measures gradients by the loss;\n"
           "and says what is wrong, by which number, and what helps. A config without weights is judged as\n"
           "it would begin to train.",
       .examples = {{"rill doctor runs/mnist/last.safetensors --idx data/mnist", "a trained model"},
                    {"rill doctor model.json --digits --scale 0.00392156862745098",
                     "a config before training, on drawn digits with pixels from 0 to 1"}},
       .reads = "MODEL and the data",
       .writes = "nothing"});
  options->model.add_to(*app);
  options->data.add_to(*app);
  add_loss_option(*app, options->loss);
  app->add_flag("--json", options->json, "print JSON");
  program.does([options] { return examine(*options); });
}

}  // namespace rill::command
