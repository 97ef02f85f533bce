// audit: what it says of constant outputs, of gradients that a model takes itself, of modules that visit() does not tell of,
// and of numbers that are not finite.
#include <doctest/doctest.h>

#include <cmath>
#include <memory>
#include <vector>

#include <rill/rill.hpp>

using namespace rill;
using nn::UnitHealth;

namespace {

const auto sum_loss = [](const Tensor& y, const Tensor&) { return y.sum(); };

nn::data::TensorDataset probe_of(Tensor x) {
  const std::int64_t n = x.size(0);
  return {std::move(x), zeros({n}, DType::i64)};
}

void fill(nn::Module& model, std::string_view name, float value) {
  for (nn::NamedTensor& parameter : model.named_parameters()) {
    if (parameter.name == name) std::ranges::fill(parameter.value.mutable_data<float>(), value);
  }
}

// Multiplies by a weight, and adds nothing to relu of that, by way of a gradient of its own.
struct Penalised final : nn::Module {
  Tensor scale = ones({3}).requires_grad_();
  bool graph;
  explicit Penalised(bool create_graph) : graph(create_graph) {}
  Tensor forward(const Tensor& x) override {
    const Tensor h = x * scale, y = h.relu();
    const Tensor own = grad({(y * 5.0).sum()}, {h}, {}, {.retain_graph = true, .create_graph = graph})[0];
    return y + own * 0.0;
  }
  void visit(nn::Visitor& visitor) override { visitor.parameter("scale", scale); }
};

}  // namespace

TEST_CASE("born_dead: a dead layer is seen at the output also where layers with biases follow") {
  Generator generator(1);
  for (const std::int64_t width : {3, 10, 17, 64}) {
    for (const std::int64_t samples : {2, 7, 50, 501}) {
      CAPTURE(width);
      CAPTURE(samples);
      nn::Sequential model{
          nn::Dense(4, width, generator),     nn::ReLU(), nn::Dense(width, width, generator), nn::ReLU(),
          nn::Dense(width, width, generator), nn::ReLU(), nn::Dense(width, 3, generator)};
      fill(model, "0.bias", -1000);
      for (const char* name : {"2.bias", "4.bias", "6.bias"}) fill(model, name, 0.7F);
      CHECK(nn::born_dead(model, randn({samples, 4}, generator)).network);
    }
  }
}

TEST_CASE("born_dead: one sample, equal samples and a scalar output do not show a network to be dead") {
  Generator generator(1);
  nn::Sequential model{nn::Dense(2, 3, generator), nn::ReLU(), nn::Dense(3, 1, generator)};
  CHECK_FALSE(nn::born_dead(model, ones({1, 2})).network);
  CHECK_FALSE(nn::born_dead(model, ones({5, 2})).network);
  struct Mean final : nn::Module {
    Tensor forward(const Tensor& x) override { return x.relu().mean(); }
  } mean;
  CHECK_FALSE(nn::born_dead(mean, randn({5, 2}, generator)).network);
}

TEST_CASE("born_dead: units that are not finite are counted apart, and the output is told") {
  Generator generator(1);
  nn::Sequential model{nn::Dense(2, 3, generator), nn::ReLU(), nn::Dense(3, 1, generator)};
  fill(model, "0.weight", NAN);
  const auto found = nn::born_dead(model, randn({5, 2}, generator));
  CHECK(found.non_finite == 3);
  CHECK_FALSE(found.network);
  CHECK_FALSE(found.report.finite_output);
}

TEST_CASE("audit: a gradient that the model takes in its forward is not the loss's") {
  const auto probe = probe_of(tensor({{1, 2, -3}, {4, 5, 6}}));
  Penalised plain(false), second(true);
  const auto once = nn::audit(plain, probe, {.loss = sum_loss});
  CHECK(once.layers[0].units[0].gradient_rms == 2);
  CHECK(once.layers[0].units[2].gradient_rms == doctest::Approx(std::sqrt(2)));
  const auto twice = nn::audit(second, probe, {.loss = sum_loss});
  CHECK(std::isnan(twice.layers[0].units[0].gradient_rms));
  CHECK_FALSE(twice.layers[0].units[0].zero_gradient);
  CHECK(twice.parameters[0].gradient_norm == once.parameters[0].gradient_norm);
}

TEST_CASE("audit: a gradient at units that fold samples is still that of a sample's own loss") {
  struct Folding final : nn::Module {
    Tensor scale = ones({1}).requires_grad_();
    Tensor forward(const Tensor& x) override {
      return (x * scale).reshape({-1, 2}).relu().reshape({x.size(0), -1});
    }
    void visit(nn::Visitor& visitor) override { visitor.parameter("scale", scale); }
  } model;
  const auto mean_loss = [](const Tensor& y, const Tensor&) { return y.sum() / 3.0; };
  const auto report = nn::audit(model, probe_of(ones({3, 8})), {.loss = mean_loss});
  CHECK(report.layers[0].samples == 12);
  CHECK(report.layers[0].units[0].gradient_rms == doctest::Approx(1));
}

TEST_CASE("audit: modules that visit does not tell of are the same in every pass") {
  struct Fresh final : nn::Module {
    std::vector<std::unique_ptr<nn::ReLU>> made;
    Tensor forward(const Tensor& x) override {
      Tensor y = x;
      for (int i = 0; i < 2; ++i) y = (*made.emplace_back(std::make_unique<nn::ReLU>()))(y);
      return y;
    }
  } model;
  const auto report = nn::audit(model, tensor({{-1}, {-1}, {1}}), {.batch_size = 1});
  REQUIRE(report.layers.size() == 2);
  CHECK(report.layers[1].name == "relu#2");
  CHECK(report.layers[0].samples == 3);
  CHECK(report.dead() == 0);
}

TEST_CASE(
    "audit: a gradient is that of the activation that was walked, also where another read the same tensor") {
  struct Aside final : nn::Module {
    Tensor scale = ones({1}).requires_grad_();
    Tensor aside;
    Tensor forward(const Tensor& x) override {
      const Tensor h = x * scale;
      const Tensor y = h.silu();
      aside = h.gelu();
      return y;
    }
    void visit(nn::Visitor& visitor) override { visitor.parameter("scale", scale); }
  } model;
  const auto report = nn::audit(model, probe_of(ones({2, 1})), {.loss = sum_loss});
  CHECK(report.layer("silu").units[0].gradient_rms > 0);
  CHECK(std::isnan(report.layer("gelu").units[0].gradient_rms));
}

TEST_CASE("audit: a unit whose output is NaN though its input is not is not finite") {
  Generator generator(1);
  nn::Sequential model{nn::Dense(2, 3, generator), nn::PReLU(), nn::Dense(3, 1, generator)};
  fill(model, "1.weight", NAN);
  const auto probe = probe_of(randn({20, 2}, generator));
  const auto report = nn::audit(model, probe, {.loss = sum_loss});
  CHECK(report.layers[0].non_finite() == 3);
  CHECK(report.layers[0].count(&UnitHealth::constant) == 0);
  CHECK(nn::diagnose(report).at(0).layer == "1");
}

TEST_CASE("audit: gradients that are NaN make no score, and the output is named where it is the cause") {
  Generator generator(1);
  nn::Sequential model{nn::Dense(2, 3, generator), nn::ReLU(), nn::Dense(3, 2, generator)};
  fill(model, "2.weight", 3e38F);
  fill(model, "0.bias", 10);
  const auto loss = [](const Tensor& y, const Tensor& target) { return cross_entropy(y, target); };
  for (const bool with_loss : {false, true}) {
    nn::AuditOptions options;
    if (with_loss) options.loss = loss;
    const auto report = nn::audit(model, probe_of(rand({20, 2}, generator)), options);
    CHECK(report.non_finite() == 0);
    CHECK_FALSE(report.constant_output);
    REQUIRE(nn::diagnose(report).at(0).rule == "non_finite");
    CHECK(nn::diagnose(report)[0].reason ==
          "the output holds NaN or infinities, though every unit is finite");
    CHECK_THROWS_WITH_AS(
        report.layers[0].gradient_dormant(0),
        "gradient_dormant: layer 1 has no gradient scores, expected an audit with a loss whose "
        "gradients are finite",
        Error);
  }
}

TEST_CASE("audit: targets are converted to the model's dtype, as samples are") {
  Generator generator(1);
  nn::Sequential model{nn::Dense(2, 3, generator), nn::ReLU(), nn::Dense(3, 1, generator)};
  model.to(DType::f64);
  const nn::data::TensorDataset probe(randn({6, 2}, generator), randn({6, 1}, generator));
  const auto loss = [](const Tensor& y, const Tensor& target) { return mse_loss(y, target); };
  CHECK(nn::audit(model, probe, {.loss = loss}).loss > 0);
}
