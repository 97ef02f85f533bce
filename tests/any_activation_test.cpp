// AnyActivation, and the layers that hold one: Dense with an activation and with a bias_init, Sequential::replace.
#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <rill/rill.hpp>

#include "gradcheck.hpp"
#include "temp_dir.hpp"

using namespace rill;

namespace {

using Names = std::vector<std::string>;

Names parameter_names(nn::Module& model) {
  Names names;
  for (const auto& [name, value] : model.named_parameters()) names.push_back(name);
  return names;
}

// Doubles while it is trained.
struct Doubling final : nn::Activation {
  Tensor forward(const Tensor& x) override { return x * (training() ? 2.0 : 1.0); }
  std::string_view type() const override { return "doubling"; }
};

struct Uncopyable final : nn::Activation {
  std::unique_ptr<int> own;
  Tensor forward(const Tensor& x) override { return x; }
};

Tensor numbers() { return tensor({{-3, -1, -0.5, 0}, {0.25, 1, 2, 5}}); }

nn::Sequential with_prelu(std::uint64_t seed) {
  Generator generator(seed);
  return nn::Sequential{nn::Dense(4, 3, generator, {.activation = nn::PReLU()}), nn::Dense(3, 2, generator)};
}

const void* slope_of(const nn::AnyActivation& activation) {
  return dynamic_cast<const nn::PReLU*>(activation.get())->weight.data<float>().data();
}

// For which module each op runs.
struct Owners final : Observer {
  std::vector<std::pair<std::string, const void*>> seen;
  void after(const OpRun& run) override { seen.emplace_back(run.name, run.module); }
};

}  // namespace

TEST_CASE("any_activation: it computes what the activation that it holds computes") {
  nn::AnyActivation any = nn::LeakyReLU(0.2);
  CHECK(test::same_bits(any(numbers()), numbers().leaky_relu(0.2)));
}

TEST_CASE("any_activation: its type is that of what it holds") {
  CHECK(nn::AnyActivation(nn::ELU()).type() == "elu");
  CHECK(nn::AnyActivation().type() == "none");
}

TEST_CASE("any_activation: none is false and refuses a call") {
  nn::AnyActivation none;
  CHECK_FALSE(none);
  CHECK(none.get() == nullptr);
  CHECK(none.parameters().empty());
  CHECK_THROWS_WITH(none(numbers()), "AnyActivation: it is empty, expected an activation");
  CHECK(nn::AnyActivation(nn::ReLU()));
}

TEST_CASE("any_activation: get() gives the activation itself") {
  nn::AnyActivation any = nn::LeakyReLU(0.2);
  CHECK(dynamic_cast<const nn::LeakyReLU&>(*std::as_const(any).get()).negative_slope() == 0.2);
  CHECK(dynamic_cast<nn::PReLU*>(any.get()) == nullptr);
}

TEST_CASE("any_activation: what cannot be copied does not convert to it") {
  CHECK_FALSE(std::is_constructible_v<nn::AnyActivation, Uncopyable>);
  CHECK_FALSE(std::is_constructible_v<nn::AnyActivation, nn::Softmax>);
}

TEST_CASE("any_activation: a copy shares parameters, a clone has its own") {
  const nn::AnyActivation any = nn::PReLU();
  const nn::AnyActivation copy = any, own = nn::clone(any);
  nn::AnyActivation assigned;
  assigned = any;
  CHECK(copy.get() != any.get());
  CHECK(slope_of(copy) == slope_of(any));
  CHECK(slope_of(assigned) == slope_of(any));
  CHECK(slope_of(own) != slope_of(any));
}

TEST_CASE("any_activation: ops run for the AnyActivation, which named_modules() gives") {
  auto model = with_prelu(1);
  Owners owners;
  model(numbers());
  REQUIRE(owners.seen.size() == 3);
  CHECK(owners.seen[1].first == "prelu");
  std::string path;
  for (const auto& [name, module] : model.named_modules()) {
    if (module == owners.seen[1].second) path = name;
  }
  CHECK(path == "0.activation");
}

TEST_CASE("any_activation: train, eval and guards of modes reach what it holds") {
  Generator generator(1);
  nn::Sequential model{nn::Dense(4, 3, generator, {.activation = Doubling()})};
  const Tensor plain = linear(numbers(), model.parameters()[0]);
  CHECK(test::same_bits(model(numbers()), plain * 2.0));
  model.eval();
  CHECK(test::same_bits(model(numbers()), plain));
  model.train();
  {
    const nn::EvalMode guard(model);
    CHECK(test::same_bits(model(numbers()), plain));
  }
  CHECK(test::same_bits(model(numbers()), plain * 2.0));
}

TEST_CASE("any_activation: it takes over the mode of what it is made of") {
  Doubling evaluating;
  evaluating.eval();
  CHECK_FALSE(nn::AnyActivation(evaluating).training());
}

TEST_CASE("dense: its activation runs after the linear map") {
  Generator generator(1), same(1);
  nn::Dense with(4, 3, generator, {.activation = nn::ELU()}), without(4, 3, same);
  CHECK(test::same_bits(with(numbers()), without(numbers()).elu()));
}

TEST_CASE(
    "dense: the parameters of its activation are named after it, and there is no such child without one") {
  auto model = with_prelu(1);
  CHECK(parameter_names(model) == Names{"0.weight", "0.bias", "0.activation.weight", "1.weight", "1.bias"});
  CHECK(model.named_modules().size() == 4);
}

TEST_CASE("dense: layers made with one set of options have activations of their own") {
  Generator generator(1);
  const nn::DenseOptions options{.activation = nn::PReLU()};
  nn::Sequential model{nn::Dense(4, 4, generator, options), nn::Dense(4, 4, generator, options)};
  CHECK(parameter_names(model).size() == 6);
  CHECK(slope_of(dynamic_cast<nn::Dense&>(model[0]).activation) != slope_of(options.activation));
}

TEST_CASE("dense: its activation is made in its dtype") {
  Generator generator(1);
  nn::Dense dense(4, 3, generator, {.dtype = DType::f64, .activation = nn::PReLU()});
  CHECK(dense(numbers().to(DType::f64)).dtype() == DType::f64);
}

TEST_CASE("dense: a slope that its activation learns has the right gradient") {
  Generator generator(2);
  nn::Dense dense(4, 3, generator, {.dtype = DType::f64, .activation = nn::PReLU(3)});
  const Tensor x = randn({5, 4}, generator, DType::f64);
  dense(x).sum().backward();
  const Tensor z = linear(x, dense.weight, dense.bias).detach();
  const Tensor expected = (z * (z <= 0)).sum({0});
  const Tensor slope_gradient = dense.parameters()[2].grad();
  for (int i = 0; i < 3; ++i) CHECK(slope_gradient.at({i}) == doctest::Approx(expected.at({i})));
}

TEST_CASE("dense: a clone with an activation is independent and computes the same") {
  auto model = with_prelu(3);
  auto own = nn::clone(model);
  CHECK(test::same_bits(own(numbers()), model(numbers())));
  own.parameters()[2].mutable_data<float>()[0] = 5;
  CHECK(model.parameters()[2].at({0}) == 0.25);
}

TEST_CASE("dense: conversion to f64 reaches the activation") {
  auto model = with_prelu(3);
  model.to(DType::f64);
  CHECK(model.parameters()[2].dtype() == DType::f64);
  CHECK(model(numbers().to(DType::f64)).dtype() == DType::f64);
}

TEST_CASE("dense: weights of a model with an activation are saved and read back") {
  const test::TempDir folder;
  auto model = with_prelu(3), other = with_prelu(4);
  model.parameters()[2].mutable_data<float>()[0] = 0.75;
  nn::save_weights(model, folder.file("model.safetensors"));
  nn::load_weights(other, folder.file("model.safetensors"));
  CHECK(test::same_bits(other(numbers()), model(numbers())));
}

TEST_CASE("dense: the summary shows its activation as a row below") {
  auto model = with_prelu(3);
  CHECK(nn::summary(model, {4}) ==
        "layer         type        output  parameters\n"
        "(model)       sequential  [n, 2]           0\n"
        "0             dense       [n, 3]          15\n"
        "0.activation  prelu       [n, 3]           1\n"
        "1             dense       [n, 2]           8\n"
        "parameters 24 (trainable 24, frozen 0), buffers 0, 96 bytes\n");
}

TEST_CASE("dense: a profile has a row for its activation") {
  auto model = with_prelu(3);
  Profile profile(model);
  model(numbers());
  profile.stop();
  Names rows;
  for (const ProfileRow& row : profile.layers()) rows.emplace_back(row.name);
  CHECK(rows == Names{"0 dense", "0.activation prelu", "1 dense"});
}

TEST_CASE("dense: an audit names the units of its activation") {
  Generator generator(1);
  nn::Sequential model{nn::Dense(4, 3, generator, {.activation = nn::ReLU()})};
  const auto report = nn::audit(model, numbers());
  REQUIRE(report.layers.size() == 1);
  CHECK(report.layers[0].name == "0.activation");
}

TEST_CASE("dense: bias_init fills the bias, and the weight of a seed is as with the default") {
  Generator generator(1), same(1), third(1);
  const nn::Dense positive(4, 3, generator, {.bias_init = nn::init::constant(0.1)});
  const nn::Dense plain(4, 3, same), drawn(4, 3, third, {.bias_init = nn::init::normal()});
  CHECK(test::same_bits(positive.bias, full({3}, 0.1)));
  CHECK(test::same_bits(plain.bias, zeros({3})));
  CHECK(test::same_bits(positive.weight, plain.weight));
  CHECK(test::same_bits(drawn.weight, plain.weight));
}

TEST_CASE("dense: a bias of zeros draws nothing") {
  Generator generator(1), same(1);
  const nn::Dense first(4, 3, generator), again(4, 3, same, {.bias = false});
  CHECK(test::same_bits(randn({4}, generator), randn({4}, same)));
}

TEST_CASE("dense: a bias_init that is empty or does not suit is refused") {
  Generator generator(1);
  CHECK_THROWS_WITH(nn::Dense(4, 3, generator, {.bias_init = {}}),
                    "Dense: bias_init is empty, expected an initialiser");
  CHECK_THROWS_WITH(
      nn::Dense(4, 3, generator, {.bias_init = [](Tensor& bias, Generator&) { bias = ones({4}); }}),
      "Dense: bias_init has put another tensor in the bias's place, expected it to fill the f32 [3] that it "
      "was given");
}

TEST_CASE("sequential: replace puts another module in a place, and copies know its type") {
  Generator generator(1);
  nn::Sequential model{nn::Dense(4, 3, generator), nn::ReLU()};
  const Tensor before = model[0](numbers());
  model.replace(1, nn::ELU(0.5));
  CHECK(model.size() == 2);
  CHECK(test::same_bits(nn::clone(model)(numbers()), before.elu(0.5)));
}

TEST_CASE("sequential: of an AnyActivation it takes the activation inside") {
  nn::Sequential model{nn::AnyActivation(nn::ReLU()), nn::ReLU()};
  model.replace(1, nn::AnyActivation(nn::PReLU()));
  CHECK(dynamic_cast<nn::ReLU*>(&model[0]));
  CHECK(dynamic_cast<nn::PReLU*>(&model[1]));
  CHECK(nn::Sequential(model).size() == 2);
  CHECK_THROWS_WITH(model.add(nn::AnyActivation()), "Sequential: the module is null, expected one");
}

TEST_CASE("sequential: replace refuses a place that is not there, and null") {
  nn::Sequential model{nn::ReLU()};
  CHECK_THROWS_WITH(model.replace(1, nn::ELU()), "Sequential: there is no module 1, expected 0 to 0");
  CHECK_THROWS_WITH(model.replace(0, std::unique_ptr<nn::ELU>()),
                    "Sequential: the module is null, expected one");
  CHECK(model[0].type() == "relu");
}
