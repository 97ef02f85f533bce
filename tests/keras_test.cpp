#include <doctest/doctest.h>

#include <cstdlib>

#include "keras.hpp"
#include "skip.hpp"

namespace {

using namespace rill;
using test::Json;

const std::string variants = "tests/data/keras/variants/";

Json json_in(const std::string& path) {
  std::ifstream in(path);
  if (!in) throw std::runtime_error(path + ": cannot be read");
  return Json::parse(in);
}

// The largest error of the model's outputs for the input in expected.json, which TensorFlow.js computed.
double error_of_outputs(const std::string& folder, const std::string& name = "model.json") {
  const Json stored = json_in(folder + "/expected.json");
  const auto tensor_of = [](const Json& part) {
    return test::f32(part.at("data").get<std::vector<float>>(),
                     Shape(part.at("shape").get<std::vector<std::int64_t>>()));
  };
  nn::Model model = nn::load_model(folder + "/" + name);
  const Tensor got = model.predict(tensor_of(stored.at("input"))), expected = tensor_of(stored.at("output"));
  if (got.shape() != expected.shape() || !model.trained) return 1;
  double worst = 0;
  for (std::size_t i = 0; i < static_cast<std::size_t>(got.numel()); ++i)
    worst = std::max(worst, test::golden_error(static_cast<double>(got.data<float>()[i]),
                                               static_cast<double>(expected.data<float>()[i])));
  return worst;
}

std::string layers_in_file(const std::string& path) {
  nn::Model model = nn::load_model(path);
  return test::layers_of(model).dump();
}

}  // namespace

TEST_CASE("keras: every variant of the document is the same model") {
  const std::string expected =
      Json::parse(
          R"([{"type": "dense", "units": 2, "bias": true, "init": {"type": "xavier_uniform", "gain": 1.0},
                       "bias_init": {"type": "zeros"}},
                      {"type": "leaky_relu", "negative_slope": 0.5},
                      {"type": "dense", "units": 1, "bias": true, "init": {"type": "xavier_uniform", "gain": 1.0},
                       "bias_init": {"type": "zeros"}, "activation": {"type": "sigmoid"}}])")
          .dump();
  for (const char* name : {"a", "b", "c", "d", "e", "f", "g", "g_keras_3", "i_keras_2", "i_keras_3"}) {
    CAPTURE(name);
    CHECK(layers_in_file(variants + name + ".json") == expected);
    CHECK(nn::load_model(variants + name + ".json").input_shape == Shape{3});
  }
}

TEST_CASE("keras: weights come with the variants that have them") {
  for (const char* name : {"f", "g", "g_keras_3"}) {
    CAPTURE(name);
    nn::Model model = nn::load_model(variants + name + ".json");
    CHECK(model.trained);
    // h = [0.5 + 3 - 0.75 + 0.125, -1 + 4 + 3 - 0.5] = [2.875, 5.5]; 2 · 2.875 - 5.5 + 0.25 = 0.5
    const Tensor y = model.predict(test::f32({1, 2, 3}, {1, 3}));
    CHECK(y.data<float>()[0] == doctest::Approx(1 / (1 + std::exp(-0.5))).epsilon(1e-6));
  }
  CHECK_FALSE(nn::load_model(variants + "a.json").trained);
}

TEST_CASE("keras: a graph-model is refused with what to do") {
  try {
    nn::load_model(variants + "h.json");
    FAIL("accepted");
  } catch (const Error& error) {
    CHECK(
        std::string(error.what()) ==
        variants +
            "h.json: /format: this is a TensorFlow graph-model, expected \"layers-model\"; convert the Keras "
            "model again with tensorflowjs.converters.save_keras_model(model, \"folder\")");
  }
}

TEST_CASE("keras: activations, normalisation and dropout give TensorFlow.js' outputs") {
  CHECK(error_of_outputs("tests/data/keras/activations") < 1e-6);
}

TEST_CASE("keras: models of TensorFlow's own examples give their outputs") {
  const char* folder = std::getenv("RILL_KERAS_DATA");
  if (!folder) return test::skip("RILL_KERAS_DATA is not set");
  CHECK(error_of_outputs(folder + std::string("/abalone")) < 1e-6);
  CHECK(error_of_outputs(folder + std::string("/bundle"), "bundle_model_test.json") < 1e-6);
}

TEST_CASE("keras: a model that Keras 3 wrote is read layer by layer, its regularizer by leave") {
  nn::Model model = nn::load_model("tests/data/keras/keras3/model.json", {.drop_regularizers = true});
  std::string types;
  for (const Json& layer : test::layers_of(model)) types += layer.at("type").get<std::string>() + " ";
  CHECK(types ==
        "flatten dense leaky_relu batch_norm dense prelu dropout dense elu dense elu dense relu relu gelu "
        "dense dense softmax ");
  const Json layers = test::layers_of(model);
  CHECK(layers[8] == Json{{"type", "elu"}, {"alpha", 0.7}});
  CHECK(layers[10] == Json{{"type", "elu"}, {"alpha", 1.0}});
  CHECK(layers[12] ==
        Json{{"type", "relu"}, {"negative_slope", 0.1}, {"max_value", 6.0}, {"threshold", 0.0}});
  CHECK(layers[15].at("activation") == Json{{"type", "leaky_relu"}, {"negative_slope", 0.2}});
}

TEST_CASE("keras: what is saved as rill's config or model is the same model") {
  const test::TempDir folder;
  nn::Model model = nn::load_model("tests/data/keras/activations/model.json");
  nn::save_config(model, folder.file("config.json"));
  CHECK(layers_in_file(folder.file("config.json")) == test::layers_of(model).dump());
  nn::save_model(model, folder.file("model.safetensors"));
  nn::Model again = nn::load_model(folder.file("model.safetensors"));
  const Tensor x = test::f32({1, -2, 3, -4, 5, -6}, {1, 2, 3});
  CHECK(std::ranges::equal(again.predict(x).to_vector<float>(), model.predict(x).to_vector<float>()));
}

TEST_CASE("keras: a config takes its weights from a safetensors file with PyTorch's names") {
  const test::TempDir folder;
  nn::Model model = nn::load_model(variants + "f.json");
  nn::save_weights(model, folder.file("w.safetensors"));
  nn::Model loaded = nn::load_model(variants + "c.json", {.weights = folder.file("w.safetensors")});
  CHECK(loaded.trained);
  const Tensor x = test::f32({1, 2, 3}, {1, 3});
  CHECK(loaded.predict(x).to_vector<float>()[0] == model.predict(x).to_vector<float>()[0]);
}

TEST_CASE("keras: the same seed draws the same weights") {
  const auto first_weight = [](std::uint64_t seed) {
    return nn::load_model(variants + "e.json", {.seed = seed}).parameters().front().to_vector<float>()[0];
  };
  CHECK(first_weight(5) == first_weight(5));
  CHECK(first_weight(5) != first_weight(6));
}
