// The networks that the tests of ONNX files write: of each layer of nn::LayerList some, and whole ones. A layer without
// an overload of add_networks does not compile.
#pragma once

#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <rill/nn/onnx/export.hpp>
#include <rill/rill.hpp>

namespace rill::test {

struct OnnxNetwork {
  std::string name;
  std::unique_ptr<nn::Module> network;
  Shape sample;
  nn::data::Transforms preprocessing = {};
};

class OnnxNetworks {
 public:
  template <class Layer>
  void add(const std::string& name, Layer layer, const Shape& sample,
           const nn::data::Transforms& preprocessing = {}) {
    found.push_back({name, std::make_unique<Layer>(std::move(layer)), sample, preprocessing});
  }
  std::vector<OnnxNetwork> found;
  Generator generator{1};
};

inline void add_networks(OnnxNetworks& to, nn::Dense*) {
  Generator& g = to.generator;
  to.add("dense", nn::Dense(3, 4, g), {3});
  to.add("dense_no_bias", nn::Dense(3, 4, g, {.bias = false}), {3});
  to.add("dense_3d", nn::Dense(3, 4, g), {2, 3});
  to.add("dense_4d_no_bias", nn::Dense(3, 4, g, {.bias = false}), {2, 2, 3});
  to.add("dense_elu", nn::Dense(3, 4, g, {.activation = nn::ELU(0.7)}), {3});
  to.add("dense_prelu", nn::Dense(3, 4, g, {.activation = nn::PReLU()}), {2, 3});
}
inline void add_networks(OnnxNetworks& to, nn::ReLU*) {
  to.add("relu", nn::ReLU(), {4});
  to.add("relu6", nn::ReLU({.max_value = 6}), {4});
  to.add("relu_slope", nn::ReLU({.negative_slope = 0.2}), {4});
  to.add("relu_slope_ceiling", nn::ReLU({.negative_slope = 0.1, .max_value = 1.5}), {4});
  to.add("relu_threshold", nn::ReLU({.threshold = 0.5}), {4});
  to.add("relu_all", nn::ReLU({.negative_slope = 0.1, .max_value = 1.5, .threshold = 0.5}), {4});
}
inline void add_networks(OnnxNetworks& to, nn::LeakyReLU*) {
  to.add("leaky_relu", nn::LeakyReLU(), {4});
  to.add("leaky_relu_0", nn::LeakyReLU(0), {4});
  to.add("leaky_relu_steep", nn::LeakyReLU(1.5), {4});
}
inline void add_networks(OnnxNetworks& to, nn::ELU*) {
  to.add("elu", nn::ELU(), {4});
  to.add("elu_0", nn::ELU(0), {4});
  to.add("elu_07", nn::ELU(0.7), {2, 4});
}
inline void add_networks(OnnxNetworks& to, nn::PReLU*) {
  to.add("prelu", nn::PReLU(), {4});
  to.add("prelu_channels", nn::PReLU(4), {4});
  to.add("prelu_channels_3d", nn::PReLU(4), {4, 3});
}
inline void add_networks(OnnxNetworks& to, nn::GELU*) {
  to.add("gelu", nn::GELU(), {4});
  to.add("gelu_tanh", nn::GELU(GeluApproximation::tanh), {4});
}
inline void add_networks(OnnxNetworks& to, nn::SELU*) { to.add("selu", nn::SELU(), {4}); }
inline void add_networks(OnnxNetworks& to, nn::CELU*) {
  to.add("celu", nn::CELU(), {4});
  to.add("celu_07", nn::CELU(0.7), {4});
}
inline void add_networks(OnnxNetworks& to, nn::SiLU*) { to.add("silu", nn::SiLU(), {4}); }
inline void add_networks(OnnxNetworks& to, nn::Softplus*) {
  to.add("softplus", nn::Softplus(), {4});
  to.add("softplus_07", nn::Softplus(0.7), {4});
}
inline void add_networks(OnnxNetworks& to, nn::Tanh*) { to.add("tanh", nn::Tanh(), {4}); }
inline void add_networks(OnnxNetworks& to, nn::Sigmoid*) { to.add("sigmoid", nn::Sigmoid(), {4}); }
inline void add_networks(OnnxNetworks& to, nn::Softmax*) {
  to.add("softmax", nn::Softmax(), {2, 4});
  to.add("softmax_axis_1", nn::Softmax(1), {2, 4});
}
inline void add_networks(OnnxNetworks& to, nn::LogSoftmax*) {
  to.add("log_softmax", nn::LogSoftmax(), {4});
  to.add("log_softmax_axis_0", nn::LogSoftmax(0), {4});
}
inline void add_networks(OnnxNetworks& to, nn::Dropout*) {
  to.add("dropout", nn::Dropout(0.5, to.generator), {4});
}
inline void add_networks(OnnxNetworks& to, nn::BatchNorm1d*) {
  to.add("batch_norm", nn::BatchNorm1d(4), {4});
  to.add("batch_norm_3d", nn::BatchNorm1d(4, {.eps = 1e-3}), {4, 3});
  to.add("batch_norm_no_affine", nn::BatchNorm1d(4, {.affine = false}), {4});
  to.add("batch_norm_of_batch", nn::BatchNorm1d(4, {.track_running_stats = false}), {4});
  to.add("batch_norm_of_batch_3d", nn::BatchNorm1d(4, {.affine = false, .track_running_stats = false}),
         {4, 3});
}
inline void add_networks(OnnxNetworks& to, nn::LayerNorm*) {
  to.add("layer_norm", nn::LayerNorm(4), {4});
  to.add("layer_norm_2_axes", nn::LayerNorm(Shape{3, 4}, {.eps = 0.1}), {2, 3, 4});
  to.add("layer_norm_no_affine", nn::LayerNorm(4, {.elementwise_affine = false}), {3, 4});
}
inline void add_networks(OnnxNetworks& to, nn::Flatten*) {
  to.add("flatten", nn::Flatten(), {2, 3});
  to.add("flatten_1d", nn::Flatten(), {});
}
inline void add_networks(OnnxNetworks& to, nn::Rescaling*) {
  to.add("rescaling", nn::Rescaling(-2.5, 0.3), {2, 3});
}
inline void add_networks(OnnxNetworks& to, nn::Sequential*) {
  Generator& g = to.generator;
  to.add("nothing", nn::Sequential(), {4});
  to.add("nested",
         nn::Sequential{nn::Flatten(), nn::Sequential{nn::Dense(6, 5, g), nn::BatchNorm1d(5), nn::SiLU()},
                        nn::Sequential(), nn::Dense(5, 2, g)},
         {2, 3});
  to.add("mlp",
         nn::Sequential{nn::Flatten(), nn::Dense(784, 128, g), nn::LeakyReLU(), nn::Dropout(0.2, g),
                        nn::Dense(128, 64, g), nn::LeakyReLU(), nn::Dense(64, 10, g), nn::LogSoftmax()},
         {28, 28},
         {std::make_shared<nn::data::Scale>(1 / 2.0),
          std::make_shared<nn::data::Standardize>(full({1}, 0.1307, DType::f64),
                                                  full({1}, 0.3081, DType::f64))});
  to.add("features",
         nn::Sequential{nn::LayerNorm(3), nn::Dense(3, 8, g, {.activation = nn::GELU()}), nn::PReLU(8),
                        nn::Dense(8, 1, g), nn::Softplus(2)},
         {3},
         {std::make_shared<nn::data::Standardize>(tensor({0.5, -1.25, 3}, DType::f64),
                                                  tensor({1, 2, 0.1}, DType::f64))});
}

namespace detail {
template <class... Layers>
void add_all(OnnxNetworks& to, std::tuple<Layers...>*) {
  (add_networks(to, static_cast<Layers*>(nullptr)), ...);
}
}  // namespace detail

/// All of them, with parameters and running statistics that are not the initial ones. In f64 those without parameters
/// get a PReLU in front, which makes them f64.
inline std::vector<OnnxNetwork> onnx_networks(DType dtype) {
  OnnxNetworks networks;
  detail::add_all(networks, static_cast<nn::LayerList*>(nullptr));
  const NoGrad no_grad;
  for (OnnxNetwork& each : networks.found) {
    if (dtype == DType::f64 && each.network->named_state().empty()) {
      auto wrapped = std::make_unique<nn::Sequential>();
      wrapped->add(nn::PReLU()).add(std::move(each.network));
      each.network = std::move(wrapped);
    }
    std::vector<std::int64_t> sizes{8};
    sizes.insert(sizes.end(), each.sample.begin(), each.sample.end());
    for (Tensor& value : each.network->parameters()) {
      const Tensor noise = randn_like(value, networks.generator);
      for (std::size_t i = 0; float& number : value.mutable_data<float>())
        number += 0.2F * noise.data<float>()[i++];
    }
    for (int step = 0; step < 3; ++step)
      (*each.network)(randn(Shape(sizes), networks.generator) * 2.0 + full({}, 0.5));
    each.network->to(dtype);
    each.network->eval();
  }
  return std::move(networks.found);
}

/// A batch for a network of onnx_networks().
inline Tensor onnx_batch(const OnnxNetwork& network, std::int64_t samples, DType dtype) {
  std::vector<std::int64_t> sizes{samples};
  sizes.insert(sizes.end(), network.sample.begin(), network.sample.end());
  Generator generator(2);
  return (randn(Shape(sizes), generator) * 2.0).to(dtype);
}

}  // namespace rill::test
