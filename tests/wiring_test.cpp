// wiring: which weights make the units of an activation and which read them, and why units cannot be replaced.
#include <functional>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <rill/rill.hpp>

#include "values.hpp"

using namespace rill;
using test::message_of;

namespace {

// A module made of named Dense layers and a function of them.
struct Made final : nn::Module {
  std::vector<nn::Dense> dense;
  std::function<Tensor(Made&, const Tensor&)> function;
  Made(std::vector<nn::Dense> layers, std::function<Tensor(Made&, const Tensor&)> forward_function)
      : dense(std::move(layers)), function(std::move(forward_function)) {}
  Tensor forward(const Tensor& x) override { return function(*this, x); }
  void visit(nn::Visitor& visitor) override {
    const char* names[] = {"a", "b", "c"};
    for (std::size_t i = 0; i < dense.size(); ++i) visitor.child(names[i], dense[i]);
  }
};

Made made(std::function<Tensor(Made&, const Tensor&)> forward_function) {
  Generator generator(1);
  std::vector<nn::Dense> layers;
  layers.emplace_back(3, 4, generator);
  layers.emplace_back(4, 4, generator);
  layers.emplace_back(4, 2, generator);
  return Made(std::move(layers), std::move(forward_function));
}

Tensor probe() { return tensor({{1, 2, 3}, {-1, 0.5, 2}}); }

std::string obstacle_of(std::function<Tensor(Made&, const Tensor&)> forward_function) {
  Made model = made(std::move(forward_function));
  return nn::wiring(model, probe()).layers.at(0).obstacle;
}

bool same_tensor(const Tensor& a, const Tensor& b) {
  return a.data<float>().data() == b.data<float>().data();
}

}  // namespace

TEST_CASE("wiring: a layer's units are made by the Dense before it and read by the one after it") {
  Generator generator(1);
  nn::Sequential model{nn::Dense(3, 4, generator), nn::LeakyReLU(0.1),
                       nn::Dense(4, 5, generator, {.bias = false}), nn::Tanh(), nn::Dense(5, 2, generator)};
  const nn::Wiring wiring = nn::wiring(model, probe());
  REQUIRE(wiring.layers.size() == 2);
  const nn::LayerWiring& first = wiring.layers[0];
  CHECK(first.name == "1");
  CHECK(first.activation == "leaky_relu");
  CHECK(first.parameter == 0.1);
  CHECK(first.units == 4);
  CHECK(first.weight.name == "0.weight");
  CHECK(same_tensor(first.weight.value, dynamic_cast<nn::Dense&>(model[0]).weight));
  CHECK(first.bias.name == "0.bias");
  REQUIRE(first.outgoing.size() == 1);
  CHECK(first.outgoing[0].weight.name == "2.weight");
  CHECK_FALSE(first.outgoing[0].bias.value.defined());
  CHECK(first.obstacle.empty());
  CHECK(first.mixing.empty());
  CHECK_FALSE(wiring.layers[1].bias.value.defined());
  CHECK(wiring.layers[1].outgoing.at(0).bias.name == "4.bias");
}

TEST_CASE("wiring: names are those of the audit") {
  Made model = made([](Made& m, const Tensor& x) {
    Tensor h = m.dense[0](x).relu();
    return m.dense[2](m.dense[1](h).relu()).sigmoid();
  });
  const nn::HealthReport report = nn::audit(model, probe());
  const nn::Wiring wiring = nn::wiring(model, probe());
  REQUIRE(wiring.layers.size() == report.layers.size());
  for (std::size_t i = 0; i < report.layers.size(); ++i)
    CHECK(wiring.layers[i].name == report.layers[i].name);
  CHECK(&wiring.layer("relu#2") == &wiring.layers[1]);
}

TEST_CASE("wiring: functions and in-place forms in a module of one's own are followed") {
  Made model = made([](Made& m, const Tensor& x) {
    Tensor h = linear(x, m.dense[0].weight, m.dense[0].bias);
    h.relu_();
    return linear(h, m.dense[2].weight);
  });
  const nn::Wiring wiring = nn::wiring(model, probe());
  REQUIRE(wiring.layers.size() == 1);
  CHECK(wiring.layers[0].obstacle.empty());
  CHECK(wiring.layers[0].weight.name == "a.weight");
  CHECK(wiring.layers[0].outgoing.at(0).weight.name == "c.weight");
}

TEST_CASE("wiring: Dropout, reshapes and Flatten leave units in their places") {
  Generator generator(1);
  nn::Sequential model{nn::Dense(3, 4, generator),
                       nn::Dropout(0.5, generator),
                       nn::ReLU(),
                       nn::Dropout(0.5, generator),
                       nn::Flatten(),
                       nn::Dense(8, 2, generator)};
  const nn::Wiring wiring = nn::wiring(model, randn({5, 2, 3}, generator));
  REQUIRE(wiring.layers.size() == 1);
  CHECK(wiring.layers[0].obstacle.empty());
  CHECK(wiring.layers[0].units == 4);
  // Two columns a unit: 8 columns for 4 units.
  CHECK(wiring.layers[0].outgoing.at(0).weight.value.shape() == Shape({2, 8}));
  CHECK(model.training());
}

TEST_CASE("wiring: several readers of one activation are all found") {
  Made model = made([](Made& m, const Tensor& x) {
    const Tensor h = m.dense[0](x).relu();
    return concat({m.dense[1](h), m.dense[2](h)}, 1);
  });
  const nn::LayerWiring layer = nn::wiring(model, probe()).layers.at(0);
  CHECK(layer.obstacle.empty());
  REQUIRE(layer.outgoing.size() == 2);
  CHECK(layer.outgoing[0].weight.name == "b.weight");
  CHECK(layer.outgoing[1].weight.name == "c.weight");
}

TEST_CASE("wiring: BatchNorm's channels are the unit's, before the activation and after it") {
  Generator generator(1);
  nn::Sequential model{nn::Dense(3, 4, generator), nn::BatchNorm1d(4), nn::ReLU(), nn::BatchNorm1d(4),
                       nn::Dense(4, 2, generator)};
  const nn::LayerWiring layer = nn::wiring(model, probe()).layers.at(0);
  CHECK(layer.obstacle.empty());
  CHECK(layer.mixing.empty());
  REQUIRE(layer.norms.size() == 2);
  CHECK(layer.norms[0].norm == "batch_norm 1");
  CHECK(layer.norms[0].before);
  CHECK(layer.norms[0].weight.name == "1.weight");
  CHECK(layer.norms[0].bias.name == "1.bias");
  CHECK(layer.norms[0].mean.name == "1.running_mean");
  CHECK(layer.norms[0].variance.name == "1.running_var");
  CHECK_FALSE(layer.norms[1].before);
  CHECK(layer.norms[1].weight.name == "3.weight");
}

TEST_CASE("wiring: BatchNorm without running statistics is followed too") {
  Generator generator(1);
  nn::Sequential model{nn::Dense(3, 4, generator), nn::BatchNorm1d(4, {.track_running_stats = false}),
                       nn::ReLU(), nn::Dense(4, 2, generator)};
  const nn::LayerWiring layer = nn::wiring(model, probe()).layers.at(0);
  CHECK(layer.obstacle.empty());
  REQUIRE(layer.norms.size() == 1);
  CHECK(layer.norms[0].weight.name == "1.weight");
  CHECK_FALSE(layer.norms[0].mean.value.defined());
}

TEST_CASE("wiring: LayerNorm mixes units, before the activation and after it") {
  Generator generator(1);
  nn::Sequential before{nn::Dense(3, 4, generator), nn::LayerNorm(4), nn::ReLU(), nn::Dense(4, 2, generator)};
  nn::Sequential after{nn::Dense(3, 4, generator), nn::ReLU(), nn::LayerNorm(4), nn::Dense(4, 2, generator)};
  CHECK(nn::wiring(before, probe()).layers.at(0).mixing ==
        "layer_norm 1 before the activation mixes the units");
  CHECK(nn::wiring(after, probe()).layers.at(0).mixing ==
        "layer_norm 2 after the activation mixes the units");
  CHECK(nn::wiring(after, probe()).layers.at(0).obstacle.empty());
  CHECK(nn::wiring(after, probe()).layers.at(0).norms.at(0).weight.name == "2.weight");
}

TEST_CASE("wiring: what a reader got of the first sample is told column by column") {
  Made model = made([](Made& m, const Tensor& x) { return m.dense[2](m.dense[0](x).relu() + 2.0); });
  const Tensor h = model.dense[0](probe()).relu() + 2.0;
  const nn::LayerWiring layer = nn::wiring(model, probe()).layers.at(0);
  CHECK(layer.obstacle.empty());
  for (std::size_t i = 0; i < 4; ++i) CHECK(layer.outgoing.at(0).input.at(i) == h.data<float>()[i]);
}

TEST_CASE("wiring: an output of the model cannot be replaced") {
  CHECK(obstacle_of([](Made& m, const Tensor& x) { return m.dense[0](x).relu(); }) ==
        "its output is the model's output");
  CHECK(obstacle_of([](Made& m, const Tensor& x) {
          return m.dense[0](x).relu().reshape({-1, 2, 2});
        }) == "its output is the model's output");
}

TEST_CASE("wiring: what goes round or along the activation cannot be replaced") {
  CHECK(obstacle_of([](Made& m, const Tensor& x) {
          const Tensor h = m.dense[0](x).relu();
          return m.dense[2](m.dense[1](h) + h);
        }) == "its output goes into add");
  CHECK(obstacle_of([](Made& m, const Tensor& x) {
          const Tensor z = m.dense[0](x);
          return m.dense[2](concat({z.relu(), z}, 1).slice(1, 0, 4));
        }) == "its output goes into concat");
  CHECK(obstacle_of([](Made& m, const Tensor& x) {
          const Tensor z = m.dense[0](x);
          const Tensor y = m.dense[2](z.relu());
          return y + z.sum();
        }) == "its pre-activation goes into relu and into sum");
  CHECK(obstacle_of([](Made& m, const Tensor& x) {
          const Tensor z = m.dense[0](x);
          const Tensor y = m.dense[2](z.relu());
          return y + m.dense[1](z.tanh()).sum();
        }) == "its pre-activation goes into relu and into tanh");
  CHECK(obstacle_of([](Made& m, const Tensor& x) { return m.dense[2](m.dense[0](x).relu().softmax()); }) ==
        "its output goes into softmax");
}

TEST_CASE("wiring: a pre-activation that is not one Dense's cannot be replaced") {
  CHECK(obstacle_of([](Made& m, const Tensor& x) {
          return m.dense[2](m.dense[1](x.relu().matmul(ones({3, 4}))));
        }) == "its output goes into matmul");
  CHECK(obstacle_of([](Made& m, const Tensor& x) { return m.dense[0](x.relu()); }) ==
        "its pre-activation does not come from one Dense");
  CHECK(obstacle_of([](Made& m, const Tensor& x) {
          return m.dense[2](linear(x, m.dense[0].weight * 2.0).relu());
        }) == "its pre-activation is made from what is no parameter of the model");
  CHECK(obstacle_of([](Made& m, const Tensor& x) {
          return m.dense[2]((m.dense[0](x) * tensor({1, 2, 3, 4})).relu());
        }) == "its pre-activation goes through mul with a vector that is no BatchNorm1d's");
}

TEST_CASE("wiring: weights that are used more than once cannot be replaced") {
  CHECK(obstacle_of([](Made& m, const Tensor& x) {
          return m.dense[2](m.dense[1](m.dense[1](m.dense[0](x)).relu()));
        }) == "b.weight is used more than once");
  CHECK(obstacle_of([](Made& m, const Tensor& x) {
          const Tensor h = m.dense[0](x).relu();
          return m.dense[2](h) + m.dense[2].weight.sum();
        }) == "c.weight is used more than once");
}

TEST_CASE("wiring: units that make a weight or a bias cannot be replaced") {
  CHECK(obstacle_of([](Made& m, const Tensor& x) {
          const Tensor h = m.dense[0](x).relu();
          return m.dense[2](h) + linear(ones({1, 4}), h).sum();
        }) == "its output goes into linear as its weight or bias");
}

TEST_CASE("wiring: a reader's bias that is used more than once cannot take a constant") {
  CHECK(obstacle_of([](Made& m, const Tensor& x) {
          return m.dense[2](m.dense[0](x).relu()) + m.dense[2].bias;
        }) == "c.bias is used more than once");
}

TEST_CASE("wiring: a norm over a part of the units cannot be replaced") {
  struct Grouped final : nn::Module {
    nn::Dense a, b;
    nn::LayerNorm norm{2};
    bool before;
    Grouped(Generator& g, bool norm_before) : a(3, 4, g), b(4, 2, g), before(norm_before) {}
    Tensor forward(const Tensor& x) override {
      const Tensor h = before ? a(x) : a(x).relu();
      const Tensor y = norm(h.reshape({-1, 2, 2})).reshape({-1, 4});
      return b(before ? y.relu() : y);
    }
    void visit(nn::Visitor& visitor) override {
      visitor.child("a", a);
      visitor.child("norm", norm);
      visitor.child("b", b);
    }
  };
  Generator generator(1);
  Grouped after(generator, false), before(generator, true);
  CHECK(nn::wiring(after, probe()).layers.at(0).obstacle == "its output goes into layer_norm");
  CHECK(nn::wiring(before, probe()).layers.at(0).obstacle ==
        "its pre-activation does not come from one Dense");
}

TEST_CASE("wiring: a norm that is used more than once cannot be replaced") {
  Generator generator(1);
  struct Twice final : nn::Module {
    nn::Dense a, b, c;
    nn::BatchNorm1d norm{4};
    explicit Twice(Generator& g) : a(3, 4, g), b(4, 4, g), c(4, 2, g) {}
    Tensor forward(const Tensor& x) override { return c(norm(b(norm(a(x)).relu())).relu()); }
    void visit(nn::Visitor& visitor) override {
      visitor.child("a", a);
      visitor.child("b", b);
      visitor.child("c", c);
      visitor.child("norm", norm);
    }
  } model(generator);
  CHECK(nn::wiring(model, probe()).layers.at(0).obstacle == "batch_norm norm is used more than once");
}

TEST_CASE("wiring: every weight is told with the activation that follows it, also through norms and sums") {
  Made model = made([](Made& m, const Tensor& x) {
    const Tensor h = (m.dense[0](x) * tensor({1, 2, 3, 4})).elu(0.5);
    return m.dense[2]((m.dense[1](h) + h).leaky_relu(0.2));
  });
  const nn::Wiring wiring = nn::wiring(model, probe());
  REQUIRE(wiring.weights.size() == 3);
  CHECK(wiring.weights[0].weight.name == "a.weight");
  CHECK(wiring.weights[0].activation == "elu");
  CHECK(wiring.weights[0].parameter == 0.5);
  CHECK(wiring.weights[1].activation == "leaky_relu");
  CHECK(wiring.weights[1].parameter == 0.2);
  CHECK(wiring.weights[2].activation == "linear");
  CHECK_FALSE(wiring.weights[2].parameter.has_value());
}

TEST_CASE("wiring: a model of f64 takes a probe of f32") {
  Generator generator(1);
  nn::Sequential model{nn::Dense(3, 4, generator), nn::ReLU(), nn::Dense(4, 2, generator)};
  model.to(DType::f64);
  CHECK(nn::wiring(model, probe()).layers.at(0).obstacle.empty());
}

TEST_CASE("wiring: no probe, an empty one, and an unknown layer are refused") {
  Made model = made([](Made& m, const Tensor& x) { return m.dense[2](m.dense[0](x).relu()); });
  CHECK(message_of([&] { nn::wiring(model, {}); }) ==
        "wiring: the probe is undefined, expected samples [n, ...]");
  CHECK(message_of([&] {
          nn::wiring(model, zeros({0, 3}));
        }) == "wiring: the probe is [0, 3], expected samples [n, ...]");
  CHECK(message_of([&] { nn::wiring(model, probe()).layer("1"); }) ==
        "wiring: there is no layer \"1\", expected one of relu");
}
