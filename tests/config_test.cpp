#include <cmath>
#include <limits>

#include <doctest/doctest.h>

#include <rill/rill.hpp>

#include <rill/nn/config/archive.hpp>
#include <rill/nn/config/model_config.hpp>

#include "temp_dir.hpp"
#include "values.hpp"

namespace {

using namespace rill;
using nn::config::parse_model_config;

constexpr const char* example = R"({ "rill": 1, "input_shape": [28, 28],
      "layers": [ { "type": "flatten" },
                  { "type": "dense", "units": 256, "init": "kaiming_normal" },
                  { "type": "leaky_relu", "negative_slope": 0.3 },
                  { "type": "dropout", "p": 0.2 },
                  { "type": "dense", "units": 10, "activation": "elu" } ] })";

nn::Sequential build(const std::string& text, std::uint64_t seed = 1) {
  Generator generator(seed);
  return nn::config::build(parse_model_config(text, "m.json"), generator,
                           {.where = "m.json", .max_parameters = 1 << 20});
}

std::string layers(const std::string& list) {
  return R"({"rill": 1, "input_shape": [4], "layers": [)" + list + "]}";
}

}  // namespace

TEST_CASE("config: the example of the format is the network that C++ builds with the same seed") {
  nn::Sequential model = build(example, 7);
  Generator generator(7);
  nn::Sequential expected{nn::Flatten(), nn::Dense(784, 256, generator), nn::LeakyReLU(),
                          nn::Dropout(0.2, generator),
                          nn::Dense(256, 10, generator, {.activation = nn::ELU()})};
  const auto a = model.named_state(), b = expected.named_state();
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    CHECK(a[i].name == b[i].name);
    CHECK(std::ranges::equal(a[i].value.data<float>(), b[i].value.data<float>()));
  }
  CHECK(dynamic_cast<nn::Dropout&>(model[3]).seed() == dynamic_cast<nn::Dropout&>(expected[3]).seed());
}

TEST_CASE("config: what is written reads back as the same text") {
  nn::Sequential model = build(example);
  const std::string text = nn::config::to_json(nn::config::config_of(model, {28, 28}));
  nn::Sequential again = build(text);
  CHECK(nn::config::to_json(nn::config::config_of(again, {28, 28})) == text);
  CHECK(text.find("\"negative_slope\": 0.3") != std::string::npos);
}

TEST_CASE("config: bad input is refused with its place") {
  const auto message = [](const std::string& text) {
    try {
      build(text);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  CHECK(message(layers(R"({"type": "leaky_rleu"})")) ==
        "m.json: /layers/0/type: unknown layer \"leaky_rleu\"; did you mean \"leaky_relu\"?");
  CHECK(message(layers(R"({"type": "dense", "unit": 3})")) ==
        "m.json: /layers/0: unknown key \"unit\"; did you mean \"units\"?");
  CHECK(message(layers(R"({"type": "dense"})")) == "m.json: /layers/0: \"units\" is missing, expected it");
  CHECK(message(layers(R"({"type": "dense", "units": 3, "unitz": 3})")) ==
        "m.json: /layers/0: unknown key \"unitz\"; did you mean \"units\"?");
  CHECK(message(layers(R"({"type": "dense", "units": 3.9})")) ==
        "m.json: /layers/0/units: 3.9 is not whole, expected a whole number from 1 to 16777216");
  CHECK(message(layers(R"({"type": "dense", "units": -5})")) ==
        "m.json: /layers/0/units: -5 is out of range, expected a whole number from 1 to 16777216");
  CHECK(message(layers(R"({"type": "leaky_relu", "negative_slope": 1e400})")) ==
        "m.json:1:89: a number is beyond f64, expected a magnitude up to 1.8e308");
  CHECK(message(layers(R"({"type": "leaky_relu", "negative_slope": null})")) ==
        "m.json: /layers/0/negative_slope: got null, expected a number from 0 to 3.4028234663852886e+38");
  CHECK(message(layers(R"({"type": "leaky_relu", "negative_slope": 1, "negative_slope": 2})")) ==
        "m.json: /layers/0: key \"negative_slope\" stands twice, expected once");
  CHECK(message(layers(R"({"type": "leaky_relu", "negative_slope": 1, "alpha": 2})")) ==
        "m.json: /layers/0: both \"negative_slope\" and \"alpha\" are given, expected one of them");
  CHECK(message(layers(R"({"type": "dense", "units": 3, "activation": "relux"})")) ==
        "m.json: /layers/0/activation: unknown activation \"relux\"; did you mean \"relu\"?");
  CHECK(message(layers(R"({"type": "dense", "units": 3, "init": "constant"})")) ==
        "m.json: /layers/0/init: initialiser \"constant\" needs more than its name, expected an object");
  CHECK(message(layers(R"({"type": "prelu", "num_parameters": 3})")) ==
        "m.json: /layers/0: num_parameters is 3, expected 1 or 4, the input's features");
  CHECK(message(layers(R"({"type": "dense", "units": 1000000})")) ==
        "m.json: /layers/0: the model has more than 1048576 parameters, expected no more");
  CHECK(message("") == "m.json: the file is empty, expected json");
  CHECK(message("{\"rill\": 2}") ==
        "m.json: /rill: the file is of rill's format 2, expected 1, which this version reads");
}

TEST_CASE("config: a number that json has not is refused by the writer") {
  for (const double value : {std::numeric_limits<double>::infinity(), std::nan("")})
    CHECK_THROWS_WITH_AS(
        nn::config::Writer::write(value),
        ("config: a number is " + std::to_string(value) + ", expected finite ones in json").c_str(), Error);
}

TEST_CASE("model: a file with weights of its own takes none beside it") {
  const test::TempDir folder;
  Generator generator(3);
  nn::Model model(nn::Sequential{nn::Dense(4, 3, generator)}, {4});
  const std::string path = folder.file("model.safetensors");
  nn::save_model(model, path);
  CHECK_THROWS_WITH_AS(
      nn::load_model(path, {.weights = "w.safetensors"}),
      (path + ": the file has weights of its own, expected none beside it, got w.safetensors").c_str(),
      Error);
}

TEST_CASE("model: a saved file stands alone") {
  const test::TempDir folder;
  Generator generator(3);
  nn::Model model(nn::Sequential{nn::Dense(4, 3, generator), nn::BatchNorm1d(3), nn::PReLU(3)}, {4});
  model.preprocessing = {std::make_shared<nn::data::Scale>(0.1)};
  model.classes = {"a", "b", "c"};
  const std::string path = folder.file("model.safetensors");
  nn::save_model(model, path);
  nn::Model loaded = nn::load_model(path);
  CHECK(loaded.classes == model.classes);
  CHECK(loaded.trained);
  const Tensor x = tensor({1, 2, 3, 4}).reshape({1, 4});
  CHECK(std::ranges::equal(loaded.predict(x).to_vector<float>(), model.predict(x).to_vector<float>()));
}

TEST_CASE("model: a saved file has room for the names of 100,000 inputs") {
  constexpr std::int64_t inputs = 100'000;
  const test::TempDir folder;
  Generator generator(3);
  nn::Model model(nn::Sequential{nn::Dense(inputs, 1, generator)}, {inputs});
  for (std::int64_t i = 0; i < inputs; ++i) model.features.push_back(std::to_string(i));
  nn::save_model(model, folder.file("x"));
  CHECK(nn::load_model(folder.file("x")).features == model.features);
}

TEST_CASE("model: nothing is saved beyond the limits of reading") {
  const test::TempDir folder;
  nn::Sequential network;
  for (std::size_t i = 0; i <= nn::config::max_layers; ++i) network.add(nn::ReLU());
  nn::Model deep(std::move(network), {1});
  const std::string refusal = ": /layers: got an array of 1001, expected 1 to 1000";
  CHECK(test::message_of([&] { nn::save_model(deep, folder.file("x")); }) ==
        "save_model: rill.model" + refusal);
  CHECK(test::message_of([&] { nn::save_config(deep, folder.file("x")); }) == "save_config" + refusal);
  Generator generator(3);
  nn::Model wide(nn::Sequential{nn::Dense(2, 2, generator)}, {2});
  wide.classes.assign(nn::config::max_json_values, "");
  CHECK(test::message_of([&] { nn::save_model(wide, folder.file("x")); }) ==
        "save_model: rill.classes: the document has more than 150000 values, expected no more than that");
  CHECK(folder.names().empty());
}

TEST_CASE("model: a config of 1,000 layers is read again as it is written") {
  nn::config::ModelConfig config = nn::config::parse_model_config(
      R"({"rill": 1, "input_shape": [2], "layers": [{"type": "dense", "units": 2,
          "init": {"type": "uniform", "low": -0.5, "high": 0.25}, "activation": "leaky_relu"}]})",
      "m.json");
  config.layers.resize(nn::config::max_layers, config.layers[0]);
  const test::TempDir folder;
  const std::string text = nn::config::to_json(config);
  nn::Model model = nn::load_model(folder.write("m.json", text));
  CHECK(nn::config::to_json(nn::config::config_of(model.network, model.input_shape)) == text);
}
