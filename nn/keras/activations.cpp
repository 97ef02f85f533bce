// Keras' activations: by name, as layers, and as layers that another layer holds.
#include <algorithm>
#include <array>
#include <string>

#include <rill/nn/keras/import.hpp>

namespace rill::nn::keras {
namespace {

constexpr std::array<std::string_view, 17> activation_names = {
    "relu", "relu6",   "elu",     "selu",        "gelu",   "gelu_new",   "silu", "swish",   "softplus",
    "tanh", "sigmoid", "softmax", "log_softmax", "linear", "leaky_relu", "celu", "identity"};
// What Keras has besides. A near name would be another function.
constexpr std::array<std::string_view, 20> other_names = {
    "hard_sigmoid", "hard_silu",   "hard_swish",  "hard_tanh",      "hard_shrink",
    "soft_shrink",  "tanh_shrink", "softsign",    "exponential",    "mish",
    "log_sigmoid",  "sparsemax",   "sparse_plus", "sparse_sigmoid", "squareplus",
    "glu",          "threshold",   "softmin",     "hardmax",        "crelu"};

constexpr double string_slope = 0.2;  // of the name "leaky_relu"; that of the layer is 0.3

std::optional<LayerConfig> activation_named(const Node& place, const std::string& name) {
  if (name == "linear" || name == "identity") return {};
  if (name == "relu") return LayerConfig{ConfigOf<ReLU>()};
  if (name == "relu6") return LayerConfig{ConfigOf<ReLU>{.max_value = 6}};
  if (name == "elu") return LayerConfig{ConfigOf<ELU>()};
  if (name == "selu") return LayerConfig{ConfigOf<SELU>()};
  if (name == "celu") return LayerConfig{ConfigOf<CELU>()};
  if (name == "gelu") return LayerConfig{ConfigOf<GELU>()};
  if (name == "gelu_new") return LayerConfig{ConfigOf<GELU>{.approximate = "tanh"}};
  if (name == "silu" || name == "swish") return LayerConfig{ConfigOf<SiLU>()};
  if (name == "softplus") return LayerConfig{ConfigOf<Softplus>()};
  if (name == "tanh") return LayerConfig{ConfigOf<Tanh>()};
  if (name == "sigmoid") return LayerConfig{ConfigOf<Sigmoid>()};
  if (name == "softmax") return LayerConfig{ConfigOf<Softmax>()};
  if (name == "log_softmax") return LayerConfig{ConfigOf<LogSoftmax>()};
  if (name == "leaky_relu") return LayerConfig{ConfigOf<LeakyReLU>{.negative_slope = string_slope}};
  if (std::ranges::find(other_names, name) != other_names.end())
    place.fail("rill has no activation " + config::in_quotes(name) +
               config::suggestion({}, activation_names));
  place.fail("unknown activation " + config::in_quotes(name) + config::suggestion(name, activation_names));
}

LayerConfig leaky_relu_of(Fields& fields) {
  if (fields.find("alpha") && fields.find("negative_slope"))
    fields.node().fail("both alpha and negative_slope of " + fields.owner() +
                       " are given, expected one of them");
  const double slope = fields.number("alpha", 0.3, {.low = 0});
  return {ConfigOf<LeakyReLU>{.negative_slope = fields.number("negative_slope", slope, {.low = 0})}};
}

LayerConfig relu_of(Fields& fields) {
  ConfigOf<ReLU> relu;
  relu.negative_slope = fields.number("negative_slope", 0, {.low = 0});
  relu.threshold = fields.number("threshold", 0, {.low = 0});
  if (fields.given("max_value")) relu.max_value = fields.number("max_value", 0, {.low = relu.threshold});
  return {relu};
}

LayerConfig softmax_of(Layer& layer, Fields& fields) {
  const std::int64_t rank = static_cast<std::int64_t>(layer.import.shape.size()) + 1;
  std::int64_t axis = -1;
  if (std::optional<Node> value = fields.find("axis")) {
    const std::optional<std::vector<Node>> items = items_of(*value);
    if (items && items->size() == 1) value = items->front();
    axis = value->integer(-rank, rank - 1);
  }
  return {ConfigOf<Softmax>{{.axis = axis}}};
}

std::optional<LayerConfig> activation_layer(Layer& layer, const std::string& class_name, Fields& fields) {
  if (class_name == "LeakyReLU" || class_name == "LeakyReLu") return leaky_relu_of(fields);
  if (class_name == "ELU") return LayerConfig{ConfigOf<ELU>{.alpha = fields.number("alpha", 1, {.low = 0})}};
  if (class_name == "ReLU") return relu_of(fields);
  if (class_name == "ThresholdedReLU")
    return LayerConfig{ConfigOf<ReLU>{.threshold = fields.number("theta", 1, {.low = 0})}};
  if (class_name == "Softmax") return softmax_of(layer, fields);
  if (class_name == "GELU" || class_name == "gelu") {
    const bool approximate = fields.boolean("approximate", false);
    return LayerConfig{ConfigOf<GELU>{.approximate = approximate ? "tanh" : "none"}};
  }
  return {};
}

// A layer in the place of an activation, or a function of Keras' own that is written as an object.
std::optional<LayerConfig> activation_object(Layer& layer, const Node& value) {
  const Node kind = value.at("class_name");
  const std::string& name = kind.text();
  if (name == "function") {
    const bool own =
        value.has("module") && value.at("module").is_string() && is_keras_module(value.at("module").text());
    const Node function = value.at("config");
    if (!own)
      function.fail("the function " + function.shown() + " of " + layer.fields.owner() +
                    " is one of the program that wrote the model, expected one of Keras'");
    return activation_named(function, function.text());
  }
  check_origin(value, "activation");
  const Json nothing = Json::object();
  Fields fields(value.has("config") ? value.at("config") : Node(nothing, value.file(), value.pointer()),
                name);
  fields.ignore({"name", "trainable", "dtype", "batch_input_shape"});
  fields.refuse_set({"activity_regularizer"});
  if (name == "Activation") {
    const std::optional<Node> inner = fields.find("activation");
    fields.finish();
    if (!inner) fields.node().fail("\"activation\" is missing, expected it");
    return activation_named(*inner, inner->text());
  }
  std::optional<LayerConfig> read = activation_layer(layer, name, fields);
  if (!read && name == "PReLU")
    kind.fail("the activation of " + layer.fields.owner() +
              " is a PReLU, expected one without weights; make it a layer of its own");
  if (!read)
    kind.fail("unknown activation " + config::in_quotes(name) + config::suggestion(name, activation_names));
  fields.finish();
  return read;
}

}  // namespace

std::optional<LayerConfig> activation_of(Layer& layer) {
  const std::optional<Node> value = layer.fields.given("activation");
  if (!value) return {};
  if (value->is_string()) return activation_named(*value, value->text());
  if (!value->is_object()) layer.fields.refuse("activation", *value, "a name or a layer");
  return activation_object(layer, *value);
}

void read_activation(Layer& layer) {
  if (!layer.fields.find("activation"))
    layer.fields.node().fail("activation of " + layer.fields.owner() + " is missing, expected a name");
  if (std::optional<LayerConfig> activation = activation_of(layer)) layer.add(std::move(*activation));
}

void read_activation_layer(Layer& layer) {
  layer.add(*activation_layer(layer, layer.class_name, layer.fields));
}

void read_prelu(Layer& layer) {
  const Sizes& shape = layer.import.shape;
  Sizes alpha = shape;
  if (const std::optional<Node> shared_axes = layer.fields.given("shared_axes")) {
    const auto items = items_of(*shared_axes);
    for (const Node& axis : items ? *items : std::vector<Node>{*shared_axes})
      alpha[static_cast<std::size_t>(axis.integer(1, static_cast<std::int64_t>(shape.size()))) - 1] = 1;
  }
  const std::int64_t count = elements_of(alpha);
  if (count != 1 && count != alpha.front())
    layer.entry.fail(
        "the slopes of " + layer.fields.owner() + " are " + shown(alpha) + " for inputs of " + shown(shape) +
        ", expected one slope, or one for each index of the first dimension; share the other axes with "
        "shared_axes, or put a Flatten before it");
  check_penalty(layer, "alpha_regularizer");
  check_penalty(layer, "alpha_constraint");
  const double slope = constant_of(layer, "alpha_initializer", 0);
  layer.add_slot("alpha", "weight", alpha);
  layer.add({ConfigOf<PReLU>{.num_parameters = count, .initial_slope = slope}});
}

}  // namespace rill::nn::keras
