// The layers of a Keras model, one by one.
#include <algorithm>
#include <array>
#include <string>

#include <rill/nn/keras/chain.hpp>
#include <rill/nn/keras/import.hpp>

namespace rill::nn::keras {
namespace {

struct Kind {
  std::string_view name;
  void (*read)(Layer&);
};

void read_input(Layer& layer);
void read_model(Layer& layer);

// Keras' own names; behind them stand other spellings, TensorFlow's and TF.NET's.
constexpr std::size_t own_names = 17;
constexpr std::array kinds = {Kind{"Dense", read_dense},
                              Kind{"Flatten", read_flatten},
                              Kind{"Dropout", read_dropout},
                              Kind{"Activation", read_activation},
                              Kind{"LeakyReLU", read_activation_layer},
                              Kind{"ReLU", read_activation_layer},
                              Kind{"ELU", read_activation_layer},
                              Kind{"PReLU", read_prelu},
                              Kind{"ThresholdedReLU", read_activation_layer},
                              Kind{"Softmax", read_activation_layer},
                              Kind{"BatchNormalization", read_batch_normalization},
                              Kind{"LayerNormalization", read_layer_normalization},
                              Kind{"Reshape", read_reshape},
                              Kind{"Rescaling", read_rescaling},
                              Kind{"Sequential", read_model},
                              Kind{"Functional", read_model},
                              Kind{"InputLayer", read_input},
                              Kind{"LeakyReLu", read_activation_layer},
                              Kind{"BatchNormalizationV1", read_batch_normalization},
                              Kind{"BatchNormalizationV2", read_batch_normalization},
                              Kind{"Model", read_model}};

const Kind& kind_of(const Node& class_name) {
  const std::string& name = class_name.text();
  const bool code =
      name == "Lambda" || name == "__lambda__" || name == "TFOpLambda" || name == "SlicingOpLambda";
  if (code)
    class_name.fail(config::in_quotes(name) +
                    " holds code of the program that wrote the model, which rill never "
                    "runs, expected layers of Keras; replace it by layers");
  const auto found = std::ranges::find(kinds, name, &Kind::name);
  if (found != kinds.end()) return *found;
  std::array<std::string_view, kinds.size()> names;
  std::ranges::transform(kinds, names.begin(), &Kind::name);
  class_name.fail("unknown layer " + config::in_quotes(name) +
                  config::suggestion(name, std::span(names).first(own_names)));
}

// "float32", or a policy that names it; empty where nothing is said.
std::string policy_of(const Node& value) {
  if (value.is_null()) return {};
  if (!value.is_object()) return value.text();
  const std::string& kind = value.at("class_name").text();
  if (kind != "DTypePolicy" && kind != "FloatDTypePolicy" && kind != "Policy" && kind != "PolicyV1")
    value.at("class_name")
        .fail("unknown dtype policy " + config::in_quotes(kind) + ", expected DTypePolicy or Policy");
  return value.at("config").at("name").text();
}

void check_dtype(const Node& value, Layer& layer) {
  const std::string policy = policy_of(value);
  // Their weights are f32, and rill computes with what the weights are.
  const bool mixed = policy == "mixed_float16" || policy == "mixed_bfloat16";
  if (layer.class_name == "InputLayer" || policy.empty()) return;
  if (!mixed && policy != "float32" && policy != "float64")
    layer.fields.refuse("dtype", value, "float32, float64, mixed_float16 or mixed_bfloat16");
  const std::string dtype = policy == "float64" ? "f64" : "f32";
  if (!layer.import.dtype.empty() && layer.import.dtype != dtype)
    layer.fields.refuse("dtype", value, "the same in all layers, and others have another");
  layer.import.dtype = dtype;
}

void read_input(Layer& layer) {
  for (const char* key : {"batch_shape", "batch_input_shape"}) {
    const std::optional<Node> value = layer.fields.given(key);
    if (value && read_shape(*value, true) != layer.import.shape)
      value->fail("the input of " + layer.fields.owner() + " is " + shown(read_shape(*value, true)) +
                  ", expected " + shown(layer.import.shape) + ", which the layers before give");
  }
  layer.fields.refuse_set({"sparse", "ragged", "optional", "type_spec"});
}

void read_model(Layer& layer) {
  Import& import = layer.import;
  const std::string prefix = import.prefix;
  const bool trainable = import.trainable;
  import.prefix = layer.target_of("");
  import.path.push_back(layer.name);
  import.trainable = layer.trainable;
  std::vector<LayerConfig> layers = read_network(layer.entry, import);
  import.prefix = prefix;
  import.path.pop_back();
  import.trainable = trainable;
  layer.fields.ignore({"layers", "input_layers", "output_layers", "build_input_shape"});
  if (!layers.empty()) layer.add({ConfigOf<Sequential>{std::move(layers)}});
}

void read_layer(const Node& entry, Import& import, std::vector<LayerConfig>& network) {
  // Of the whole model: its chain in rill is about as long.
  if (++import.layers > static_cast<std::int64_t>(config::max_layers))
    entry.fail("the model has more than " + std::to_string(config::max_layers) + " layers, expected no more");
  const Kind& kind = kind_of(entry.at("class_name"));
  const std::string class_name = entry.at("class_name").text();
  check_origin(entry, "layer");
  Fields outer(entry, class_name);
  outer.ignore({"class_name", "config", "name", "inbound_nodes", "module", "registered_name", "build_config",
                "compile_config", "shared_object_id", "keras_version", "backend"});
  outer.finish();
  const Node config = entry.at("config");
  const Json bare = Json::object();  // a Sequential's may be a list
  const Node object =
      config.is_array() && class_name == "Sequential" ? Node(bare, config.file(), config.pointer()) : config;
  const std::string name = entry.has("name")    ? entry.at("name").text()
                           : object.has("name") ? object.at("name").text()
                                                : std::string();
  Fields fields(object, class_name + " " + config::in_quotes(name));
  const bool trainable = fields.boolean("trainable", true) && import.trainable;
  Layer layer{entry, fields, class_name, name, trainable, import, network};
  if (const std::optional<Node> dtype = fields.find("dtype")) check_dtype(*dtype, layer);
  fields.ignore({"name", "batch_input_shape", "batch_shape", "input_shape", "input_dtype", "autocast",
                 "dynamic", "activity_regularizer"});
  if (kind.name != "Dense") check_penalty(layer, "activity_regularizer");
  kind.read(layer);
  fields.finish();
}

}  // namespace

std::string Layer::target_of(const std::string& target) const {
  return import.prefix + std::to_string(network.size()) + "." + target;
}

void Layer::add_slot(const std::string& weight, const std::string& target, Sizes sizes) {
  std::int64_t count = 1;
  bool overflow = false;
  for (const std::int64_t size : sizes) overflow = __builtin_mul_overflow(count, size, &count) || overflow;
  overflow = overflow || __builtin_add_overflow(import.elements, count, &import.elements);
  if (overflow || import.elements > import.options.max_parameters)
    entry.fail("the model has more than " + std::to_string(import.options.max_parameters) +
               " parameters, expected no more");
  Slot slot{.path = import.path, .target = target_of(target), .sizes = std::move(sizes)};
  slot.path.push_back(name);
  slot.path.push_back(weight);
  import.slots.push_back(std::move(slot));
  // Running statistics are no parameters.
  if (!trainable && !target.starts_with("running_")) freeze(target);
}

void Layer::freeze(const std::string& target) { import.frozen.push_back(target_of(target)); }

std::vector<LayerConfig> read_network(const Node& model, Import& import) {
  std::vector<LayerConfig> network;
  const std::vector<Node> layers = layers_in_order(model);
  for (std::size_t i = 0; i < layers.size(); ++i) {
    if (i > 0 && layers[i].has("class_name") && layers[i].json().at("class_name") == "InputLayer")
      layers[i].fail("an InputLayer stands behind other layers, expected it first");
    read_layer(layers[i], import, network);
  }
  return network;
}

}  // namespace rill::nn::keras
