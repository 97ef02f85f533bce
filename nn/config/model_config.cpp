#include <algorithm>
#include <map>
#include <set>

#include <rill/nn/config/archive.hpp>
#include <rill/nn/config/model_config.hpp>
#include <rill/nn/config/read_model.hpp>
#include <rill/nn/state_file.hpp>

namespace rill::nn::config {
namespace {

DType dtype_of(Sequential& network) {
  for (const auto& [name, value] : network.named_state()) {
    if (is_floating(value.dtype())) return value.dtype();
  }
  return DType::f32;
}

// Two names of one tensor would come back as two tensors.
void check_untied(Sequential& network) {
  std::set<std::string> once;
  for (const auto& [name, value] : network.named_state()) once.insert(name);
  for (const auto& [name, value] : state_file(network).tensors)
    RILL_CHECK(once.contains(name), "save_config: \"", name,
               "\" is another name of a tensor before it, expected one of its own; a config knows no ties");
}

void freeze(Sequential& network, const std::vector<std::string>& names, const std::string& where) {
  std::vector<NamedTensor> parameters = network.named_parameters();
  std::vector<std::string_view> known;
  std::map<std::string_view, NamedTensor*> places;
  known.reserve(parameters.size());
  for (NamedTensor& each : parameters) {
    known.push_back(each.name);
    places.emplace(each.name, &each);
  }
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto found = places.find(names[i]);
    RILL_CHECK(found != places.end(), where, ": /frozen/", i, ": unknown parameter ", in_quotes(names[i]),
               suggestion(names[i], known));
    found->second->value.requires_grad_(false);
  }
}

}  // namespace

ModelConfig config_of(Sequential& network, const Shape& input_shape) {
  check_untied(network);
  ModelConfig config;
  config.input_shape.assign(input_shape.begin(), input_shape.end());
  config.dtype = dtype_of(network) == DType::f64 ? "f64" : "f32";
  config.layers = ConfigOf<Sequential>::of(network, "save_config: ").layers;
  for (const auto& [name, value] : network.named_parameters()) {
    if (!value.requires_grad()) config.frozen.push_back(name);
  }
  return config;
}

Sequential build(const ModelConfig& config, Generator& generator, const BuildOptions& options) {
  std::int64_t inputs = 1;
  for (const std::int64_t size : config.input_shape) {
    const bool overflow = __builtin_mul_overflow(inputs, size, &inputs);
    RILL_CHECK(!overflow && inputs <= options.max_parameters, options.where,
               ": /input_shape: a sample has more than ", options.max_parameters,
               " elements, expected no more");
  }
  constexpr std::int64_t spare = 1 << 20;  // so that a weight that is missing is told by its name
  const bool by_file = options.values && *options.values < options.max_parameters - spare;
  BuildContext context{
      .shape = Shape(config.input_shape),
      .generator = generator,
      .dtype = config.dtype == "f64" ? DType::f64 : DType::f32,
      .where = options.where + ": ",
      .weights_follow = options.weights_follow,
      .max_elements = by_file ? *options.values + spare : options.max_parameters,
      .advice = by_file ? " in a file of " + std::to_string(*options.values) + " values" : ""};
  const ConfigOf<Sequential> layers{config.layers};
  Generator scratch(0);
  BuildContext measuring{.shape = context.shape,
                         .generator = scratch,
                         .dtype = context.dtype,
                         .where = context.where,
                         .weights_follow = context.weights_follow,
                         .max_elements = context.max_elements,
                         .advice = context.advice,
                         .measuring = true};
  // So that a last layer that is too large is seen before the first one is allocated.
  layers.build(measuring);
  Sequential network = layers.build(context);
  freeze(network, config.frozen, options.where);
  return network;
}

ModelConfig read_model_config(const Node& node) {
  if (node.has("rill") && node.at("rill").json().is_number_integer() &&
      node.at("rill").json() != format_version) {
    node.at("rill").fail("the file is of rill's format " + node.at("rill").shown() +
                         ", expected 1, which this version reads");
  }
  ModelConfig config;
  Reader::read(node, config);
  return config;
}

ModelConfig parse_model_config(const std::string& text, const std::string& where) {
  const Json document = parse_json(text, where);
  return read_model_config(Node(document, where));
}

std::string to_json(const ModelConfig& config) { return Writer::write(config).dump(2) + "\n"; }

}  // namespace rill::nn::config
