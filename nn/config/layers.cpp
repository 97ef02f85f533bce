#include <limits>

#include <rill/nn/config/layers.hpp>

namespace rill::nn::config {
namespace {

std::int64_t elements_of(const Shape& shape, int from) {
  std::int64_t count = 1;
  for (int i = from; i < shape.rank(); ++i) count *= shape[i];
  return count;
}

// The channels of BatchNorm1d and PReLU: dimension 1 of a batch.
std::int64_t channels_of(const BuildContext& context, const char* layer) {
  if (context.shape.rank() < 1)
    context.fail(std::string(layer) + " gets scalars, expected inputs of one dimension or more");
  return context.shape[0];
}

// The value of the key `key`.
Init init_of(const InitConfig& config, const BuildContext& context, const char* key) {
  const std::string where = context.where + "/" + key + ": ";
  if (std::holds_alternative<Custom>(config.value)) {
    RILL_CHECK(
        context.weights_follow, where,
        "\"custom\" is an initialiser of the program that saved the model, expected its weights or one of "
        "nn::init's");
    const auto nothing = [](Tensor& weight, Generator& generator) { init::zeros()(weight, generator); };
    return Init("custom", {}, nothing);
  }
  try {
    return config.make();
  } catch (const Error& error) {
    rill::detail::fail(where + error.what());
  }
}

// Calls then(layer) with the module as what it is, if it is one of Layers; false if not.
template <class Then, class... Layers>
bool with_layer(Module& module, std::tuple<Layers...>*, const Then& then) {
  const auto consider = [&]<class Layer>(Layer* layer) {
    if (layer) then(*layer);
    return layer != nullptr;
  };
  return (consider(dynamic_cast<Layers*>(&module)) || ...);
}

template <class Layer>
ConfigOf<Layer> config_of(Layer& layer, const std::string& where) {
  if constexpr (requires { ConfigOf<Layer>::of(layer, where); }) {
    return ConfigOf<Layer>::of(layer, where);
  } else {
    return ConfigOf<Layer>::of(layer);
  }
}

[[noreturn]] void refuse_module(const Module& module, const std::string& where) {
  rill::detail::fail(where + ": a \"" + std::string(module.type()) +
                     "\" has no config, expected one of nn's layers");
}

}  // namespace

void BuildContext::take(std::int64_t rows, std::int64_t columns) {
  std::int64_t more = 0;
  const bool overflow =
      __builtin_mul_overflow(rows, columns, &more) || __builtin_add_overflow(elements, more, &elements);
  if (overflow || elements > max_elements)
    fail("the model has more than " + std::to_string(max_elements) + " parameters, expected no more" +
         advice);
}

ReLU ConfigOf<ReLU>::build(BuildContext& context) const {
  const double ceiling = max_value.value_or(std::numeric_limits<double>::infinity());
  if (ceiling < threshold)
    context.fail(
        rill::detail::concat("max_value is ", ceiling, ", expected no less than the threshold ", threshold));
  return ReLU(ReLUOptions{.negative_slope = negative_slope, .max_value = ceiling, .threshold = threshold});
}

ConfigOf<ReLU> ConfigOf<ReLU>::of(ReLU& layer) {
  const ReLUOptions& options = layer.options();
  ConfigOf config{.negative_slope = options.negative_slope, .threshold = options.threshold};
  if (std::isfinite(options.max_value)) config.max_value = options.max_value;
  return config;
}

PReLU ConfigOf<PReLU>::build(BuildContext& context) const {
  const std::int64_t channels = num_parameters == 1 ? 1 : channels_of(context, "prelu");
  if (num_parameters != channels)
    context.fail("num_parameters is " + std::to_string(num_parameters) + ", expected 1 or " +
                 std::to_string(channels) + ", the input's features");
  context.take(num_parameters, 1);
  return PReLU(context.measuring ? 1 : num_parameters, initial_slope, context.dtype);
}

namespace detail {
template <class Layer>
ConfigOf<Layer> ConfigOfSoftmax<Layer>::of(Layer& layer) {
  ConfigOf<Layer> config;
  config.axis = layer.axis();
  return config;
}
template struct ConfigOfSoftmax<Softmax>;
template struct ConfigOfSoftmax<LogSoftmax>;
}  // namespace detail

AnyActivation ActivationConfig::build(BuildContext& context) const {
  return std::visit([&](const auto& config) -> AnyActivation { return config.build(context); }, value);
}

ActivationConfig ActivationConfig::of(Activation& activation, const std::string& where) {
  ActivationConfig config;
  Module* module = &activation;
  if (auto* any = dynamic_cast<AnyActivation*>(&activation)) module = any->get();
  const bool known = with_layer(*module, static_cast<LayerList*>(nullptr), [&]<class Layer>(Layer& layer) {
    if constexpr (std::derived_from<Layer, Activation>) config.value = config_of(layer, where);
  });
  if (!known) refuse_module(*module, where);
  return config;
}

Dense ConfigOf<Dense>::build(BuildContext& context) const {
  const int dims = context.shape.rank();
  if (dims < 1) context.fail("dense gets scalars, expected inputs of one dimension or more");
  const std::int64_t in = context.shape[dims - 1];
  context.take(units, in);
  if (bias) context.take(units, 1);
  std::vector<std::int64_t> sizes(context.shape.begin(), context.shape.end());
  sizes.back() = units;
  context.shape = Shape(sizes);
  const std::string where = context.where;
  context.where += "/activation";
  const AnyActivation built = activation ? activation->build(context) : AnyActivation();
  context.where = where;
  const DenseOptions options{.bias = bias,
                             .init = init_of(init, context, "init"),
                             .bias_init = init_of(bias_init, context, "bias_init"),
                             .dtype = context.dtype,
                             .activation = built};
  return context.measuring ? Dense(1, 1, context.generator) : Dense(in, units, context.generator, options);
}

ConfigOf<Dense> ConfigOf<Dense>::of(Dense& layer, const std::string& where) {
  ConfigOf config;
  config.units = layer.weight.shape()[0];
  config.bias = layer.bias.defined();
  config.init = InitConfig::of(layer.init());
  config.bias_init = InitConfig::of(layer.bias_init());
  if (layer.activation) config.activation = ActivationConfig::of(layer.activation, where + "/activation");
  return config;
}

BatchNorm1d ConfigOf<BatchNorm1d>::build(BuildContext& context) const {
  const std::int64_t channels = channels_of(context, "batch_norm");
  if (context.shape.rank() > 2)
    context.fail("batch_norm gets " + rill::detail::concat(context.shape) +
                 ", expected [features] or [channels, length]; put a flatten before it");
  if (frozen_stats && !track_running_stats)
    context.fail("frozen_stats is true without track_running_stats, expected both");
  context.take(channels, (affine ? 2 : 0) + (track_running_stats ? 2 : 0));
  BatchNormOptions options{.eps = eps,
                           .affine = affine,
                           .track_running_stats = track_running_stats,
                           .frozen_stats = frozen_stats,
                           .dtype = context.dtype};
  options.momentum = cumulative ? std::optional<double>() : momentum;
  return BatchNorm1d(context.measuring ? 1 : channels, options);
}

ConfigOf<BatchNorm1d> ConfigOf<BatchNorm1d>::of(BatchNorm1d& layer) {
  return {.eps = layer.eps(),
          .momentum = layer.momentum().value_or(0.1),
          .cumulative = !layer.momentum(),
          .affine = layer.weight.defined(),
          .track_running_stats = layer.running_mean.defined(),
          .frozen_stats = layer.frozen_stats()};
}

LayerNorm ConfigOf<LayerNorm>::build(BuildContext& context) const {
  const int dims = context.shape.rank();
  if (axes > dims)
    context.fail("axes is " + std::to_string(axes) + ", expected 1 to " + std::to_string(dims) +
                 " for an input of " + rill::detail::concat(context.shape));
  const int first = dims - static_cast<int>(axes);
  context.take(elements_of(context.shape, first), elementwise_affine ? 2 : 0);
  if (context.measuring) return LayerNorm(Shape{1});
  return LayerNorm(Shape(context.shape.sizes().subspan(static_cast<std::size_t>(first))),
                   {.eps = eps, .elementwise_affine = elementwise_affine, .dtype = context.dtype});
}

ConfigOf<LayerNorm> ConfigOf<LayerNorm>::of(LayerNorm& layer) {
  return {.axes = layer.normalized_shape().rank(),
          .eps = layer.eps(),
          .elementwise_affine = layer.weight.defined()};
}

Flatten ConfigOf<Flatten>::build(BuildContext& context) const {
  context.shape = Shape{elements_of(context.shape, 0)};
  return {};
}

Sequential ConfigOf<Sequential>::build(BuildContext& context) const {
  Sequential built;
  const std::string where = context.where;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    context.where = where + "/layers/" + std::to_string(i);
    std::visit([&](const auto& config) { built.add(config.build(context)); }, layers[i].value);
  }
  context.where = where;
  return built;
}

ConfigOf<Sequential> ConfigOf<Sequential>::of(Sequential& layer, const std::string& where) {
  ConfigOf config;
  for (std::size_t i = 0; i < layer.size(); ++i) {
    const std::string place = where + "/layers/" + std::to_string(i);
    LayerConfig one;
    const bool known = with_layer(layer[i], static_cast<LayerList*>(nullptr),
                                  [&]<class Layer>(Layer& each) { one.value = config_of(each, place); });
    if (!known) refuse_module(layer[i], place);
    config.layers.push_back(std::move(one));
  }
  return config;
}

}  // namespace rill::nn::config
