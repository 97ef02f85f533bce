// rill summary: a model as a table.
#include <rill/nn/summary.hpp>

#include <nlohmann/json.hpp>

#include <rill/tools/rill/commands.hpp>
#include <rill/tools/rill/model_file.hpp>
#include <rill/tools/rill/output.hpp>

namespace rill::command {
namespace {

using nlohmann::ordered_json;

struct SummaryOptions {
  ModelFile model;
  bool json = false;
};

ordered_json shape_json(const Shape& shape) { return std::vector<std::int64_t>(shape.begin(), shape.end()); }

ordered_json to_json(nn::Model& model, const std::string& path) {
  ordered_json parameters = ordered_json::array(), layers = ordered_json::array(),
               preprocessing = ordered_json::array();
  for (const nn::NamedTensor& named : model.named_parameters()) {
    std::ostringstream dtype;
    dtype << named.value.dtype();
    parameters.push_back({{"name", named.name},
                          {"shape", shape_json(named.value.shape())},
                          {"dtype", dtype.str()},
                          {"trainable", named.value.requires_grad()}});
  }
  for (const nn::NamedModule& named : model.network.named_modules()) {
    if (!named.name.empty()) layers.push_back({{"name", named.name}, {"type", named.module->type()}});
  }
  for (const auto& transform : model.preprocessing) preprocessing.push_back(transform->type());
  return {{"model", path},
          {"trained", model.trained},
          {"input_shape", shape_json(model.input_shape)},
          {"output_shape", shape_json(output_shape(model))},
          {"parameter_count", model.parameter_count()},
          {"layers", layers},
          {"parameters", parameters},
          {"preprocessing", preprocessing},
          {"classes", model.classes},
          {"features", model.features},
          {"target", model.target},
          {"loss", model.loss}};
}

std::string first_names(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size() && i < 20; ++i) text += (i ? ", " : "") + names[i];
  return names.size() > 20 ? text + ", …" : text;
}

void print_text(nn::Model& model) {
  out(nn::summary(model, model.input_shape));
  std::string preprocessing;
  for (const auto& transform : model.preprocessing)
    preprocessing += (preprocessing.empty() ? "" : ", ") + std::string(transform->type());
  out("input " + describe(model) + (model.trained ? "\n" : ", not trained\n"));
  if (!preprocessing.empty()) out("preprocessing: " + preprocessing + "\n");
  if (!model.classes.empty()) out("classes: " + first_names(model.classes) + "\n");
  if (!model.features.empty()) out("features: " + first_names(model.features) + "\n");
  if (!model.target.empty()) out("target: " + model.target + "\n");
  if (!model.loss.empty()) out("trained by: " + model.loss + "\n");
}

int summarise(const SummaryOptions& options) {
  nn::Model model = options.model.open();
  if (options.json) {
    print_json(to_json(model, options.model.path));
  } else {
    print_text(model);
  }
  return done;
}

}  // namespace

void add_summary(Program& program) {
  auto options = std::make_shared<SummaryOptions>();
  CLI::App* app = program.add(
      {.name = "summary",
       .summary = "A model's layers, shapes and parameters as a table",
       .text = "Shows every layer with what it gives (n is the batch) and the parameters that it holds, and "
               "what\n"
               "the file knows beside the values: preprocessing, class names, feature names, loss.",
       .examples = {{"rill summary model.json", "a config, before it is trained"},
                    {"rill summary runs/mnist/best.safetensors --json", "a saved model, for a program"}},
       .reads = "MODEL",
       .writes = "nothing"});
  options->model.add_to(*app);
  app->add_flag("--json", options->json, "print JSON");
  program.does([options] { return summarise(*options); });
}

}  // namespace rill::command
