#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "keras.hpp"
#include "values.hpp"

namespace {

using namespace rill;
using test::Json;
using test::keras_dense;
using test::keras_error;
using test::keras_layer;
using test::keras_model;
using test::rill_layers;

// What one layer becomes; an array where it becomes several or none.
Json rill_of(const Json& layer, const std::vector<std::int64_t>& shape = {4}) {
  const Json layers = rill_layers(Json::array({layer, keras_layer("ELU")}), shape);
  Json read(layers.begin(), layers.end() - 1);
  return read.size() == 1 ? read.front() : read;
}

Json activation(const char* name) { return rill_of(keras_layer("Activation", {{"activation", name}})); }

Json kernel_init(const Json& initializer) {
  return rill_of(keras_dense(2, {{"kernel_initializer", initializer}})).at("init");
}
Json init_object(const char* name, const Json& config) { return {{"class_name", name}, {"config", config}}; }

Json relu(double slope, double threshold) {
  return {{"type", "relu"}, {"negative_slope", slope}, {"threshold", threshold}};
}

constexpr double cut = 0.87962566103423978;

Json truncated(double std) {
  return {{"type", "truncated_normal"}, {"mean", 0.0}, {"std", std}, {"low", -2 * std}, {"high", 2 * std}};
}

}  // namespace

TEST_CASE("keras: a leaky relu has 0.3 as a layer and 0.2 by name") {
  CHECK(rill_of(keras_layer("LeakyReLU")) == Json{{"type", "leaky_relu"}, {"negative_slope", 0.3}});
  CHECK(activation("leaky_relu") == Json{{"type", "leaky_relu"}, {"negative_slope", 0.2}});
  CHECK(rill_of(keras_dense(2, {{"activation", "leaky_relu"}})).at("activation").at("negative_slope") == 0.2);
  CHECK(rill_of(keras_dense(2, {{"activation", keras_layer("LeakyReLU")}}))
            .at("activation")
            .at("negative_slope") == 0.3);
}

TEST_CASE("keras: a leaky relu's slope has three spellings") {
  const auto slope = [](const char* name, const Json& config) {
    return rill_of(keras_layer(name, config)).at("negative_slope");
  };
  CHECK(slope("LeakyReLU", {{"alpha", 0.1}}) == 0.1);
  CHECK(slope("LeakyReLU", {{"negative_slope", 0.1}}) == 0.1);
  CHECK(slope("LeakyReLu", {{"alpha", 0.1}}) == 0.1);
  CHECK(slope("LeakyReLU", {{"alpha", {{"type", "ndarray"}, {"value", 0.1}}}}) == 0.1);
  CHECK(slope("LeakyReLU", {{"alpha", {{"type", "ndarray"}, {"value", {0.1}}}}}) == 0.1);
}

TEST_CASE("keras: activation layers keep their options") {
  CHECK(rill_of(keras_layer("ELU")) == Json{{"type", "elu"}, {"alpha", 1.0}});
  CHECK(rill_of(keras_layer("ELU", {{"alpha", 0.7}})) == Json{{"type", "elu"}, {"alpha", 0.7}});
  CHECK(rill_of(keras_layer("ReLU", {{"max_value", nullptr}, {"negative_slope", 0.1}, {"threshold", 0.5}})) ==
        relu(0.1, 0.5));
  Json ceiling = relu(0, 0);
  ceiling["max_value"] = 6.0;
  CHECK(rill_of(keras_layer("ReLU", {{"max_value", 6}})) == ceiling);
  CHECK(rill_of(keras_layer("ThresholdedReLU")) == relu(0, 1));
  CHECK(rill_of(keras_layer("ThresholdedReLU", {{"theta", 0.9}})) == relu(0, 0.9));
  CHECK(rill_of(keras_layer("Softmax")) == Json{{"type", "softmax"}, {"axis", -1}});
  CHECK(rill_of(keras_layer("Softmax", {{"axis", {1}}})) == Json{{"type", "softmax"}, {"axis", 1}});
}

TEST_CASE("keras: every activation by name that rill has is read") {
  for (const char* name : {"elu", "selu", "celu", "gelu", "silu", "softplus", "tanh", "sigmoid", "softmax",
                           "log_softmax", "relu"})
    CHECK(activation(name).at("type") == name);
  CHECK(activation("swish").at("type") == "silu");
  CHECK(activation("relu6").at("max_value") == 6.0);
  CHECK(activation("gelu").at("approximate") == "none");
  CHECK(activation("gelu_new").at("approximate") == "tanh");
  CHECK(activation("linear") == Json::array());
}

TEST_CASE("keras: an activation may be an object") {
  const auto inner = [](const Json& value) {
    return rill_of(keras_dense(2, {{"activation", value}})).at("activation");
  };
  CHECK(inner(init_object("GELU", {{"approximate", true}})).at("approximate") == "tanh");
  CHECK(inner(init_object("Activation", {{"activation", "tanh"}})).at("type") == "tanh");
  CHECK(inner({{"class_name", "function"}, {"module", "keras.src.activations"}, {"config", "gelu"}})
            .at("type") == "gelu");
  CHECK(inner(init_object("ELU", {{"alpha", 0.5}, {"name", "e"}, {"dtype", "float32"}})).at("alpha") == 0.5);
}

TEST_CASE("keras: softmax on a dense is a layer of its own") {
  const Json layers = rill_of(keras_dense(2, {{"activation", "softmax"}}));
  REQUIRE(layers.size() == 2);
  CHECK_FALSE(layers[0].contains("activation"));
  CHECK(layers[1].at("type") == "softmax");
}

TEST_CASE("keras: names of initializers have Keras' distributions") {
  CHECK(kernel_init("glorot_uniform") == Json{{"type", "xavier_uniform"}, {"gain", 1.0}});
  CHECK(kernel_init(nullptr) == Json{{"type", "xavier_uniform"}, {"gain", 1.0}});
  CHECK(kernel_init("glorot_normal") == truncated(std::sqrt(1.0 / 3) / cut));  // 2 / (4 + 2)
  CHECK(kernel_init("he_normal") == truncated(std::sqrt(0.5) / cut));          // 2 / 4
  CHECK(kernel_init("lecun_normal") == truncated(0.5 / cut));
  CHECK(kernel_init("he_uniform") ==
        Json{{"type", "kaiming_uniform"}, {"gain", std::sqrt(2.0)}, {"mode", "fan_in"}});
  CHECK(kernel_init("lecun_uniform") == Json{{"type", "lecun_uniform"}});
  CHECK(kernel_init("orthogonal") == Json{{"type", "orthogonal"}, {"gain", 1.0}});
}

TEST_CASE("keras: variance scaling takes every mode and distribution") {
  const auto scaling = [](double scale, const char* mode, const char* distribution) {
    return kernel_init(init_object(
        "VarianceScaling", {{"scale", scale}, {"mode", mode}, {"distribution", distribution}, {"seed", 7}}));
  };
  CHECK(scaling(1, "fan_avg", "normal") == truncated(std::sqrt(1.0 / 3) / cut));
  CHECK(scaling(2, "fan_out", "truncated_normal") == truncated(1 / cut));
  CHECK(scaling(4, "fan_in", "untruncated_normal") ==
        Json{{"type", "kaiming_normal"}, {"gain", 2.0}, {"mode", "fan_in"}});
  CHECK(scaling(4, "fan_avg", "untruncated_normal") == Json{{"type", "xavier_normal"}, {"gain", 2.0}});
  CHECK(scaling(4, "fan_out", "uniform") ==
        Json{{"type", "kaiming_uniform"}, {"gain", 2.0}, {"mode", "fan_out"}});
  CHECK(scaling(4, "fan_avg", "uniform") == Json{{"type", "xavier_uniform"}, {"gain", 2.0}});
}

TEST_CASE("keras: plain initializers have Keras' defaults") {
  CHECK(kernel_init("zeros").at("type") == "zeros");
  CHECK(kernel_init("Ones").at("type") == "ones");
  CHECK(kernel_init(init_object("Constant", {{"value", 0.5}})) == Json{{"type", "constant"}, {"value", 0.5}});
  CHECK(kernel_init("random_normal") == Json{{"type", "normal"}, {"mean", 0.0}, {"std", 0.05}});
  CHECK(kernel_init("RandomUniform") == Json{{"type", "uniform"}, {"low", -0.05}, {"high", 0.05}});
  CHECK(kernel_init("truncated_normal") == truncated(0.05));
}

TEST_CASE("keras: a bias is drawn by its own length") {
  const Json init = rill_of(keras_dense(3, {{"bias_initializer", "he_uniform"}})).at("bias_init");
  CHECK(init == Json{{"type", "uniform"},
                     {"low", -std::sqrt(3.0) * std::sqrt(2.0 / 3)},
                     {"high", std::sqrt(3.0) * std::sqrt(2.0 / 3)}});
}

TEST_CASE("keras: he_normal is drawn with its deviation, and cut at two of the normal's") {
  nn::Model model = test::load_keras(
      keras_model(Json::array({keras_dense(100, {{"kernel_initializer", "he_normal"}})}), {200}));
  double sum = 0, largest = 0;
  const auto weight = model.parameters().front().data<float>();
  for (const float w : weight) {
    sum += static_cast<double>(w * w);
    largest = std::max(largest, std::abs(static_cast<double>(w)));
  }
  CHECK(std::sqrt(sum / static_cast<double>(weight.size())) == doctest::Approx(0.1).epsilon(0.02));
  CHECK(largest <= 0.2 / cut + 1e-6);
  CHECK(largest > 0.19 / cut);
}

TEST_CASE("keras: batch normalisation has Keras' defaults, and momentum weighs the batch") {
  CHECK(rill_of(keras_layer("BatchNormalization")) == Json{{"type", "batch_norm"},
                                                           {"eps", 0.001},
                                                           {"momentum", 0.01},
                                                           {"cumulative", false},
                                                           {"affine", true},
                                                           {"track_running_stats", true},
                                                           {"frozen_stats", false}});
  CHECK(rill_of(keras_layer("BatchNormalizationV1", {{"momentum", 0.9}, {"epsilon", 0.5}, {"axis", {1}}}))
            .at("momentum") == 0.1);
  CHECK(rill_of(keras_layer("BatchNormalization", {{"center", false}, {"scale", false}})).at("affine") ==
        false);
}

TEST_CASE("keras: gamma or beta that Keras does not have keeps its value") {
  nn::Model model =
      test::load_keras(keras_model(Json::array({keras_layer("BatchNormalization", {{"center", false}})})));
  auto& norm = dynamic_cast<nn::BatchNorm1d&>(model.network[0]);
  CHECK(norm.weight.requires_grad());
  CHECK_FALSE(norm.bias.requires_grad());
  nn::Model other =
      test::load_keras(keras_model(Json::array({keras_layer("LayerNormalization", {{"scale", false}})})));
  CHECK_FALSE(dynamic_cast<nn::LayerNorm&>(other.network[0]).weight.requires_grad());
  CHECK(dynamic_cast<nn::LayerNorm&>(other.network[0]).bias.requires_grad());
}

TEST_CASE("keras: layer normalisation takes the last axes") {
  CHECK(rill_of(keras_layer("LayerNormalization"), {3, 4}) ==
        Json{{"type", "layer_norm"}, {"axes", 1}, {"eps", 0.001}, {"elementwise_affine", true}});
  CHECK(rill_of(keras_layer("LayerNormalization", {{"axis", {1, 2}}}), {3, 4}).at("axes") == 2);
  CHECK(rill_of(keras_layer("LayerNormalization", {{"axis", {-1, -2}}}), {3, 4}).at("axes") == 2);
}

TEST_CASE("keras: a rescaling keeps its numbers") {
  CHECK(rill_of(keras_layer("Rescaling", {{"scale", 0.25}, {"offset", -1}})) ==
        Json{{"type", "rescaling"}, {"scale", 0.25}, {"offset", -1.0}});
  CHECK(rill_of(keras_layer("Rescaling", {{"scale", 1.0 / 255}})).at("offset") == 0.0);
}

TEST_CASE("keras: a prelu has one slope a feature from 0, or one for all") {
  CHECK(rill_of(keras_layer("PReLU")) ==
        Json{{"type", "prelu"}, {"num_parameters", 4}, {"initial_slope", 0.0}});
  CHECK(rill_of(keras_layer("PReLU", {{"shared_axes", {1}}})).at("num_parameters") == 1);
  CHECK(rill_of(keras_layer("PReLU", {{"shared_axes", 2}}), {3, 5}).at("num_parameters") == 3);
  CHECK(rill_of(keras_layer("PReLU", {{"shared_axes", {1, 2}}}), {3, 5}).at("num_parameters") == 1);
  CHECK(rill_of(keras_layer("PReLU", {{"alpha_initializer", init_object("Constant", {{"value", 0.25}})}}))
            .at("initial_slope") == 0.25);
}

TEST_CASE("keras: a reshape that flattens or changes nothing is read") {
  CHECK(rill_of(keras_layer("Reshape", {{"target_shape", {6}}}), {2, 3}).at("type") == "flatten");
  CHECK(rill_of(keras_layer("Reshape", {{"target_shape", {-1}}}), {2, 3}).at("type") == "flatten");
  CHECK(rill_of(keras_layer("Reshape", {{"target_shape", {2, -1}}}), {2, 3}) == Json::array());
}

TEST_CASE("keras: a dense works on the last axis of what it gets") {
  nn::Model model = test::load_keras(
      keras_model(Json::array({keras_dense(5), keras_layer("Flatten"), keras_dense(2)}), {2, 3}));
  CHECK(model.predict(zeros({1, 2, 3})).shape() == Shape{1, 2});
  CHECK(model.parameter_count() == 3 * 5 + 5 + 10 * 2 + 2);
}

TEST_CASE("keras: a model in a model is a network in the network") {
  Json inner = keras_model(Json::array({keras_dense(3)}));
  inner["config"]["layers"][0]["config"]["batch_input_shape"] = {nullptr, 5};
  nn::Model model = test::load_keras(keras_model(Json::array({keras_dense(5), inner, keras_dense(2)})));
  CHECK(model.named_parameters()[2].name == "1.0.weight");
  CHECK(model.predict(zeros({1, 4})).shape() == Shape{1, 2});
}

TEST_CASE("keras: the input shape may stand on a first layer of any kind") {
  const auto shape = [](const char* key, const Json& sizes) {
    const Json layers = Json::array({keras_layer("LeakyReLU", {{key, sizes}})});
    return test::load_keras({{"class_name", "Sequential"}, {"config", layers}}).input_shape;
  };
  CHECK(shape("batch_input_shape", {nullptr, 2, 3}) == Shape{2, 3});
  CHECK(shape("batch_shape", {32, 2, 3}) == Shape{2, 3});
  CHECK(shape("input_shape", {2, 3}) == Shape{2, 3});
  Json model{{"class_name", "Sequential"},
             {"config",
              {{"layers", {keras_layer("ELU")}},
               {"build_input_shape", {{"class_name", "TensorShape"}, {"items", {nullptr, 7}}}}}}};
  CHECK(test::load_keras(model).input_shape == Shape{7});
  model["config"].erase("build_input_shape");
  model["build_config"] = {{"input_shape", {nullptr, 8}}};
  CHECK(test::load_keras(model).input_shape == Shape{8});
}

TEST_CASE("keras: layers that are not trainable ask for no gradient") {
  const Json frozen = keras_dense(3, {{"trainable", false}, {"name", "f"}});
  nn::Model model = test::load_keras(keras_model(Json::array({frozen, keras_dense(2)})));
  std::vector<bool> asks;
  for (const Tensor& value : model.parameters()) asks.push_back(value.requires_grad());
  CHECK(asks == std::vector<bool>{false, false, true, true});
  Json all = keras_model(Json::array({keras_dense(2)}));
  all["config"]["trainable"] = false;
  CHECK_FALSE(test::load_keras(all).parameters().front().requires_grad());
}

TEST_CASE("keras: a batch normalisation that is not trainable uses the running statistics in training too") {
  nn::Model model = test::load_keras(
      keras_model(Json::array({keras_layer("BatchNormalization", {{"trainable", false}, {"epsilon", 0}})})));
  auto& norm = dynamic_cast<nn::BatchNorm1d&>(model.network[0]);
  CHECK_FALSE(norm.weight.requires_grad());
  CHECK_FALSE(norm.bias.requires_grad());
  std::ranges::fill(norm.running_mean.mutable_data<float>(), 1.0F);
  std::ranges::fill(norm.running_var.mutable_data<float>(), 4.0F);
  model.train();
  CHECK(test::values_of(model(test::f32({1, 3, 5, 7, 9, 11, 13, 15}, {2, 4}))) ==
        std::vector<double>{0, 1, 2, 3, 4, 5, 6, 7});
  CHECK(test::values_of(norm.running_mean) == std::vector<double>(4, 1));
  CHECK(test::layers_of(model)[0].at("frozen_stats") == true);
}

TEST_CASE("keras: dtype policies give the dtype of the weights") {
  const auto dtype = [](const Json& policy) {
    nn::Model model = test::load_keras(keras_model(Json::array({keras_dense(2, {{"dtype", policy}})})));
    return model.parameters().front().dtype();
  };
  CHECK(dtype("float32") == DType::f32);
  CHECK(dtype("float64") == DType::f64);
  CHECK(dtype("mixed_float16") == DType::f32);
  CHECK(dtype(init_object("Policy", {{"name", "float64"}})) == DType::f64);
  CHECK(dtype(init_object("DTypePolicy", {{"name", "mixed_bfloat16"}})) == DType::f32);
}

TEST_CASE("keras: regularizers and constraints are dropped by leave") {
  const Json layer = keras_dense(2, {{"kernel_regularizer", init_object("L2", {{"l2", 0.1}})},
                                     {"kernel_constraint", init_object("MaxNorm", {{"max_value", 2}})}});
  const nn::Model model = test::load_keras(keras_model(Json::array({layer})), {.drop_regularizers = true});
  CHECK(model.network.size() == 1);
  CHECK(keras_error(keras_model(Json::array({keras_dense(
            2, {{"kernel_regularizer", init_object("L1L2", {{"l1", 0.0}, {"l2", 0.0}})}})}))) == "accepted");
}
