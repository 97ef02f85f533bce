// Initial values for whole models: RAI's distribution, LSUV's variances, gains that keep the second moment; refusals.
#include <doctest/doctest.h>

#include <cmath>
#include <iterator>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include <rill/core/bits.hpp>
#include <rill/rill.hpp>

#include "gradcheck.hpp"

using namespace rill;

namespace {

constexpr int depth = 30;

// `depth` layers of one width, each with the activation.
nn::Sequential deep(const nn::AnyActivation& activation, std::int64_t width, Generator& generator) {
  nn::Sequential model;
  for (int i = 0; i < depth; ++i)
    model.add(
        nn::Dense(width, width, generator, {.bias_init = nn::init::normal(), .activation = activation}));
  return model;
}

struct Moments {
  double mean = 0, square = 0;
  explicit Moments(const Tensor& x) {
    const Tensor values = x.detach().to(DType::f64);
    for (const double value : values.data<double>()) {
      mean += value / static_cast<double>(x.numel());
      square += value * value / static_cast<double>(x.numel());
    }
  }
  double variance() const { return square - mean * mean; }
};

// The variance of every linear op's result.
struct LinearVariances final : Observer {
  std::vector<double> all;
  void after(const OpRun& run) override {
    if (run.name == "linear") all.push_back(Moments(run.results[0]).variance());
  }
};

// E[h²] of what each layer of a Sequential returns.
std::vector<double> second_moments(nn::Sequential& model, Tensor h) {
  std::vector<double> squares;
  for (std::size_t i = 0; i < model.size(); ++i) {
    h = model[i](h).detach();
    squares.push_back(Moments(h).square);
  }
  return squares;
}

// A residual block of a user's, whose product is a function.
struct Residual final : nn::Module {
  explicit Residual(Generator& generator)
      : weight(randn({8, 8}, generator).requires_grad_()), bias(ones({8}).requires_grad_()) {}
  Tensor weight, bias;
  Tensor forward(const Tensor& x) override { return x + linear(x, weight, bias).elu(0.5); }
  void visit(nn::Visitor& visitor) override {
    visitor.parameter("weight", weight);
    visitor.parameter("bias", bias);
  }
};

struct Breaks final : nn::Module {
  int passes = 0;
  Tensor forward(const Tensor& x) override {
    if (++passes > 1) throw Error("breaks: as it should");
    return x;
  }
};

double deviation_of(const Tensor& weight) { return std::sqrt(Moments(weight).square); }

// What an attempt that throws leaves behind.
template <class Attempt>
void leaves_unchanged(nn::Module& model, const std::string& message, const Attempt& attempt) {
  std::vector<Tensor> before;
  for (const Tensor& value : model.parameters()) before.push_back(value.detach().clone());
  CHECK_THROWS_WITH(attempt(), message.c_str());
  const std::vector<Tensor> after = model.parameters();
  REQUIRE(after.size() == before.size());
  for (std::size_t i = 0; i < after.size(); ++i) CHECK(test::same_bits(after[i].detach(), before[i]));
}

}  // namespace

TEST_CASE("rai: the sum of a unit's weights and bias has the moments of its formula") {
  Generator generator(1);
  constexpr std::int64_t n = 4, units = 200000;
  nn::Dense dense(n, units, generator, {.dtype = DType::f64});
  nn::init::rai(dense, generator);
  // One Beta(2, 1), of mean 2/3 and variance 1/18, and n normal numbers of variance 0.6007²/n.
  const Moments sums(dense.weight.detach().sum({1}) + dense.bias.detach());
  const double variance = 1.0 / 18 + 0.6007 * 0.6007;
  CHECK(std::abs(sums.mean - 2.0 / 3) < 4 * std::sqrt(variance / units));
  CHECK(std::abs(sums.variance() / variance - 1) < 4 * std::sqrt(2.0 / units));
}

TEST_CASE("rai: weights and biases alike are the positive draw once in n + 1 times") {
  Generator generator(2);
  constexpr std::int64_t n = 4, units = 200000;
  nn::Dense dense(n, units, generator, {.dtype = DType::f64});
  nn::init::rai(dense, generator);
  const double mean = 2.0 / 3 / (n + 1);
  const double square = (0.6007 * 0.6007 / n * n + 0.5) / (n + 1);
  const double error = 4 * std::sqrt((square - mean * mean) / units);
  CHECK(std::abs(Moments(dense.bias).mean - mean) < error);
  CHECK(std::abs(Moments(dense.bias).square - square) < error);
  for (std::int64_t column = 0; column < n; ++column) {
    const Moments weights(dense.weight.detach().select(1, column));
    CHECK(std::abs(weights.mean - mean) < error);
    CHECK(std::abs(weights.square - square) < error);
  }
}

TEST_CASE("rai: the positive draw is Beta(2, 1)") {
  Generator generator(3);
  constexpr std::int64_t units = 2000;
  nn::Dense dense(10000, units, generator, {.bias = false});  // so wide that the other weights are near 0
  nn::init::rai(dense, generator);
  const Tensor largest = dense.weight.detach().max({1});
  for (const double x : {0.25, 0.5, 0.75, 0.9}) {
    const double share = (largest <= x).mean().item();  // whose expectation is x²
    CHECK(std::abs(share - x * x) < 4 * std::sqrt(x * x * (1 - x * x) / units));
  }
  CHECK(largest.max().item() <= 1);
}

TEST_CASE("rai: on request the first layer is symmetric, with biases of 0") {
  Generator generator(4), same(4);
  nn::Sequential model{nn::Dense(6, 5, generator, {.bias_init = nn::init::ones()}),
                       nn::Dense(5, 4, generator)};
  const nn::Dense first(6, 5, same), second(5, 4, same);
  Generator again(9), kaiming(9);
  nn::init::rai(model, again, {.symmetric_first_layer = true});
  Tensor expected = empty({5, 6});
  nn::init::kaiming_normal()(expected, kaiming);
  const auto values = model.parameters();
  CHECK(test::same_bits(values[0].detach(), expected));
  CHECK(test::same_bits(values[1].detach(), zeros({5})));
  CHECK_FALSE(test::same_bits(values[2].detach(), second.weight.detach()));
  CHECK(Moments(values[3]).square > 0);
}

TEST_CASE("rai: the tensors stay, and one seed gives one model") {
  Generator generator(5), a(6), b(6);
  nn::Sequential model{nn::Dense(6, 5, generator), nn::ReLU(), nn::Dense(5, 4, generator)};
  auto other = nn::clone(model);
  const Tensor weight = model.parameters()[0];
  const Tensor before = weight.detach().clone();
  nn::init::rai(model, a);
  nn::init::rai(other, b);
  CHECK_FALSE(test::same_bits(weight.detach(), before));
  CHECK(weight.requires_grad());
  for (std::size_t i = 0; i < 4; ++i)
    CHECK(test::same_bits(model.parameters()[i].detach(), other.parameters()[i].detach()));
}

TEST_CASE("rai: a model without a Dense is refused") {
  Generator generator(1);
  nn::Sequential model{nn::ReLU()};
  CHECK_THROWS_WITH(nn::init::rai(model, generator), "rai: the model has no Dense, expected at least one");
}

TEST_CASE("lsuv: in nets of 30 layers every pre-activation has variance 1 within the tolerance") {
  Generator generator(1);
  const Tensor probe = randn({64, 50}, generator) * 3.0 + 1.0;
  for (const nn::AnyActivation& activation :
       std::vector<nn::AnyActivation>{nn::ReLU(), nn::Tanh(), nn::ELU()}) {
    auto model = deep(activation, 50, generator);
    nn::init::lsuv(model, probe, generator);
    LinearVariances variances;
    model(probe);
    REQUIRE(variances.all.size() == depth);
    for (const double variance : variances.all) CHECK(std::abs(variance - 1) <= 0.1);
  }
}

TEST_CASE("lsuv: a narrow tolerance is met") {
  Generator generator(2);
  auto model = deep(nn::ReLU(), 20, generator);
  model.to(DType::f64);
  const Tensor probe = randn({64, 20}, generator, DType::f64);
  nn::init::lsuv(model, probe, generator, {.tolerance = 1e-12});
  LinearVariances variances;
  model(probe);
  for (const double variance : variances.all) CHECK(std::abs(variance - 1) <= 1e-10);
}

TEST_CASE("lsuv: rows of weights are orthogonal and of one length, biases are 0") {
  Generator generator(3);
  nn::Dense dense(8, 5, generator, {.bias_init = nn::init::ones(), .dtype = DType::f64});
  nn::init::lsuv(dense, randn({64, 8}, generator, DType::f64), generator);
  const Tensor products = dense.weight.detach().matmul(dense.weight.detach().t());
  for (int i = 0; i < 5; ++i) {
    for (int j = 0; j < 5; ++j)
      CHECK(products.at({i, j}) == doctest::Approx(i == j ? products.at({0, 0}) : 0).epsilon(1e-12));
  }
  CHECK(test::same_bits(dense.bias.detach(), zeros({5}, DType::f64)));
}

TEST_CASE("lsuv: it reaches functions in user's modules, and leaves what else they hold") {
  Generator generator(4);
  nn::Sequential model{Residual(generator), nn::LayerNorm(8), Residual(generator)};
  const Tensor probe = randn({32, 8}, generator);
  nn::init::lsuv(model, probe, generator);
  LinearVariances variances;
  model(probe);
  REQUIRE(variances.all.size() == 2);
  for (const double variance : variances.all) CHECK(std::abs(variance - 1) <= 0.1);
  CHECK(test::same_bits(model.parameters()[2].detach(), ones({8})));
}

TEST_CASE("lsuv: modes and the recording of graphs are as before") {
  Generator generator(5);
  nn::Sequential model{nn::Dense(8, 8, generator), nn::Dropout(0.5, generator)};
  nn::init::lsuv(model, randn({32, 8}, generator), generator);
  CHECK(model[1].training());
  CHECK(model(ones({2, 8})).requires_grad());
}

TEST_CASE("lsuv: what it refuses leaves the model as it was") {
  Generator generator(6);
  nn::Sequential model{nn::Dense(8, 8, generator, {.bias_init = nn::init::ones()}), nn::ReLU(),
                       nn::Dense(8, 8, generator)};
  Tensor broken = ones({4, 8});
  broken.set({1, 1}, std::numeric_limits<double>::quiet_NaN());
  const Tensor probe = randn({32, 8}, generator);
  const auto attempt = [&](const Tensor& x, const nn::init::LsuvOptions& options = {}) {
    return [&model, &generator, x, options] { nn::init::lsuv(model, x, generator, options); };
  };
  leaves_unchanged(model, "lsuv: the probe is undefined, expected samples [n, ...]", attempt({}));
  leaves_unchanged(model, "lsuv: the probe is [0, 8], expected samples [n, ...]", attempt(zeros({0, 8})));
  leaves_unchanged(model, "lsuv: the probe has a nan, expected finite numbers", attempt(broken));
  leaves_unchanged(model, "lsuv: tolerance is 0, expected a finite number above 0",
                   attempt(probe, {.tolerance = 0}));
  leaves_unchanged(model, "lsuv: max_tries is 0, expected 1 or more", attempt(probe, {.max_tries = 0}));
  leaves_unchanged(
      model,
      "lsuv: the variance of what \"0.weight\" makes of the probe is 0, expected a finite number "
      "above 0",
      attempt(zeros({4, 8})));
  leaves_unchanged(model, "linear: x has 7 features, weight expects 8 (x [4, 7], weight [8, 8])",
                   attempt(ones({4, 7})));
}

TEST_CASE("lsuv: a model that fails on the way is as it was") {
  Generator generator(7);
  nn::Sequential model{nn::Dense(8, 8, generator, {.bias_init = nn::init::ones()})};
  model.add(std::make_unique<Breaks>());
  leaves_unchanged(model, "breaks: as it should", [&] {
    nn::init::lsuv(model, randn({32, 8}, generator), generator);
  });
}

TEST_CASE("lsuv: what it refuses leaves the generator where it was") {
  Generator generator(7), drawn(9), other(9);
  nn::Sequential model{nn::Dense(8, 8, generator)};
  CHECK_THROWS_AS(nn::init::lsuv(model, zeros({4, 8}), drawn), Error);
  CHECK(rill::detail::same_bits(randn({4}, drawn), randn({4}, other)));
}

TEST_CASE("lsuv, variance_preserving: of layers that share a weight, all biases become 0") {
  struct Tied final : nn::Module {
    nn::Dense a, b;
    explicit Tied(Generator& g) : a(8, 8, g), b(8, 8, g) { b.weight = a.weight; }
    Tensor forward(const Tensor& x) override { return b(a(x).relu()); }
    void visit(nn::Visitor& visitor) override {
      visitor.child("a", a);
      visitor.child("b", b);
    }
  };
  Generator generator(7);
  Tied model(generator);
  const Tensor probe = randn({32, 8}, generator);
  model.b.bias.set({3}, 7);
  nn::init::lsuv(model, probe, generator);
  CHECK(model.b.bias.at({3}) == 0);
  model.b.bias.set({3}, 7);
  nn::init::variance_preserving(model, probe, generator);
  CHECK(model.b.bias.at({3}) == 0);
}

TEST_CASE("lsuv: a tolerance that is not met is told") {
  Generator generator(8);
  nn::Dense dense(8, 8, generator);
  CHECK_THROWS_AS(
      nn::init::lsuv(dense, randn({32, 8}, generator), generator, {.tolerance = 1e-30, .max_tries = 3}),
      Error);
}

TEST_CASE("lsuv: a model without weights is refused") {
  Generator generator(1);
  nn::Sequential model{nn::ReLU()};
  CHECK_THROWS_WITH(
      nn::init::lsuv(model, ones({2, 8}), generator),
      "lsuv: no linear op of the model reads a parameter, expected a Dense or a call of linear()");
}

TEST_CASE("variance_preserving: each weight has the gain of the activation that follows it") {
  Generator generator(1);
  constexpr std::int64_t n = 300;
  nn::Sequential model{nn::Dense(n, n, generator, {.activation = nn::ReLU()}),
                       nn::Dense(n, n, generator),
                       nn::BatchNorm1d(n),
                       nn::ELU(),
                       nn::Dense(n, n, generator),
                       nn::LeakyReLU(0.3),
                       nn::Dropout(0.5, generator),
                       nn::Dense(n, n, generator),
                       nn::PReLU(1, 0.5),
                       nn::Dense(n, n, generator),
                       nn::Tanh(),
                       nn::Dense(n, n, generator),
                       nn::ELU(0.5),
                       nn::Dense(n, n, generator)};
  nn::init::variance_preserving(model, randn({4, n}, generator), generator);
  const double gains[] = {std::sqrt(2.0),
                          1.245198,
                          1.354571,
                          std::sqrt(2 / 1.25),
                          1.592537,
                          nn::init::variance_gain("elu", 0.5),
                          1};
  std::size_t next = 0;
  for (const nn::NamedTensor& own : model.named_parameters()) {
    if (own.value.dim() != 2) continue;
    // The standard error of a deviation from n² numbers is 1/√(2 n²) of it.
    CHECK_MESSAGE(
        std::abs(deviation_of(own.value) * std::sqrt(n) / gains[next] - 1) < 4 / std::sqrt(2.0 * n * n),
        own.name);
    ++next;
  }
  CHECK(next == std::size(gains));
}

TEST_CASE("variance_preserving: the gain of PReLU follows from all its slopes") {
  Generator generator(2);
  constexpr std::int64_t n = 400;
  nn::Sequential model{nn::Dense(n, n, generator), nn::PReLU(n)};
  Tensor slopes = model.parameters()[2];
  for (std::int64_t i = 0; i < n; ++i) slopes.set({i}, i % 2 == 0 ? 0.0 : -1.0);  // mean square 0.5
  nn::init::variance_preserving(model, randn({4, n}, generator), generator);
  CHECK(std::abs(deviation_of(model.parameters()[0]) * std::sqrt(n) / std::sqrt(2 / 1.5) - 1) <
        4 / std::sqrt(2.0 * n * n));
}

TEST_CASE("variance_preserving: the second moment is kept through 30 layers, which it is not with gain 1") {
  Generator generator(3);
  constexpr std::int64_t width = 400;
  const Tensor probe = randn({16, width}, generator);
  for (const nn::AnyActivation& activation :
       std::vector<nn::AnyActivation>{nn::ReLU(), nn::LeakyReLU(0.3), nn::ELU(), nn::PReLU()}) {
    auto model = deep(activation, width, generator);
    nn::init::variance_preserving(model, probe, generator);
    const auto kept = second_moments(model, probe);
    CHECK_MESSAGE(kept[depth - 1] / kept[0] > 0.25, activation.type());
    CHECK_MESSAGE(kept[depth - 1] / kept[0] < 4, activation.type());
  }
  auto decaying = deep(nn::ReLU(), width, generator);
  for (Tensor value : decaying.parameters()) {
    if (value.dim() == 2) nn::init::lecun_normal()(value, generator);
    if (value.dim() == 1) nn::init::zeros()(value, generator);
  }
  // By a half a layer: 2^-29.
  const auto lost = second_moments(decaying, probe);
  CHECK(lost[depth - 1] / lost[0] < 1e-7);
}

TEST_CASE("variance_preserving: it reaches functions in user's modules, and sets biases to 0") {
  Generator generator(4);
  nn::Sequential model{Residual(generator)};
  nn::init::variance_preserving(model, randn({32, 8}, generator), generator);
  CHECK(test::same_bits(model.parameters()[1].detach(), zeros({8})));
  const double expected = nn::init::variance_gain("elu", 0.5) / std::sqrt(8.0);
  CHECK(std::abs(deviation_of(model.parameters()[0]) / expected - 1) < 4 / std::sqrt(2.0 * 64));
}

TEST_CASE(
    "activation_gain: variance_gain by the name of an op, its parameter and the approximation of gelu") {
  using nn::init::activation_gain;
  CHECK(activation_gain("relu", {}) == nn::init::variance_gain("relu"));
  CHECK(activation_gain("leaky_relu", 0.3) == nn::init::variance_gain("leaky_relu", 0.3));
  CHECK(activation_gain("softplus", 1.0) == nn::init::variance_gain("softplus"));
  CHECK(activation_gain("gelu_tanh", {}) == nn::init::variance_gain("gelu"));
  CHECK_THROWS_AS(activation_gain("softplus", 2.0), Error);
}

TEST_CASE("variance_preserving: a model with gelu's approximation by tanh has gelu's gain") {
  Generator generator(1);
  nn::Sequential model{nn::Dense(200, 200, generator), nn::GELU(GeluApproximation::tanh)};
  nn::init::variance_preserving(model, ones({2, 200}), generator);
  const double expected = nn::init::variance_gain("gelu") / std::sqrt(200.0);
  CHECK(deviation_of(model.parameters()[0]) == doctest::Approx(expected).epsilon(0.015));
}

TEST_CASE("variance_preserving: an activation without a known gain is refused, and nothing changes") {
  Generator generator(5);
  nn::Sequential model{nn::Dense(8, 8, generator), nn::ReLU(), nn::Dense(8, 8, generator), nn::Softplus(2)};
  leaves_unchanged(
      model,
      "variance_preserving: the gain of \"2.weight\" is not known; init: parameter is 2, expected "
      "none for softplus",
      [&] {
        nn::init::variance_preserving(model, ones({2, 8}), generator);
      });
  model.replace(3, nn::Softplus());
  nn::init::variance_preserving(model, ones({2, 8}), generator);
}

TEST_CASE("variance_preserving: a model without weights, and a probe without samples, are refused") {
  Generator generator(1);
  nn::Sequential model{nn::ReLU()};
  CHECK_THROWS_WITH(nn::init::variance_preserving(model, ones({2, 8}), generator),
                    "variance_preserving: no linear op of the model reads a parameter, expected a Dense or a "
                    "call of linear()");
  CHECK_THROWS_WITH(nn::init::variance_preserving(model, zeros({0, 8}), generator),
                    "variance_preserving: the probe is [0, 8], expected samples [n, ...]");
}
