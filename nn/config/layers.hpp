// Layers as configs hold them: for each of nn::LayerList a ConfigOf<Layer> that says its fields, makes the layer, and is made
// of one. Sizes that follow from the input are not fields.
#pragma once

#include <cmath>
#include <concepts>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <variant>
#include <vector>

#include <rill/nn/config/check.hpp>
#include <rill/nn/config/init_config.hpp>
#include <rill/nn/layers.hpp>

namespace rill::nn::config {

/// The largest size of a layer or of an input's dimension.
inline constexpr std::int64_t max_units = std::int64_t{1} << 24;
/// The most layers of a chain.
inline constexpr std::size_t max_layers = 1000;

/// Where the building of a model stands.
struct BuildContext {
  Shape shape;  ///< of what comes in, without the batch; each layer leaves there what it gives
  Generator& generator;
  DType dtype;
  std::string where;          ///< "model.json: /layers/1", for messages
  bool weights_follow;        ///< values are read from a file afterwards
  std::int64_t max_elements;  ///< of all parameters and buffers together
  std::string advice;         ///< end of the message for more of them
  bool measuring = false;     ///< all is checked, and layers are made as small as can be
  std::int64_t elements = 0;  ///< so far

  [[noreturn]] void fail(const std::string& what) const { rill::detail::fail(where + ": " + what); }
  /// Counts rows · columns elements before they are allocated. Throws Error above max_elements.
  void take(std::int64_t rows, std::int64_t columns);
};

template <class Layer>
struct ConfigOf;

namespace detail {

// Layers without options.
template <class Layer>
struct ConfigOfPlain {
  static constexpr std::string_view type_name = Layer::type_name;
  template <class Self, class Archive>
  static void fields(Self&, Archive&) {}
  Layer build(BuildContext&) const { return Layer(); }
  static ConfigOf<Layer> of(Layer&) { return {}; }
};

}  // namespace detail

template <>
struct ConfigOf<ReLU> {
  static constexpr std::string_view type_name = ReLU::type_name;
  double negative_slope = 0;
  std::optional<double> max_value = {};
  double threshold = 0;
  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    archive.optional("negative_slope", self.negative_slope, "slope at the threshold and below", at_least(0));
    archive.optional("max_value", self.max_value, "the largest output; none if not given", at_least(0));
    archive.optional("threshold", self.threshold, "inputs above it pass", at_least(0));
  }
  ReLU build(BuildContext& context) const;
  static ConfigOf of(ReLU& layer);
};

template <>
struct ConfigOf<LeakyReLU> {
  static constexpr std::string_view type_name = LeakyReLU::type_name;
  double negative_slope = 0.3;
  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    archive.optional("negative_slope", self.negative_slope, "slope where the input is 0 or less",
                     also_named("alpha", at_least(0)));
  }
  LeakyReLU build(BuildContext&) const { return LeakyReLU(negative_slope); }
  static ConfigOf of(LeakyReLU& layer) { return {layer.negative_slope()}; }
};

template <>
struct ConfigOf<ELU> {
  static constexpr std::string_view type_name = ELU::type_name;
  double alpha = 1;
  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    archive.optional("alpha", self.alpha, "minus the output far below 0", at_least(0));
  }
  ELU build(BuildContext&) const { return ELU(alpha); }
  static ConfigOf of(ELU& layer) { return {layer.alpha()}; }
};

template <>
struct ConfigOf<PReLU> {
  static constexpr std::string_view type_name = PReLU::type_name;
  std::int64_t num_parameters = 1;
  double initial_slope = 0.25;
  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    archive.optional("num_parameters", self.num_parameters, "1, or one slope a feature",
                     between(1, static_cast<double>(max_units)));
    archive.optional("initial_slope", self.initial_slope, "slope before training", finite());
  }
  PReLU build(BuildContext& context) const;
  static ConfigOf of(PReLU& layer) { return {layer.weight.numel(), layer.initial_slope()}; }
};

template <>
struct ConfigOf<GELU> {
  static constexpr std::string_view type_name = GELU::type_name;
  std::string approximate = "none";
  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    archive.optional("approximate", self.approximate, "exact, or the formula with tanh",
                     one_of({"none", "tanh"}));
  }
  GELU build(BuildContext&) const {
    return GELU(approximate == "tanh" ? GeluApproximation::tanh : GeluApproximation::none);
  }
  static ConfigOf of(GELU& layer) {
    return {layer.approximate() == GeluApproximation::tanh ? "tanh" : "none"};
  }
};

template <>
struct ConfigOf<CELU> {
  static constexpr std::string_view type_name = CELU::type_name;
  double alpha = 1;
  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    archive.optional("alpha", self.alpha, "minus the output far below 0", above(0));
  }
  CELU build(BuildContext&) const { return CELU(alpha); }
  static ConfigOf of(CELU& layer) { return {layer.alpha()}; }
};

template <>
struct ConfigOf<Softplus> {
  static constexpr std::string_view type_name = Softplus::type_name;
  double beta = 1;
  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    archive.optional("beta", self.beta, "how sharp the bend at 0 is", above(0));
  }
  Softplus build(BuildContext&) const { return Softplus(beta); }
  static ConfigOf of(Softplus& layer) { return {layer.beta()}; }
};

template <>
struct ConfigOf<SELU> : detail::ConfigOfPlain<SELU> {};
template <>
struct ConfigOf<SiLU> : detail::ConfigOfPlain<SiLU> {};
template <>
struct ConfigOf<Tanh> : detail::ConfigOfPlain<Tanh> {};
template <>
struct ConfigOf<Sigmoid> : detail::ConfigOfPlain<Sigmoid> {};

namespace detail {

template <class Layer>
struct ConfigOfSoftmax {
  static constexpr std::string_view type_name = Layer::type_name;
  std::int64_t axis = -1;
  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    archive.optional("axis", self.axis, "counted with the batch as 0, or from the end", between(-8, 7));
  }
  Layer build(BuildContext& context) const {
    const auto rank = static_cast<std::int64_t>(context.shape.rank()) + 1;
    if (axis < -rank || axis >= rank)
      context.fail("axis " + std::to_string(axis) + " is out of range, expected " + std::to_string(-rank) +
                   " to " + std::to_string(rank - 1));
    return Layer(static_cast<int>(axis));
  }
  static ConfigOf<Layer> of(Layer& layer);
};

template <class>
struct ActivationsIn;
template <class... Layers>
struct ActivationsIn<std::tuple<Layers...>> {
  template <class Layer>
  using One =
      std::conditional_t<std::derived_from<Layer, Activation>, std::tuple<ConfigOf<Layer>>, std::tuple<>>;
  using List = decltype(std::tuple_cat(std::declval<One<Layers>>()...));
};
template <class>
struct VariantOf;
template <class... Each>
struct VariantOf<std::tuple<Each...>> {
  using Type = std::variant<Each...>;
};
template <class>
struct ConfigsOf;
template <class... Layers>
struct ConfigsOf<std::tuple<Layers...>> {
  using Type = std::variant<ConfigOf<Layers>...>;
};

}  // namespace detail

template <>
struct ConfigOf<Softmax> : detail::ConfigOfSoftmax<Softmax> {};
template <>
struct ConfigOf<LogSoftmax> : detail::ConfigOfSoftmax<LogSoftmax> {};

/// Dense's activation: "elu", or {"type": "elu", "alpha": 1}.
struct ActivationConfig {
  static constexpr std::string_view noun = "activation";
  static constexpr bool by_name = true;
  detail::VariantOf<detail::ActivationsIn<LayerList>::List>::Type value;

  AnyActivation build(BuildContext& context) const;
  /// Throws Error, naming `where`, for an activation that is none of nn's.
  static ActivationConfig of(Activation& activation, const std::string& where);
};

template <>
struct ConfigOf<Dense> {
  static constexpr std::string_view type_name = Dense::type_name;
  std::int64_t units = 0;
  bool bias = true;
  InitConfig init = {KaimingNormal()};
  InitConfig bias_init = {Zeros()};
  std::optional<ActivationConfig> activation = {};
  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    archive.required("units", self.units, "outputs of the layer", between(1, static_cast<double>(max_units)));
    archive.optional("bias", self.bias, "whether it adds a bias");
    archive.optional("init", self.init, "draws the weight");
    archive.optional("bias_init", self.bias_init, "draws the bias");
    archive.optional("activation", self.activation, "run on the result");
  }
  Dense build(BuildContext& context) const;
  static ConfigOf of(Dense& layer, const std::string& where);
};

template <>
struct ConfigOf<Dropout> {
  static constexpr std::string_view type_name = Dropout::type_name;
  double p = 0.5;
  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    archive.optional("p", self.p, "share of elements that become 0 in training", between(0, 1));
  }
  Dropout build(BuildContext& context) const { return Dropout(p, context.generator); }
  static ConfigOf of(Dropout& layer) { return {layer.p()}; }
};

template <>
struct ConfigOf<BatchNorm1d> {
  static constexpr std::string_view type_name = BatchNorm1d::type_name;
  double eps = 1e-5;
  double momentum = 0.1;
  bool cumulative = false;
  bool affine = true, track_running_stats = true, frozen_stats = false;
  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    archive.optional("eps", self.eps, "added to the variance", at_least(0));
    archive.optional("momentum", self.momentum, "weight of the batch in the running statistics",
                     between(0, 1));
    archive.optional("cumulative", self.cumulative,
                     "running statistics are the mean over all batches, without momentum");
    archive.optional("affine", self.affine, "with weight and bias");
    archive.optional("track_running_stats", self.track_running_stats,
                     "else evaluation uses the batch's statistics");
    archive.optional("frozen_stats", self.frozen_stats,
                     "training uses the running statistics too, and does not change them");
  }
  BatchNorm1d build(BuildContext& context) const;
  static ConfigOf of(BatchNorm1d& layer);
};

template <>
struct ConfigOf<LayerNorm> {
  static constexpr std::string_view type_name = LayerNorm::type_name;
  std::int64_t axes = 1;
  double eps = 1e-5;
  bool elementwise_affine = true;
  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    archive.optional("axes", self.axes, "how many of the last axes are normalised together", between(1, 7));
    archive.optional("eps", self.eps, "added to the variance", at_least(0));
    archive.optional("elementwise_affine", self.elementwise_affine, "with weight and bias");
  }
  LayerNorm build(BuildContext& context) const;
  static ConfigOf of(LayerNorm& layer);
};

template <>
struct ConfigOf<Flatten> : detail::ConfigOfPlain<Flatten> {
  Flatten build(BuildContext& context) const;
};

template <>
struct ConfigOf<Rescaling> {
  static constexpr std::string_view type_name = Rescaling::type_name;
  double scale = 1, offset = 0;
  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    archive.required("scale", self.scale, "factor of every element", finite());
    archive.optional("offset", self.offset, "added to the product", finite());
  }
  Rescaling build(BuildContext&) const { return Rescaling(scale, offset); }
  static ConfigOf of(Rescaling& layer) { return {layer.scale(), layer.offset()}; }
};

struct LayerConfig;

template <>
struct ConfigOf<Sequential> {
  static constexpr std::string_view type_name = Sequential::type_name;
  std::vector<LayerConfig> layers;  // Clang wants the whole type for an initialiser
  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    archive.required("layers", self.layers, "modules, one after the other", items(1, max_layers));
  }
  Sequential build(BuildContext& context) const;
  static ConfigOf of(Sequential& layer, const std::string& where);
};

/// A layer: {"type": "dense", "units": 10}.
struct LayerConfig {
  static constexpr std::string_view noun = "layer";
  static constexpr bool by_name = false;
  detail::ConfigsOf<LayerList>::Type value;
};

}  // namespace rill::nn::config
