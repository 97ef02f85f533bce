// Keras' layers with weights, and those that change shapes.
#include <algorithm>
#include <cmath>
#include <string>
#include <variant>

#include <rill/nn/keras/import.hpp>

namespace rill::nn::keras {
namespace {

// Dense runs activations itself, all but those that mix units.
bool put_into(ConfigOf<Dense>& dense, const LayerConfig& activation) {
  return std::visit(
      [&]<class Each>(const Each& each) {
        if constexpr (requires(config::ActivationConfig held) { held.value = each; }) {
          dense.activation = config::ActivationConfig{each};
          return true;
        } else {
          return false;
        }
      },
      activation.value);
}

// The axes of a normalisation, counted without the batch, in order.
std::vector<std::size_t> axes_of(Layer& layer) {
  const auto rank = static_cast<std::int64_t>(layer.import.shape.size()) + 1;
  std::vector<std::size_t> axes;
  const auto add = [&](const Node& value) {
    const std::int64_t axis = value.integer(-rank, rank - 1);
    if (axis == 0 || axis == -rank)
      value.fail("the axis of " + layer.fields.owner() + " is the batch, expected another");
    axes.push_back(static_cast<std::size_t>(axis < 0 ? axis + rank : axis) - 1);
  };
  const std::optional<Node> value = layer.fields.find("axis");
  if (!value) return {layer.import.shape.size() - 1};
  const auto items = items_of(*value);
  for (const Node& item : items ? *items : std::vector<Node>{*value}) add(item);
  std::ranges::sort(axes);
  return axes;
}

// rill's normalisations start with these values, whatever the initializers.
void check_start(Layer& layer, std::string_view key, double start) {
  if (!layer.import.weights_follow && constant_of(layer, key, start) != start)
    layer.fields.refuse(key, *layer.fields.given(key), start == 0 ? "Zeros" : "Ones");
  layer.fields.ignore({key});
}

// gamma and beta. One that Keras does not have is at its initial value and stays there.
void add_affine(Layer& layer, const Sizes& sizes) {
  const bool center = layer.fields.boolean("center", true), scale = layer.fields.boolean("scale", true);
  for (const char* key : {"gamma_regularizer", "beta_regularizer", "gamma_constraint", "beta_constraint"})
    check_penalty(layer, key);
  check_start(layer, "gamma_initializer", 1);
  check_start(layer, "beta_initializer", 0);
  if (scale) layer.add_slot("gamma", "weight", sizes);
  if (center) layer.add_slot("beta", "bias", sizes);
  if (!scale && center) layer.freeze("weight");
  if (scale && !center) layer.freeze("bias");
}

bool has_affine(Layer& layer) {
  return layer.fields.boolean("center", true) || layer.fields.boolean("scale", true);
}

}  // namespace

void read_dense(Layer& layer) {
  Fields& fields = layer.fields;
  const std::optional<Node> units = fields.find("units");
  if (!units) fields.node().fail("units of " + fields.owner() + " is missing, expected a whole number");
  ConfigOf<Dense> dense;
  dense.units = units->integer(1, config::max_units);
  dense.bias = fields.boolean("use_bias", true);
  const std::int64_t in = layer.import.shape.back();
  dense.init = initializer_of(layer, "kernel_initializer", in, dense.units);
  dense.bias_init = initializer_of(layer, "bias_initializer", dense.units, 0);
  for (const char* key : {"kernel_regularizer", "bias_regularizer", "activity_regularizer",
                          "kernel_constraint", "bias_constraint"})
    check_penalty(layer, key);
  fields.refuse_set({"quantization_config", "lora_rank", "lora_alpha", "quantization_mode"});
  layer.add_slot("kernel", "weight", {in, dense.units});
  layer.import.slots.back().transposed = true;
  if (dense.bias) layer.add_slot("bias", "bias", {dense.units});
  layer.import.shape.back() = dense.units;
  if (elements_of(layer.import.shape) > max_sample)
    units->fail("a sample has more than " + std::to_string(max_sample) + " elements behind " +
                fields.owner() + ", expected no more");
  const std::optional<LayerConfig> activation = activation_of(layer);
  const bool inside = activation && put_into(dense, *activation);
  layer.add({dense});
  if (activation && !inside) layer.add(*activation);
}

void read_flatten(Layer& layer) {
  Sizes& shape = layer.import.shape;
  if (const std::optional<Node> format = layer.fields.given("data_format")) {
    const bool first = format->text() == "channels_first";
    if (!first && format->text() != "channels_last")
      layer.fields.refuse("data_format", *format, "\"channels_last\" or \"channels_first\"");
    // Keras moves the channels to the end first.
    if (first && shape.front() != 1 && elements_of(shape) != shape.front())
      layer.fields.refuse("data_format", *format, "\"channels_last\" for inputs of " + shown(shape));
  }
  shape = {elements_of(shape)};
  layer.add({ConfigOf<Flatten>()});
}

void read_reshape(Layer& layer) {
  Sizes& shape = layer.import.shape;
  const std::optional<Node> value = layer.fields.find("target_shape");
  const std::optional<std::vector<Node>> items = value ? items_of(*value) : std::nullopt;
  if (!items)
    layer.fields.node().fail("target_shape of " + layer.fields.owner() + " is " +
                             (value ? value->shown() : "missing") + ", expected an array");
  const std::int64_t elements = elements_of(shape);
  std::int64_t known = 1;
  Sizes target;
  for (const Node& item : *items) {
    target.push_back(item.integer(-1, config::max_units));
    if (target.back() != -1 && __builtin_mul_overflow(known, target.back(), &known))
      value->fail("target_shape of " + layer.fields.owner() + " has too many elements, expected " +
                  std::to_string(elements));
  }
  for (std::int64_t& size : target) {
    if (size == -1 && known > 0 && elements % known == 0 && std::ranges::count(target, -1) == 1)
      size = elements / known;
  }
  if (target == shape) return;
  if (target != Sizes{elements})
    value->fail("target_shape of " + layer.fields.owner() + " is " + shown(target) + " for inputs of " +
                shown(shape) + ", expected " + shown({elements}) + ", which rill does with a flatten");
  shape = target;
  layer.add({ConfigOf<Flatten>()});
}

void read_dropout(Layer& layer) {
  const double rate = layer.fields.number("rate", {.low = 0, .high = 1});
  layer.fields.refuse_set({"noise_shape"});
  layer.fields.ignore({"seed"});
  layer.add({ConfigOf<Dropout>{.p = rate}});
}

void read_batch_normalization(Layer& layer) {
  Fields& fields = layer.fields;
  const Sizes& shape = layer.import.shape;
  const std::vector<std::size_t> axes = axes_of(layer);
  if (axes != std::vector<std::size_t>{0} || shape.size() > 2)
    layer.entry.fail("the axis of " + fields.owner() + " is not the first of inputs of " + shown(shape) +
                     ", expected [features] or, with axis 1, [channels, length]; put a Flatten before it");
  ConfigOf<BatchNorm1d> norm;
  norm.frozen_stats = !layer.trainable;  // Keras uses the moving ones in training too
  norm.eps = fields.number("epsilon", 1e-3, {.low = 0});
  // 0.99 leaves 0.01, not 0.010000000000000009.
  norm.momentum = std::round((1 - fields.number("momentum", 0.99, {.low = 0, .high = 1})) * 1e15) / 1e15;
  norm.affine = has_affine(layer);
  const Sizes channels{shape.front()};
  add_affine(layer, channels);
  check_start(layer, "moving_mean_initializer", 0);
  check_start(layer, "moving_variance_initializer", 1);
  layer.add_slot("moving_mean", "running_mean", channels);
  layer.add_slot("moving_variance", "running_var", channels);
  fields.refuse_set({"renorm", "renorm_clipping", "virtual_batch_size", "adjustment"});
  fields.ignore({"fused", "synchronized", "renorm_momentum"});
  layer.add({norm});
}

void read_rescaling(Layer& layer) {
  ConfigOf<Rescaling> rescaling;
  rescaling.scale = layer.fields.number("scale", {});
  rescaling.offset = layer.fields.number("offset", 0, {});
  layer.add({rescaling});
}

void read_layer_normalization(Layer& layer) {
  Fields& fields = layer.fields;
  const Sizes& shape = layer.import.shape;
  const std::vector<std::size_t> axes = axes_of(layer);
  for (std::size_t i = 0; i < axes.size(); ++i) {
    if (axes[i] != shape.size() - axes.size() + i)
      layer.entry.fail("the axes of " + fields.owner() + " are not the last of inputs of " + shown(shape) +
                       ", expected those");
  }
  ConfigOf<LayerNorm> norm;
  norm.axes = static_cast<std::int64_t>(axes.size());
  if (axes.empty()) layer.entry.fail(fields.owner() + " has no axis, expected one or more");
  norm.eps = fields.number("epsilon", 1e-3, {.low = 0});
  norm.elementwise_affine = has_affine(layer);
  add_affine(layer, Sizes(shape.end() - static_cast<std::ptrdiff_t>(axes.size()), shape.end()));
  fields.refuse_set({"rms_scaling"});
  layer.add({norm});
}

}  // namespace rill::nn::keras
