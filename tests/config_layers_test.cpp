// Every layer and every initialiser goes from C++ to JSON and back as the same one.
#include <doctest/doctest.h>

#include <rill/nn/config/model_config.hpp>
#include <rill/rill.hpp>

#include "gradcheck.hpp"
#include "values.hpp"

namespace {

using namespace rill;
using nn::config::InitConfig;

template <class Layer>
std::vector<Layer> samples_of(Generator&) {
  return {Layer()};  // for a layer with options it does not compile, or the test below fails
}
template <>
std::vector<nn::Dense> samples_of(Generator& generator) {
  return {
      nn::Dense(3, 5, generator),
      nn::Dense(3, 5, generator, {.bias = false, .init = nn::init::xavier_uniform(0.5)}),
      nn::Dense(3, 2, generator, {.bias_init = nn::init::constant(0.1), .activation = nn::LeakyReLU(0.2)}),
      nn::Dense(3, 2, generator, {.dtype = DType::f64, .activation = nn::PReLU(2, 0.1)})};
}
template <>
std::vector<nn::ReLU> samples_of(Generator&) {
  return {nn::ReLU(), nn::ReLU(nn::ReLUOptions{.negative_slope = 0.1, .max_value = 0.5, .threshold = 0.25})};
}
template <>
std::vector<nn::LeakyReLU> samples_of(Generator&) {
  return {nn::LeakyReLU(), nn::LeakyReLU(0.1)};
}
template <>
std::vector<nn::ELU> samples_of(Generator&) {
  return {nn::ELU(), nn::ELU(0.5)};
}
template <>
std::vector<nn::CELU> samples_of(Generator&) {
  return {nn::CELU(), nn::CELU(0.5)};
}
template <>
std::vector<nn::Softplus> samples_of(Generator&) {
  return {nn::Softplus(), nn::Softplus(2)};
}
template <>
std::vector<nn::PReLU> samples_of(Generator&) {
  return {nn::PReLU(), nn::PReLU(3, 0.5)};
}
template <>
std::vector<nn::GELU> samples_of(Generator&) {
  return {nn::GELU(), nn::GELU(GeluApproximation::tanh)};
}
template <>
std::vector<nn::Softmax> samples_of(Generator&) {
  return {nn::Softmax(), nn::Softmax(0)};
}
template <>
std::vector<nn::LogSoftmax> samples_of(Generator&) {
  return {nn::LogSoftmax(), nn::LogSoftmax(1)};
}
template <>
std::vector<nn::Dropout> samples_of(Generator& generator) {
  return {nn::Dropout(0.25, generator)};
}
template <>
std::vector<nn::BatchNorm1d> samples_of(Generator&) {
  return {nn::BatchNorm1d(3), nn::BatchNorm1d(3, {.eps = 1e-3, .momentum = 0.01}),
          nn::BatchNorm1d(3, {.momentum = std::nullopt, .affine = false}),
          nn::BatchNorm1d(3, {.track_running_stats = false})};
}
template <>
std::vector<nn::LayerNorm> samples_of(Generator&) {
  return {nn::LayerNorm(3), nn::LayerNorm(3, {.eps = 1e-3, .elementwise_affine = false})};
}
template <>
std::vector<nn::Rescaling> samples_of(Generator&) {
  return {nn::Rescaling(1.0 / 255), nn::Rescaling(-0.1, 1e6)};
}
template <>
std::vector<nn::Sequential> samples_of(Generator& generator) {
  return {nn::Sequential{nn::Dense(3, 2, generator), nn::ReLU()}};
}

std::string json_of(nn::Sequential& network) {
  return nn::config::to_json(nn::config::config_of(network, {3}));
}

}  // namespace

TEST_CASE_TEMPLATE_DEFINE("config: a layer that C++ made comes back from JSON as the same layer", Layer,
                          layers) {
  Generator generator(5);
  for (Layer& layer : samples_of<Layer>(generator)) {
    nn::Sequential network;
    network.add(std::move(layer));
    const std::string text = json_of(network);
    CAPTURE(text);
    nn::Sequential again = nn::config::build(nn::config::parse_model_config(text, "m.json"), generator,
                                             {.max_parameters = 1000});
    CHECK(json_of(again) == text);
    REQUIRE(again[0].type() == Layer::type_name);
    nn::copy_state(network, again);
    const nn::EvalMode one(network), other(again);
    const DType dtype = network.parameters().empty() ? DType::f32 : network.parameters()[0].dtype();
    const Tensor x = randn({4, 3}, generator, dtype);
    CHECK(test::same_bits(network(x), again(x)));
  }
}
TEST_CASE_TEMPLATE_APPLY(layers, nn::LayerList);

TEST_CASE("config: an initialiser comes back from JSON and draws the same numbers") {
  namespace init = nn::init;
  const std::vector<nn::Init> all{init::kaiming_normal(1.5, init::Fan::out),
                                  init::kaiming_uniform(0.5),
                                  init::xavier_normal(2),
                                  init::xavier_uniform(3),
                                  init::lecun_normal(),
                                  init::lecun_uniform(),
                                  init::orthogonal(1.25),
                                  init::truncated_normal(0.5, 2, -1, 3),
                                  init::normal(1, 0.5),
                                  init::uniform(-1, 2),
                                  init::constant(0.25),
                                  init::zeros(),
                                  init::ones()};
  for (const nn::Init& each : all) {
    CAPTURE(each.name());
    const auto draw = [](const nn::Init& by) {
      Generator generator(9);
      return nn::Dense(4, 6, generator, {.init = by}).weight.detach();
    };
    const nn::Init again = InitConfig::of(each).make();
    CHECK(again.name() == each.name());
    CHECK(test::same_bits(draw(again), draw(each)));
  }
}

TEST_CASE("config: an initialiser of the program's own is written as custom, and draws nothing") {
  Generator generator(1);
  nn::Sequential network{nn::Dense(
      3, 1, generator, {.init = [](Tensor& weight, Generator&) { weight.mutable_data<float>()[0] = 1; }})};
  const std::string text = json_of(network);
  CHECK(text.find("\"custom\"") != std::string::npos);
  const auto config = nn::config::parse_model_config(text, "m.json");
  CHECK(
      test::message_of([&] { nn::config::build(config, generator, {.max_parameters = 100}); }) ==
      "model: /layers/0/init: \"custom\" is an initialiser of the program that saved the model, expected its "
      "weights or one of nn::init's");
  nn::Sequential again =
      nn::config::build(config, generator, {.weights_follow = true, .max_parameters = 100});
  nn::copy_state(network, again);
  CHECK(json_of(again) == text);
}

TEST_CASE("config: a module of the program's own is refused with its place") {
  struct Own final : nn::Module {
    Tensor forward(const Tensor& x) override { return x; }
  };
  nn::Sequential network{nn::ReLU(), nn::Sequential{Own(), nn::ReLU()}};
  CHECK(test::message_of([&] { nn::config::config_of(network, {3}); }) ==
        "save_config: /layers/1/layers/0: a \"module\" has no config, expected one of nn's layers");
}

TEST_CASE("config: parameters that are not trained stay so") {
  Generator generator(1);
  nn::Sequential network{nn::Dense(3, 2, generator), nn::Dense(2, 1, generator)};
  network[0].requires_grad_(false);
  const std::string text = json_of(network);
  const auto build = [&](const std::string& json) {
    return nn::config::build(nn::config::parse_model_config(json, "m.json"), generator,
                             {.where = "m.json", .max_parameters = 100});
  };
  nn::Sequential again = build(text);
  for (const auto& each : again.named_parameters()) {
    CAPTURE(each.name);
    CHECK(each.value.requires_grad() == (each.name[0] == '1'));
  }
  std::string wrong = text;
  wrong.replace(wrong.find("0.bias"), 6, "0.bais");
  CHECK(test::message_of([&] {
          build(wrong);
        }).starts_with("m.json: /frozen/1: unknown parameter \"0.bais\"; did you mean \""));
}

TEST_CASE("config: tied parameters are refused, for they would come back as two") {
  Generator generator(1);
  nn::Dense first(3, 3, generator), second(3, 3, generator);
  second.weight = first.weight;
  nn::Sequential network{std::move(first), std::move(second)};
  CHECK(test::message_of([&] { nn::config::config_of(network, {3}); }) ==
        "save_config: \"1.weight\" is another name of a tensor before it, expected one of its own; a config "
        "knows no ties");
}

TEST_CASE("config: a network of f64 buffers alone is one of f64") {
  nn::Sequential network{nn::BatchNorm1d(3, {.affine = false, .dtype = DType::f64})};
  CHECK(json_of(network).find("\"dtype\": \"f64\"") != std::string::npos);
}
