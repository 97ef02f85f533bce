// Other activations for a model that is there already: which are reached, what they become, and refusals.
#include <doctest/doctest.h>

#include <limits>
#include <string>
#include <vector>

#include <rill/rill.hpp>

#include "gradcheck.hpp"

using namespace rill;

namespace {

using Paths = std::vector<std::string>;

// A user's module, whose activation can be switched.
struct Open final : nn::Module {
  explicit Open(Generator& generator) : dense(4, 4, generator) {}
  nn::Dense dense;
  nn::AnyActivation act = nn::ReLU();
  Tensor forward(const Tensor& x) override { return x + act(dense(x)); }
  void visit(nn::Visitor& visitor) override {
    visitor.child("dense", dense);
    visitor.child("act", act);
  }
};

// One whose activation cannot.
struct Fixed final : nn::Module {
  nn::ReLU act;
  Tensor forward(const Tensor& x) override { return act(x); }
  void visit(nn::Visitor& visitor) override { visitor.child("act", act); }
};

struct Functional final : nn::Module {
  Tensor forward(const Tensor& x) override { return x.relu(); }
};

// A ReLU in every place that can be switched.
nn::Sequential everywhere(Generator& generator) {
  return nn::Sequential{nn::Dense(3, 4, generator, {.activation = nn::ReLU()}),
                        nn::Sequential{nn::Dense(4, 4, generator), nn::ReLU()}, Open(generator), nn::ReLU(),
                        nn::Dense(4, 2, generator)};
}

std::string types(nn::Module& model) {
  std::string text;
  for (const auto& [name, module] : model.named_modules()) {
    if (dynamic_cast<nn::Activation*>(module)) text += name + "=" + std::string(module->type()) + " ";
  }
  return text;
}

Tensor batch(DType dtype = DType::f32) {
  Generator generator(7);
  return randn({16, 3}, generator, dtype);
}

}  // namespace

TEST_CASE(
    "switch_activations: it reaches parts of Sequentials, activations of Dense and members of user's "
    "modules") {
  Generator generator(1);
  auto model = everywhere(generator);
  CHECK(nn::switch_activations(model, nn::ELU()) == Paths{"0.activation", "1.1", "2.act", "3"});
  CHECK(types(model) == "0.activation=elu 1.1=elu 2.act=elu 3=elu ");
}

TEST_CASE("switch_activations: the model computes with the new activation") {
  Generator generator(1), same(1);
  nn::Sequential relu{nn::Dense(3, 4, generator), nn::ReLU(), nn::Dense(4, 2, generator)};
  nn::Sequential leaky{nn::Dense(3, 4, same), nn::LeakyReLU(0.1), nn::Dense(4, 2, same)};
  nn::switch_activations(relu, nn::LeakyReLU(0.1));
  CHECK(test::same_bits(relu(batch()), leaky(batch())));
}

TEST_CASE("switch_activations: other activations stay, and another type is switched when asked for") {
  nn::Sequential model{nn::ReLU(), nn::Tanh(), nn::ReLU(), nn::ELU()};
  CHECK(nn::switch_activations(model, nn::SELU(), "tanh") == Paths{"1"});
  CHECK(types(model) == "0=relu 1=selu 2=relu 3=elu ");
}

TEST_CASE("switch_activations: each place has parameters of its own") {
  Generator generator(1);
  auto model = everywhere(generator);
  const nn::AnyActivation to = nn::PReLU();
  const std::size_t before = model.parameters().size();
  nn::switch_activations(model, to);
  CHECK(model.parameters().size() == before + 4);
  model.zero_grad();
  for (auto& [name, value] : model.named_parameters()) {
    if (value.numel() == 1) value.mutable_data<float>()[0] = 3;
  }
  CHECK(dynamic_cast<const nn::PReLU&>(*to.get()).weight.at({0}) == 0.25);
}

TEST_CASE("switch_activations: what stands in a Sequential is the activation itself") {
  nn::Sequential model{nn::ReLU()};
  nn::switch_activations(model, nn::PReLU());
  CHECK(dynamic_cast<nn::PReLU*>(&model[0]));
}

TEST_CASE("switch_activations: each place keeps its mode") {
  Generator generator(1);
  auto model = everywhere(generator);
  model[1].eval();
  dynamic_cast<Open&>(model[2]).act.eval();
  nn::switch_activations(model, nn::ELU());
  const auto& inner = dynamic_cast<nn::Sequential&>(model[1])[1];
  CHECK_FALSE(inner.training());
  CHECK_FALSE(dynamic_cast<Open&>(model[2]).act.get()->training());
  CHECK(model[3].training());
}

TEST_CASE("switch_activations: hooks on an AnyActivation stay") {
  Generator generator(1);
  Open model(generator);
  int calls = 0;
  model.act.register_forward_hook([&](nn::Module&, const Tensor&, const Tensor&) {
    ++calls;
    return Tensor();
  });
  nn::switch_activations(model, nn::ELU());
  model(ones({2, 4}));
  CHECK(calls == 1);
}

TEST_CASE("switch_activations: new parameters have the model's dtype") {
  Generator generator(1);
  auto model = everywhere(generator);
  model.to(DType::f64);
  nn::switch_activations(model, nn::PReLU());
  CHECK(model(batch(DType::f64)).dtype() == DType::f64);
}

TEST_CASE("switch_activations: an activation of a fixed type is refused by its path, and nothing changes") {
  Generator generator(1);
  nn::Sequential model{nn::ReLU(), Fixed(), nn::Sequential{Fixed()}};
  CHECK_THROWS_WITH(nn::switch_activations(model, nn::ELU()),
                    "switch_activations: activations of a fixed type at 1.act, 2.0.act, expected parts of a "
                    "Sequential or members of type nn::AnyActivation");
  CHECK(types(model) == "0=relu 1.act=relu 2.0.act=relu ");
  nn::ReLU alone;
  CHECK_THROWS_WITH(nn::switch_activations(alone, nn::ELU()),
                    "switch_activations: activations of a fixed type at (model), expected parts of a "
                    "Sequential or members of type nn::AnyActivation");
}

TEST_CASE("switch_activations: where there is none of the type, the error says what there is") {
  nn::Sequential model{nn::Tanh(), nn::ELU(), nn::Tanh()};
  CHECK_THROWS_WITH(nn::switch_activations(model, nn::ELU()),
                    "switch_activations: the model has no relu to switch, but elu, tanh, expected one in a "
                    "Sequential or in "
                    "an nn::AnyActivation; functions in a forward(), such as x.relu(), cannot be switched");
  Functional functional;
  CHECK_THROWS_WITH(
      nn::switch_activations(functional, nn::ELU()),
      "switch_activations: the model has no relu to switch, but no module that is an activation, expected "
      "one "
      "in a Sequential or in an nn::AnyActivation; functions in a forward(), such as x.relu(), cannot be "
      "switched");
}

TEST_CASE("switch_activations: none is refused") {
  nn::Sequential model{nn::ReLU()};
  CHECK_THROWS_WITH(nn::switch_activations(model, nn::AnyActivation()),
                    "switch_activations: to is empty, expected an activation");
  CHECK(types(model) == "0=relu ");
}

TEST_CASE_TEMPLATE("switch_to_prelu: the model computes bitwise the same as before", T, float, double) {
  Generator generator(3);
  nn::Sequential model{nn::Dense(3, 8, generator, {.activation = nn::LeakyReLU(0.1)}),
                       nn::Dense(8, 4, generator),
                       nn::ReLU(),
                       Open(generator),
                       nn::LeakyReLU(0.0),
                       nn::Dense(4, 2, generator),
                       nn::LeakyReLU(0.3)};
  model.to(dtype_of<T>());
  const Tensor before = model(batch(dtype_of<T>())).detach();
  CHECK(nn::switch_to_prelu(model) == Paths{"0.activation", "2", "3.act", "4", "6"});
  CHECK(test::same_bits(model(batch(dtype_of<T>())).detach(), before));
}

TEST_CASE_TEMPLATE("switch_to_prelu: so do zeros of both signs, infinities and NaN", T, float, double) {
  constexpr T infinity = std::numeric_limits<T>::infinity();
  const Tensor x = tensor({0.0, -0.0, 1e30, -1e30, -100.0}).to(dtype_of<T>());
  Tensor special = zeros({3}, dtype_of<T>());
  special.mutable_data<T>()[0] = infinity;
  special.mutable_data<T>()[1] = -infinity;
  special.mutable_data<T>()[2] = std::numeric_limits<T>::quiet_NaN();
  for (const nn::AnyActivation& from : std::vector<nn::AnyActivation>{nn::ReLU(), nn::LeakyReLU(0.3)}) {
    Generator generator(1);
    nn::Sequential model{nn::AnyActivation(from), nn::LayerNorm(3)};  // which gives the model its dtype
    model.to(dtype_of<T>());
    const Tensor finite_before = model[0](x), special_before = model[0](special);
    nn::switch_to_prelu(model);
    CHECK(test::same_bits(model[0](x).detach(), finite_before));
    CHECK(test::same_bits(model[0](special).detach(), special_before));
  }
}

TEST_CASE("switch_to_prelu: the slopes are the old ones, and are trained from there on") {
  Generator generator(3);
  nn::Sequential model{nn::Dense(3, 8, generator), nn::ReLU(), nn::Dense(8, 8, generator),
                       nn::LeakyReLU(0.25), nn::Dense(8, 1, generator)};
  nn::switch_to_prelu(model);
  const Tensor first = dynamic_cast<nn::PReLU&>(model[1]).weight,
               second = dynamic_cast<nn::PReLU&>(model[3]).weight;
  CHECK(first.at({0}) == 0);
  CHECK(second.at({0}) == 0.25);
  optim::SGD optimizer(model, {.lr = 0.1});
  model(batch()).square().mean().backward();
  optimizer.step();
  CHECK(first.at({0}) != 0);
  CHECK(second.at({0}) != 0.25);
}

TEST_CASE("switch_to_prelu: other activations stay, and a model without ReLU or LeakyReLU is refused") {
  nn::Sequential model{nn::ReLU(), nn::ELU(), nn::PReLU()};
  CHECK(nn::switch_to_prelu(model) == Paths{"0"});
  CHECK(types(model) == "0=prelu 1=elu 2=prelu ");
  CHECK_THROWS_WITH(
      nn::switch_to_prelu(model),
      "switch_to_prelu: the model has no relu or leaky_relu to switch, but elu, prelu, expected "
      "one in a Sequential or in an nn::AnyActivation; functions in a forward(), such as "
      "x.relu(), cannot be switched");
}
