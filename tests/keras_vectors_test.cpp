// Vectors of keras-js, which Keras 2 computed, to 6 decimals.
#include <doctest/doctest.h>

#include <cstdlib>

#include "keras.hpp"
#include "skip.hpp"

namespace {

using namespace rill;
using test::Json;
using test::keras_layer;
using Sizes = std::vector<std::int64_t>;

struct Vector {
  const char* name;
  Json layers;
  Sizes sample;                           // the shape that the layer gets
  std::vector<std::string> weights = {};  // their names, in the order of the file
};

// The largest error of the model with the vector's weights, on its input; infinite where it cannot be read.
double error_of(const Vector& vector, const Json& file) {
  const Json& stored = file.at(vector.name);
  std::vector<test::KerasWeight> weights;
  for (std::size_t i = 0; i < vector.weights.size(); ++i) {
    const Json& weight = stored.at("weights").at(i);
    weights.push_back({vector.weights[i], weight.at("shape"), weight.at("data")});
  }
  nn::Model model = test::TfjsModel(test::keras_model(vector.layers, vector.sample), weights).load();
  const std::vector<float> input = stored.at("input").at("data");
  std::vector<std::int64_t> shape{static_cast<std::int64_t>(input.size()) / Shape(vector.sample).numel()};
  shape.insert(shape.end(), vector.sample.begin(), vector.sample.end());
  const Tensor got = model.predict(test::f32(input, Shape(shape)));
  const std::vector<double> expected = stored.at("expected").at("data");
  double worst = got.numel() == static_cast<std::int64_t>(expected.size()) ? 0 : 1;
  for (std::size_t i = 0; i < expected.size() && worst < 1; ++i)
    worst = std::max(worst, std::abs(static_cast<double>(got.data<float>()[i]) - expected[i]));
  return worst;
}

void check(const char* file, const std::vector<Vector>& list) {
  const char* folder = std::getenv("RILL_KERAS_DATA");
  if (!folder) return test::skip("RILL_KERAS_DATA is not set");
  std::ifstream in(std::string(folder) + "/keras-js/" + file + "_golden.json");
  const Json stored = Json::parse(in);
  for (const Vector& vector : list) {
    CAPTURE(vector.name);
    CHECK(error_of(vector, stored) < 4e-6);  // of 6 decimals, in inputs and weights too
  }
}

Json activation(const char* name) { return Json::array({keras_layer("Activation", {{"activation", name}})}); }

Vector norm(const char* name, const Sizes& sample, Json config, const std::vector<std::string>& names) {
  config["name"] = "b";
  std::vector<std::string> weights;
  for (const std::string& each : names) weights.push_back("b/" + each);
  return {name, Json::array({keras_layer("BatchNormalization", config)}), sample, weights};
}

Vector dense(const char* name, Json config, bool bias) {
  config["name"] = "d";
  config["use_bias"] = bias;
  std::vector<std::string> weights{"d/kernel"};
  if (bias) weights.push_back("d/bias");
  return {name, Json::array({test::keras_dense(2, config)}), {6}, weights};
}

}  // namespace

TEST_CASE("keras: activations as layers give Keras' vectors") {
  const auto one = [](const char* name, const Json& config) {
    return Json::array({keras_layer(name, config)});
  };
  check("advanced_activations",
        {{"advanced_activations.LeakyReLU.0", one("LeakyReLU", {{"alpha", 0.4}}), {6}},
         {"advanced_activations.ELU.0", one("ELU", {{"alpha", 1.1}}), {6}},
         {"advanced_activations.ThresholdedReLU.0", one("ThresholdedReLU", {{"theta", 0.9}}), {6}},
         {"advanced_activations.PReLU.0", one("PReLU", {{"name", "p"}}), {6}, {"p/alpha"}}});
}

TEST_CASE("keras: activations by name give Keras' vectors") {
  check("activations", {{"activations.softmax.1", activation("softmax"), {6}},
                        {"activations.softmax.2", activation("softmax"), {6}},
                        {"activations.elu.2", activation("elu"), {2, 3}},
                        {"activations.selu.2", activation("selu"), {2, 3}},
                        {"activations.softplus.2", activation("softplus"), {2, 3}},
                        {"activations.relu.2", activation("relu"), {2, 3}},
                        {"activations.tanh.2", activation("tanh"), {2, 3}},
                        {"activations.sigmoid.2", activation("sigmoid"), {2, 3}}});
}

TEST_CASE("keras: batch normalisation with and without gamma and beta gives Keras' vectors") {
  const std::vector<std::string> all = {"gamma", "beta", "moving_mean", "moving_variance"};
  const Json eps{{"epsilon", 1e-5}};
  check("BatchNormalization",
        {norm("normalization.BatchNormalization.0", {3}, eps, all),
         norm("normalization.BatchNormalization.1", {3}, {{"epsilon", 0.01}}, all),
         norm("normalization.BatchNormalization.2", {4, 6}, {{"epsilon", 1e-5}, {"axis", 1}}, all),
         norm("normalization.BatchNormalization.3", {3, 2}, {{"epsilon", 1e-5}, {"axis", {1}}}, all),
         norm("normalization.BatchNormalization.4", {2}, {{"epsilon", 1e-5}, {"scale", false}},
              {"beta", "moving_mean", "moving_variance"}),
         norm("normalization.BatchNormalization.5", {2}, {{"epsilon", 1e-5}, {"center", false}},
              {"gamma", "moving_mean", "moving_variance"}),
         norm("normalization.BatchNormalization.6", {2}, {{"center", false}, {"scale", false}},
              {"moving_mean", "moving_variance"})});
}

TEST_CASE("keras: dense layers give Keras' vectors") {
  check("Dense", {dense("core.Dense.0", {{"activation", "linear"}}, true),
                  dense("core.Dense.1", {{"activation", "sigmoid"}}, true),
                  dense("core.Dense.2", {{"activation", "softplus"}}, false)});
}

TEST_CASE("keras: flatten gives Keras' vectors") {
  const Json flatten = Json::array({keras_layer("Flatten")});
  check("Flatten", {{"core.Flatten.1", flatten, {3, 2}}, {"core.Flatten.2", flatten, {3, 2, 2}}});
}
