// Modules and layers: names, shapes, initial values, saved weights, dead units.
#include <doctest/doctest.h>

#include <cmath>
#include <fstream>
#include <string>
#include <thread>

#include <rill/rill.hpp>

#include "temp_dir.hpp"
#include "values.hpp"

using namespace rill;

namespace {

nn::Sequential four_activations(Generator& generator) {
  return nn::Sequential{nn::Flatten(),   nn::Dense(12, 8, generator), nn::ReLU(), nn::Dense(8, 7, generator),
                        nn::LeakyReLU(), nn::Dense(7, 6, generator),  nn::ELU(),  nn::Dense(6, 5, generator),
                        nn::PReLU(5)};
}

std::vector<std::string> names_of(nn::Module& model) {
  std::vector<std::string> names;
  for (const auto& [name, value] : model.named_parameters()) names.push_back(name);
  return names;
}

// Mean and standard deviation of the elements.
std::pair<double, double> moments(const Tensor& x) {
  double sum = 0, squares = 0;
  for (const float value : x.data<float>()) {
    sum += static_cast<double>(value);
    squares += static_cast<double>(value) * static_cast<double>(value);
  }
  const auto n = static_cast<double>(x.numel());
  return {sum / n, std::sqrt(squares / n - sum / n * (sum / n))};
}

double largest(const Tensor& x) {
  double top = 0;
  for (const float value : x.data<float>()) top = std::max(top, std::abs(static_cast<double>(value)));
  return top;
}

template <class Layer>
nn::Sequential model_with(Layer layer) {
  return nn::Sequential(std::move(layer));
}

}  // namespace

TEST_CASE("nn: parameters are named by their path, as in PyTorch") {
  Generator generator(1);
  nn::Sequential model = four_activations(generator);
  CHECK(names_of(model) == std::vector<std::string>{"1.weight", "1.bias", "3.weight", "3.bias", "5.weight",
                                                    "5.bias", "7.weight", "7.bias", "8.weight"});
  CHECK(model.parameter_count() == 12 * 8 + 8 + 8 * 7 + 7 + 7 * 6 + 6 + 6 * 5 + 5 + 5);
}

TEST_CASE("nn: nested containers join their names with dots") {
  Generator generator(1);
  nn::Sequential inner{nn::Dense(4, 3, generator), nn::ReLU()};
  nn::Sequential model;
  model.add(nn::Flatten()).add(std::move(inner)).add(nn::Dense(3, 2, generator));
  CHECK(names_of(model) == std::vector<std::string>{"1.0.weight", "1.0.bias", "2.weight", "2.bias"});
}

TEST_CASE("nn: a tied parameter is listed once, under its first name") {
  Generator generator(1);
  nn::Dense first(3, 3, generator), second(3, 3, generator);
  second.weight = first.weight;
  nn::Sequential model(std::move(first), std::move(second));
  CHECK(names_of(model) == std::vector<std::string>{"0.weight", "0.bias", "1.bias"});
}

TEST_CASE("nn: a user's module is trained and named like rill's own") {
  struct Doubled final : nn::Module {
    nn::Dense dense;
    Tensor scale = ones({1}).requires_grad_();
    explicit Doubled(Generator& generator) : dense(2, 2, generator) {}
    Tensor forward(const Tensor& x) override { return dense(x).leaky_relu(0.1) * scale; }
    void visit(nn::Visitor& visitor) override {
      visitor.child("dense", dense);
      visitor.parameter("scale", scale);
    }
  };
  Generator generator(3);
  nn::Sequential model{nn::Dense(2, 2, generator), Doubled(generator)};
  CHECK(names_of(model) ==
        std::vector<std::string>{"0.weight", "0.bias", "1.dense.weight", "1.dense.bias", "1.scale"});
  model(tensor({{1, 2}})).sum().backward();
  for (const auto& each : model.named_parameters()) CHECK_MESSAGE(each.value.grad().defined(), each.name);
  model.zero_grad();
  for (const auto& each : model.named_parameters()) CHECK_MESSAGE(!each.value.grad().defined(), each.name);
}

TEST_CASE_TEMPLATE_DEFINE("nn: every layer keeps dtype and batch, and its type name is in the list", Layer,
                          layer_list) {
  Generator generator(5);
  auto layer = [&] {
    if constexpr (std::is_same_v<Layer, nn::Dense>) {
      return nn::Dense(3, 4, generator, {.dtype = DType::f64});
    } else if constexpr (std::is_same_v<Layer, nn::PReLU>) {
      return nn::PReLU(3, 0.25, DType::f64);
    } else if constexpr (std::is_same_v<Layer, nn::Dropout>) {
      return nn::Dropout(0.5, generator);
    } else if constexpr (std::is_same_v<Layer, nn::Rescaling>) {
      return nn::Rescaling(2, 1);
    } else if constexpr (std::is_same_v<Layer, nn::BatchNorm1d> || std::is_same_v<Layer, nn::LayerNorm>) {
      return Layer(3, {.dtype = DType::f64});
    } else {
      return Layer();
    }
  }();
  const Tensor y = layer(randn({2, 3}, generator, DType::f64));
  CHECK(y.dtype() == DType::f64);
  CHECK(y.shape()[0] == 2);
  CHECK(layer.type() == Layer::type_name);
}
TEST_CASE_TEMPLATE_APPLY(layer_list, nn::LayerList);

TEST_CASE("nn: Dense maps the last dimension and keeps the others") {
  Generator generator(5);
  nn::Dense dense(4, 3, generator);
  CHECK(dense(randn({2, 5, 4}, generator)).shape() == Shape{2, 5, 3});
  CHECK(dense(randn({4}, generator)).shape() == Shape{3});
  nn::Dense plain(4, 3, generator, {.bias = false});
  CHECK(names_of(plain) == std::vector<std::string>{"weight"});
}

TEST_CASE("nn: Rescaling multiplies and adds, and passes gradients on") {
  nn::Rescaling layer(0.25, -1);
  CHECK(layer.parameter_count() == 0);
  Tensor x = tensor({{0, 2, 8}}).requires_grad_();
  const Tensor y = layer(x);
  CHECK(test::values_of(y) == std::vector<double>{-1, -0.5, 1});
  y.sum().backward();
  CHECK(test::values_of(x.grad()) == std::vector<double>{0.25, 0.25, 0.25});
  CHECK(test::message_of([] { nn::Rescaling(1, INFINITY); }) ==
        "Rescaling: scale is 1 and offset is inf, expected numbers in the range of f32");
  CHECK(test::message_of([] { nn::Rescaling(NAN, 0); }) ==
        "Rescaling: scale is nan and offset is 0, expected numbers in the range of f32");
}

TEST_CASE("nn: Flatten keeps the batch and shares the block") {
  const Tensor x = ones({2, 3, 4});
  const Tensor y = nn::Flatten()(x);
  CHECK(y.shape() == Shape{2, 12});
  CHECK(y.data<float>().data() == x.data<float>().data());
}

TEST_CASE("nn: defaults are Keras' slope for the layer, PyTorch's for PReLU") {
  CHECK(nn::LeakyReLU().negative_slope() == 0.3);
  CHECK(nn::ELU().alpha() == 1.0);
  CHECK(nn::PReLU().weight.item() == 0.25);
  CHECK(nn::PReLU(7).weight.shape() == Shape{7});
}

TEST_CASE("init: gains are PyTorch's, and the variance-preserving ones beyond") {
  using nn::init::gain;
  CHECK(gain("linear") == 1);
  CHECK(gain("sigmoid") == 1);
  CHECK(gain("tanh") == doctest::Approx(5.0 / 3).epsilon(1e-15));
  CHECK(gain("relu") == doctest::Approx(1.4142135623730951).epsilon(1e-15));
  CHECK(gain("leaky_relu") == doctest::Approx(1.4141428569978354).epsilon(1e-15));
  CHECK(gain("leaky_relu", 0.3) == doctest::Approx(1.3545709).epsilon(1e-7));
  CHECK(gain("prelu") == doctest::Approx(1.371989).epsilon(1e-6));
  CHECK(gain("selu") == 0.75);
  CHECK(gain("elu") == doctest::Approx(1.245198).epsilon(1e-6));
}

TEST_CASE("init: kaiming and xavier have their documented spread") {
  Generator generator(11);
  Tensor weight = empty({128, 784});
  const auto spread = [&](const nn::Init& init) {
    init(weight, generator);
    const auto [mean, deviation] = moments(weight);
    CHECK(std::abs(mean) < 0.02 * deviation);
    return deviation;
  };
  CHECK(spread(nn::init::kaiming_normal()) == doctest::Approx(std::sqrt(2.0 / 784)).epsilon(0.01));
  CHECK(spread(nn::init::kaiming_normal(1, nn::init::Fan::out)) ==
        doctest::Approx(std::sqrt(1.0 / 128)).epsilon(0.01));
  CHECK(spread(nn::init::kaiming_uniform()) == doctest::Approx(std::sqrt(2.0 / 784)).epsilon(0.01));
  CHECK(largest(weight) == doctest::Approx(std::sqrt(6.0 / 784)).epsilon(0.001));
  CHECK(spread(nn::init::xavier_normal()) == doctest::Approx(std::sqrt(2.0 / 912)).epsilon(0.01));
  spread(nn::init::xavier_uniform());
  CHECK(largest(weight) == doctest::Approx(0.0811107).epsilon(0.001));  // Keras' GlorotUniform for 784 x 128
  nn::init::constant(0.5)(weight, generator);
  CHECK(moments(weight).first == 0.5);
}

TEST_CASE("init: one seed gives one model, another seed another one") {
  const auto first_weight = [](std::uint64_t seed) {
    Generator generator(seed);
    const nn::Dense dense(3, 3, generator);
    return std::vector<float>(dense.weight.data<float>().begin(), dense.weight.data<float>().end());
  };
  CHECK(first_weight(1) == first_weight(1));
  CHECK(first_weight(1) != first_weight(2));
}

TEST_CASE("nn: weights that were saved and loaded give the same outputs, bit for bit") {
  const test::TempDir folder;
  const std::string path = folder.path() + "/model.safetensors";
  Generator one(1), two(2);
  nn::Sequential model = four_activations(one), other = four_activations(two);
  const Tensor x = randn({3, 12}, one);
  nn::save_weights(model, path);
  nn::load_weights(other, path);
  const Tensor expected = model(x), loaded = other(x);
  CHECK(std::ranges::equal(expected.data<float>(), loaded.data<float>()));
}

TEST_CASE("nn: weights of another model are refused and change nothing") {
  const test::TempDir folder;
  const std::string path = folder.path() + "/model.safetensors";
  Generator generator(1);
  nn::Sequential model{nn::Dense(3, 2, generator)};
  const auto refused = [&](nn::Sequential other, const std::string& text) {
    nn::save_weights(other, path);
    const std::vector<float> before(model.parameters()[0].data<float>().begin(),
                                    model.parameters()[0].data<float>().end());
    CHECK_THROWS_WITH_AS(nn::load_weights(model, path), (path + text).c_str(), Error);
    CHECK(std::ranges::equal(before, model.parameters()[0].data<float>()));
  };
  refused(model_with(nn::Dense(4, 2, generator)), ": parameter \"0.weight\" is [2, 4], model expects [2, 3]");
  refused(model_with(nn::Dense(3, 2, generator, {.bias = false})),
          ": parameter \"0.bias\" is missing, model expects f32 [2]");
  refused(model_with(nn::Dense(3, 2, generator, {.dtype = DType::f64})),
          ": parameter \"0.weight\" is f64, model expects f32");
  refused(nn::Sequential{nn::Dense(3, 2, generator), nn::PReLU()},
          ": tensor \"1.weight\" [1] is not a parameter of the model, expected those of its layers alone");
}

TEST_CASE("nn: count_correct counts rows whose largest logit is the label's, and never a NaN") {
  const Tensor logits = tensor({{1, 2, 0}, {3, 1, 2}, {0, NAN, 1}, {-1, -2, -3}});
  CHECK(nn::count_correct(logits, tensor({1, 0, 2, 2}, DType::i64)) == 2);
}
