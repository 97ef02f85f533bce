#include <algorithm>
#include <string>

#include <rill/nn/config/load.hpp>
#include <rill/nn/keras/import.hpp>
#include <rill/nn/keras/load.hpp>
#include <rill/nn/keras/weights.hpp>

namespace rill::nn::keras {
namespace {

[[noreturn]] void refuse_graph(const Node& place) {
  place.fail(
      "this is a TensorFlow graph-model, expected \"layers-model\"; convert the Keras model again with "
      "tensorflowjs.converters.save_keras_model(model, \"folder\")");
}

// The object with class_name and config, wherever the document has it.
Node model_in(const Node& document) {
  if (document.has("format") && document.json().at("format") != "layers-model") {
    const Node format = document.at("format");
    if (format.json() == "graph-model") refuse_graph(format);
    format.fail("unknown format " + format.shown() + ", expected \"layers-model\"");
  }
  const bool wrapped = !document.has("class_name");
  const Node topology = wrapped ? document.at("modelTopology").expect_object() : document;
  if (topology.has("node")) refuse_graph(topology.at("node"));
  Node model = topology.has("model_config") ? topology.at("model_config").expect_object() : topology;
  const Node kind = model.at("class_name");
  if (kind.text() != "Sequential" && kind.text() != "Functional" && kind.text() != "Model")
    kind.fail("the model is a " + config::in_quotes(kind.text()) + ", expected Sequential or Functional");
  for (const Node& each : {model, topology}) {
    if (!each.has("keras_version") || !each.at("keras_version").is_string()) continue;
    const Node version = each.at("keras_version");
    if (version.text().starts_with("0.") || version.text().starts_with("1."))
      version.fail("the model is of Keras " + version.text() +
                   ", expected 2 or later; load and save it there");
  }
  model.at("config");
  return model;
}

// What stands beside the layers.
void check_config(const Node& model, Import& import) {
  const Node config = model.at("config");
  if (config.is_array()) return;
  const std::string name = config.has("name") ? config.at("name").text() : std::string();
  Fields fields(config, model.at("class_name").text() + " " + config::in_quotes(name));
  import.trainable = fields.boolean("trainable", true);
  import.path.push_back(name);
  fields.ignore({"name", "layers", "input_layers", "output_layers", "build_input_shape", "dtype"});
  fields.finish();
}

config::ModelConfig config_of(const Node& model, Import& import) {
  config::ModelConfig config;
  config.input_shape = import.shape = input_shape_of(model);
  if (elements_of(import.shape) > std::min(import.options.max_parameters, max_sample))
    model.fail("a sample of " + shown(import.shape) + " has more than " +
               std::to_string(import.options.max_parameters) + " elements, expected no more");
  check_config(model, import);
  config.layers = read_network(model, import);
  if (config.layers.empty())
    model.fail("the model has no layers that compute anything, expected one or more");
  config.dtype = import.dtype.empty() ? "f32" : import.dtype;
  config.frozen = import.frozen;
  return config;
}

}  // namespace

Model load(const Node& document, const std::string& folder, const LoadOptions& options) {
  const Node model_node = model_in(document);
  const bool has_weights = document.has("weightsManifest");
  if (has_weights && !options.weights.empty())
    document.at("weightsManifest")
        .fail("the model has weights of its own, expected none beside it, got " + options.weights);
  Import import{.options = options, .weights_follow = has_weights || !options.weights.empty()};
  const config::ModelConfig config = config_of(model_node, import);
  std::optional<Manifest> manifest;
  if (has_weights) manifest.emplace(document.at("weightsManifest"), folder, import.slots);
  Generator generator(options.seed);
  Sequential network =
      config::build(config, generator, {document.file(), import.weights_follow, options.max_parameters});
  Model model(std::move(network), Shape(config.input_shape));
  if (manifest) manifest->read_into(model);
  if (!options.weights.empty()) config::load_values(model, options.weights);
  model.trained = import.weights_follow;
  return model;
}

}  // namespace rill::nn::keras
