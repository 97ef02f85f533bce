// One function a layer of nn::LayerList, and the walk that picks it: a layer without one does not compile.
//
// ONNX's attributes are f32 and its LayerNormalization measures in f32. So in f64, numbers are initializers instead, and
// norms are written out.
#include <cmath>
#include <numbers>

#include <rill/core/error.hpp>
#include <rill/core/ops/selu.hpp>
#include <rill/nn/layers.hpp>
#include <rill/nn/onnx/graph.hpp>

namespace rill::nn::onnx_export {
namespace {

// "save_onnx: module "1" (dense): x is [n, 7]", before what is expected.
std::string x_is(const Graph& graph, const Module& layer) {
  return rill::detail::concat("save_onnx: ", graph.place_text(), " (", layer.type(), "): x is ",
                              graph.shape_text());
}

// x where x > 0, else slope · x; slope 0 is relu in rill, also at -inf.
void add_leaky_relu(Graph& graph, double slope) {
  if (slope == 0) {
    graph.add("Relu", {graph.value()});
  } else if (graph.dtype() == DType::f32) {
    graph.add("LeakyRelu", {graph.value()}, {{"alpha", slope}});
  } else {
    graph.add("PRelu", {graph.value(), graph.scalar(slope)});
  }
}

// x where x > 0, else alpha · (exp(x) - 1).
void add_elu(Graph& graph, double alpha) {
  if (graph.dtype() == DType::f32) {
    graph.add("Elu", {graph.value()}, {{"alpha", alpha}});
    return;
  }
  graph.add("Elu", {graph.value()}, {{"alpha", 1.0}});
  if (alpha != 1) graph.add("PRelu", {graph.value(), graph.scalar(alpha)});
}

// (x - mean) / √(var + eps), both over `axes`.
void add_normalized(Graph& graph, const std::vector<std::int64_t>& axes, double eps) {
  const std::vector<Attribute> over{{"axes", axes}, {"keepdims", std::int64_t{1}}};
  const std::string x = graph.value();
  const std::string mean = graph.add("ReduceMean", {x}, over);
  const std::string centered = graph.add("Sub", {x, mean});
  graph.add("Mul", {centered, centered});
  graph.add("ReduceMean", {graph.value()}, over);
  graph.add("Add", {graph.value(), graph.scalar(eps)});
  graph.add("Sqrt", {graph.value()});
  graph.add("Div", {centered, graph.value()});
}

// Of the layer's own parameters, as what broadcasts against x.
void add_weight_and_bias(Graph& graph, const Tensor& weight, const Tensor& bias, const Shape& shape) {
  if (weight.defined()) graph.add("Mul", {graph.value(), graph.tensor("weight", weight, shape)});
  if (bias.defined()) graph.add("Add", {graph.value(), graph.tensor("bias", bias, shape)});
}

// [channels, 1, ...]: one number a channel of x [n, channels, ...].
Shape channel_shape(const Graph& graph, std::int64_t channels) {
  std::vector<std::int64_t> sizes(static_cast<std::size_t>(graph.sample().rank()), 1);
  sizes[0] = channels;
  return Shape(sizes);
}

void write(Graph& graph, Dense& layer) {
  const Shape& sample = graph.sample();
  const std::int64_t out = layer.weight.shape()[0], in = layer.weight.shape()[1];
  RILL_CHECK(sample.rank() >= 1 && sample.at(-1) == in, x_is(graph, layer), ", expected [n, ..., ", in, "]");
  if (sample.rank() == 1) {
    std::vector<std::string> inputs{graph.value(), graph.tensor("weight", layer.weight)};
    if (layer.bias.defined()) inputs.push_back(graph.tensor("bias", layer.bias));
    graph.add("Gemm", inputs, {{"transB", std::int64_t{1}}});
  } else {
    graph.add("MatMul", {graph.value(), graph.transposed("weight", layer.weight)});
    if (layer.bias.defined()) graph.add("Add", {graph.value(), graph.tensor("bias", layer.bias)});
  }
  std::vector<std::int64_t> sizes(sample.begin(), sample.end());
  sizes.back() = out;
  graph.set_sample(Shape(sizes));
  if (!layer.activation) return;
  const Place place(graph, "activation");
  append(graph, layer.activation);
}

// As the op: x ≤ threshold asks for the side, so that NaN goes through.
void write(Graph& graph, ReLU& layer) {
  const ReLUOptions& options = layer.options();
  const std::string x = graph.value();
  if (options.threshold == 0) {
    add_leaky_relu(graph, options.negative_slope);
  } else {
    std::string below = graph.scalar(0);
    if (options.negative_slope != 0) {
      graph.add("Sub", {x, graph.scalar(options.threshold)});
      below = graph.add("Mul", {graph.value(), graph.scalar(options.negative_slope)});
    }
    const std::string is_below = graph.add("LessOrEqual", {x, graph.scalar(options.threshold)});
    graph.add("Where", {is_below, below, x});
  }
  if (options.max_value > largest_finite(graph.dtype())) return;
  const std::string y = graph.value(), ceiling = graph.scalar(options.max_value);
  const std::string is_above = graph.add("Greater", {y, ceiling});
  graph.add("Where", {is_above, ceiling, y});
}

void write(Graph& graph, LeakyReLU& layer) { add_leaky_relu(graph, layer.negative_slope()); }

void write(Graph& graph, ELU& layer) { add_elu(graph, layer.alpha()); }

void write(Graph& graph, PReLU& layer) {
  const std::int64_t slopes = layer.weight.numel();
  const Shape& sample = graph.sample();
  RILL_CHECK(slopes == 1 || (sample.rank() >= 1 && sample[0] == slopes), x_is(graph, layer),
             ", expected [n, ", slopes, ", ...]");
  const Shape shape = slopes == 1 ? Shape{1} : channel_shape(graph, slopes);
  graph.add("PRelu", {graph.value(), graph.tensor("weight", layer.weight, shape)});
}

// Gelu is an op from opset 20 on.
void write(Graph& graph, GELU& layer) {
  const std::string x = graph.value();
  if (layer.approximate() == GeluApproximation::none) {
    graph.add("Div", {x, graph.scalar(std::numbers::sqrt2)});
    graph.add("Erf", {graph.value()});
  } else {
    graph.add("Mul", {x, x});
    graph.add("Mul", {graph.value(), x});
    graph.add("Mul", {graph.value(), graph.scalar(0.044715)});
    graph.add("Add", {x, graph.value()});
    graph.add("Mul", {graph.value(), graph.scalar(std::numbers::sqrt2 * std::numbers::inv_sqrtpi)});
    graph.add("Tanh", {graph.value()});
  }
  graph.add("Add", {graph.value(), graph.scalar(1)});
  graph.add("Mul", {x, graph.value()});
  graph.add("Mul", {graph.value(), graph.scalar(0.5)});
}

void write(Graph& graph, SELU&) {
  if (graph.dtype() == DType::f32) {
    graph.add("Selu", {graph.value()});
    return;
  }
  add_elu(graph, ops::Selu::alpha);
  graph.add("Mul", {graph.value(), graph.scalar(ops::Selu::scale)});
}

// ONNX's Celu is f32 only.
void write(Graph& graph, CELU& layer) {
  if (graph.dtype() == DType::f32) {
    graph.add("Celu", {graph.value()}, {{"alpha", layer.alpha()}});
    return;
  }
  graph.add("Div", {graph.value(), graph.scalar(layer.alpha())});
  add_elu(graph, 1);
  graph.add("Mul", {graph.value(), graph.scalar(layer.alpha())});
}

void write(Graph& graph, SiLU&) {
  const std::string x = graph.value();
  graph.add("Sigmoid", {x});
  graph.add("Mul", {x, graph.value()});
}

void write(Graph& graph, Softplus& layer) {
  const bool scaled = layer.beta() != 1;
  if (scaled) graph.add("Mul", {graph.value(), graph.scalar(layer.beta())});
  graph.add("Softplus", {graph.value()});
  if (scaled) graph.add("Div", {graph.value(), graph.scalar(layer.beta())});
}

void write(Graph& graph, Tanh&) { graph.add("Tanh", {graph.value()}); }

void write(Graph& graph, Sigmoid&) { graph.add("Sigmoid", {graph.value()}); }

template <class Layer>
void add_softmax(Graph& graph, const Layer& layer, const char* op) {
  const int rank = graph.sample().rank() + 1, axis = layer.axis();
  RILL_CHECK(axis >= -rank && axis < rank, x_is(graph, layer), ", expected one with axis ", axis);
  graph.add(op, {graph.value()}, {{"axis", std::int64_t{axis < 0 ? axis + rank : axis}}});
}

void write(Graph& graph, Softmax& layer) { add_softmax(graph, layer, "Softmax"); }

void write(Graph& graph, LogSoftmax& layer) { add_softmax(graph, layer, "LogSoftmax"); }

void write(Graph&, Dropout&) {}

void write(Graph& graph, BatchNorm1d& layer) {
  const std::int64_t channels = layer.num_features();
  const Shape& sample = graph.sample();
  RILL_CHECK((sample.rank() == 1 || sample.rank() == 2) && sample[0] == channels, x_is(graph, layer),
             ", expected [n, ", channels, "] or [n, ", channels, ", length]");
  const Shape shape = channel_shape(graph, channels);
  if (!layer.running_mean.defined()) {
    add_normalized(graph, sample.rank() == 1 ? std::vector<std::int64_t>{0} : std::vector<std::int64_t>{0, 2},
                   layer.eps());
    add_weight_and_bias(graph, layer.weight, layer.bias, shape);
    return;
  }
  const std::vector<double> one(static_cast<std::size_t>(channels), 1), zero(one.size(), 0);
  if (graph.dtype() == DType::f32) {
    const Tensor &weight = layer.weight, &bias = layer.bias;
    const std::string scale =
        weight.defined() ? graph.tensor("weight", weight) : graph.numbers("weight", {channels}, one);
    const std::string shift =
        bias.defined() ? graph.tensor("bias", bias) : graph.numbers("bias", {channels}, zero);
    graph.add("BatchNormalization",
              {graph.value(), scale, shift, graph.tensor("running_mean", layer.running_mean),
               graph.tensor("running_var", layer.running_var)},
              {{"epsilon", layer.eps()}});
    return;
  }
  graph.add("Sub", {graph.value(), graph.tensor("running_mean", layer.running_mean, shape)});
  const std::string centered = graph.value();
  graph.add("Add", {graph.tensor("running_var", layer.running_var, shape), graph.scalar(layer.eps())});
  graph.add("Sqrt", {graph.value()});
  graph.add("Div", {centered, graph.value()});
  add_weight_and_bias(graph, layer.weight, layer.bias, shape);
}

void write(Graph& graph, LayerNorm& layer) {
  const Shape &sample = graph.sample(), &normalized = layer.normalized_shape();
  const int rank = sample.rank(), axes = normalized.rank();
  const bool fits = axes <= rank && Shape(sample.sizes().last(static_cast<std::size_t>(axes))) == normalized;
  RILL_CHECK(fits, x_is(graph, layer), ", expected its last axes to be ", normalized);
  if (graph.dtype() == DType::f64) {
    std::vector<std::int64_t> last;
    for (int axis = rank + 1 - axes; axis <= rank; ++axis) last.push_back(axis);
    add_normalized(graph, last, layer.eps());
    add_weight_and_bias(graph, layer.weight, layer.bias, normalized);
    return;
  }
  const std::vector<double> one(static_cast<std::size_t>(normalized.numel()), 1);
  std::vector<std::string> inputs{graph.value(), layer.weight.defined()
                                                     ? graph.tensor("weight", layer.weight)
                                                     : graph.numbers("weight", normalized, one)};
  if (layer.bias.defined()) inputs.push_back(graph.tensor("bias", layer.bias));
  graph.add("LayerNormalization", inputs,
            {{"axis", std::int64_t{rank + 1 - axes}}, {"epsilon", layer.eps()}});
}

void write(Graph& graph, Flatten&) {
  if (graph.sample().rank() == 1) return;
  graph.add("Flatten", {graph.value()}, {{"axis", std::int64_t{1}}});
  graph.set_sample({graph.sample().numel()});
}

void write(Graph& graph, Rescaling& layer) {
  graph.add("Mul", {graph.value(), graph.scalar(layer.scale())});
  graph.add("Add", {graph.value(), graph.scalar(layer.offset())});
}

void write(Graph& graph, Sequential& layer) {
  for (std::size_t i = 0; i < layer.size(); ++i) {
    const Place place(graph, std::to_string(i));
    append(graph, layer[i]);
  }
}

// Whether the module is a Layer; then it is written.
template <class Layer>
bool write_if(Graph& graph, Module& module) {
  auto* layer = dynamic_cast<Layer*>(&module);
  if (layer) write(graph, *layer);
  return layer;
}

template <class... Layers>
bool write_one_of(Graph& graph, Module& module, const std::tuple<Layers...>*) {
  return (write_if<Layers>(graph, module) || ...);
}

}  // namespace

void append(Graph& graph, Module& module) {
  auto* held = dynamic_cast<AnyActivation*>(&module);
  Module& layer = held && *held ? *held->get() : module;
  RILL_CHECK(write_one_of(graph, layer, static_cast<const LayerList*>(nullptr)),
             "save_onnx: ", graph.place_text(), " is a \"", layer.type(), "\", expected one of nn's layers");
}

}  // namespace rill::nn::onnx_export
