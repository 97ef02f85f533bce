// audit: which activations it finds, what it measures of their units, and that the model stays as it was.
#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include <rill/rill.hpp>

#include "gradcheck.hpp"
#include "thread_count.hpp"

using namespace rill;
using nn::UnitHealth;

namespace {

const auto sum_loss = [](const Tensor& y, const Tensor&) { return y.sum(); };

std::vector<std::string> names(const nn::HealthReport& report) {
  std::vector<std::string> all;
  for (const nn::LayerHealth& layer : report.layers) all.push_back(layer.name);
  return all;
}

// A dense layer with these weights and biases.
nn::Dense dense(const Tensor& weight, const Tensor& bias) {
  Generator generator(1);
  nn::Dense layer(weight.size(1), weight.size(0), generator);
  std::ranges::copy(weight.data<float>(), layer.weight.mutable_data<float>().begin());
  std::ranges::copy(bias.data<float>(), layer.bias.mutable_data<float>().begin());
  return layer;
}

nn::data::TensorDataset probe_of(Tensor x) {
  const std::int64_t n = x.size(0);
  return {std::move(x), zeros({n}, DType::i64)};
}

// Activations as functions, in place, twice from one module, and as a module.
struct Mixed final : nn::Module {
  nn::ReLU relu;
  Tensor forward(const Tensor& x) override {
    Tensor h = x * 1.0;
    h.leaky_relu_(0.5);
    const Tensor on = relu(x), off = relu(-x), both = x.tanh();
    return h + on + off + both;
  }
  void visit(nn::Visitor& visitor) override { visitor.child("relu", relu); }
};

}  // namespace

TEST_CASE("audit: activations are found as layers, functions, in place and in modules that run twice") {
  nn::Sequential model{nn::ELU(), nn::Sequential{nn::Flatten(), Mixed()}};
  const auto report = nn::audit(model, tensor({{1, -1, 0}, {2, -2, 0}}));
  CHECK(names(report) ==
        std::vector<std::string>{"0", "1.1.leaky_relu", "1.1.relu", "1.1.relu#2", "1.1.tanh"});
  CHECK(report.layer("1.1.relu").blocks_gradient);
  CHECK_FALSE(report.layer("1.1.leaky_relu").blocks_gradient);
  CHECK(report.layer("1.1.leaky_relu").never_positive() == 2);
  CHECK(report.layer("1.1.relu").dead() == 2);
  CHECK(report.layer("1.1.relu#2").dead() == 2);
  CHECK(report.layer("1.1.tanh").activation == "tanh");
}

TEST_CASE("audit: a root module's functions and an activation that is the model are named by their ops") {
  Mixed root;
  CHECK(names(nn::audit(root, tensor({{1, -1}}))) ==
        std::vector<std::string>{"leaky_relu", "relu", "relu#2", "tanh"});
  nn::SELU alone;
  CHECK(names(nn::audit(alone, tensor({{1, -1}}))) == std::vector<std::string>{"selu"});
}

TEST_CASE("audit: the numbers of a unit are those of its samples") {
  // Unit 0 sees 1, 3, -2; unit 1 never fires; unit 2 always does; each doubled and shifted on the way.
  nn::Sequential model{dense(tensor({{1, 0}, {0, -1}, {0, 1}}), tensor({0, 0, 0})), nn::ReLU(),
                       dense(tensor({{1, 1, -2}}), tensor({0}))};
  const auto report = nn::audit(model, probe_of(tensor({{1, 2}, {3, 4}, {-2, 6}})), {.loss = sum_loss});
  REQUIRE(report.layers.size() == 1);
  const nn::LayerHealth& layer = report.layers[0];
  CHECK(layer.name == "1");
  CHECK(layer.samples == 3);
  REQUIRE(layer.size() == 3);
  const UnitHealth &first = layer.units[0], &off = layer.units[1], &linear = layer.units[2];
  CHECK(first.frequency == doctest::Approx(2.0 / 3));
  CHECK(first.mean == doctest::Approx(2.0 / 3));
  CHECK(first.variance == doctest::Approx(14.0 / 3 - 4.0 / 9));
  CHECK(first.output_mean == doctest::Approx(4.0 / 3));
  CHECK(first.output_variance == doctest::Approx(10.0 / 3 - 16.0 / 9));
  CHECK(off.mean == doctest::Approx(-4));
  CHECK((off.never_on && off.constant && off.zero_gradient && !off.always_on));
  CHECK((linear.always_on && !linear.never_on && !linear.constant && !linear.zero_gradient));
  // E|y| is 4/3, 0 and 4, the mean 16/9; |dL/dy| is 1, 1 and 2, the mean 4/3.
  CHECK(first.activity_score == doctest::Approx(0.75));
  CHECK(off.activity_score == 0);
  CHECK(linear.activity_score == doctest::Approx(2.25));
  CHECK(linear.gradient_score == doctest::Approx(1.5));
  // The sum's gradient at the pre-activations: 1, 1, 0 for unit 0, times the 3 samples that a mean would divide by.
  CHECK(first.gradient_rms == doctest::Approx(3 * std::sqrt(2.0 / 3)));
  CHECK(off.gradient_rms == 0);
  CHECK(layer.dormant(0) == 1);
  CHECK(layer.dormant(0.75) == 2);
  CHECK(layer.gradient_dormant(0.75) == 2);
  CHECK(layer.frequency() == doctest::Approx(5.0 / 9));
  CHECK(layer.blind_samples == 0);
  CHECK(report.loss == -20);
}

TEST_CASE("audit: parameters have norms, and the gradient of the mean loss over all passes") {
  nn::Sequential model{dense(tensor({{3, 4}}), tensor({1})), nn::ReLU()};
  const auto mean_loss = [](const Tensor& y, const Tensor&) { return y.mean(); };
  const auto report = nn::audit(model, probe_of(tensor({{1, 0}, {0, 2}, {2, 0}, {-9, 0}})),
                                {.loss = mean_loss, .batch_size = 1});
  REQUIRE(report.parameters.size() == 2);
  CHECK(report.parameters[0].name == "0.weight");
  CHECK(report.parameters[0].norm == doctest::Approx(5));
  CHECK(report.parameters[0].gradient_norm == doctest::Approx(std::hypot(3.0 / 4, 2.0 / 4)));
  CHECK(report.parameters[1].gradient_norm == doctest::Approx(3.0 / 4));
  CHECK(report.loss == doctest::Approx((4 + 9 + 7) / 4.0));
  CHECK(report.input_max == 9);
  CHECK(report.input_mean == doctest::Approx(-4.0 / 8));
}

TEST_CASE("audit: without a loss nothing is said of gradients, nor for a layer in front of frozen ones") {
  Generator generator(3);
  nn::Sequential model{nn::Dense(2, 3, generator), nn::ReLU(), nn::Dense(3, 1, generator), nn::ReLU()};
  const auto probe = probe_of(randn({8, 2}, generator));
  const auto plain = nn::audit(model, probe);
  CHECK(std::isnan(plain.loss));
  CHECK(std::isnan(plain.parameters[0].gradient_norm));
  CHECK(plain.layers[0].count(&UnitHealth::zero_gradient) == 0);
  CHECK_THROWS_WITH_AS(plain.layers[0].gradient_dormant(0),
                       "gradient_dormant: layer 1 has no gradient scores, expected an audit with a loss "
                       "whose gradients are finite",
                       Error);
  model[0].requires_grad_(false);
  const auto frozen = nn::audit(model, probe, {.loss = sum_loss});
  CHECK(std::isnan(frozen.layers[0].units[0].gradient_score));
  CHECK_FALSE(std::isnan(frozen.layers[1].units[0].gradient_score));
  CHECK(std::isnan(frozen.parameters[0].gradient_norm));
}

TEST_CASE("audit: the gradient of a unit that is blocked from above is zero though the unit is alive") {
  nn::Sequential model{dense(tensor({{1}, {1}}), tensor({0, 0})), nn::ReLU(),
                       dense(tensor({{-1, 0}}), tensor({0})), nn::ReLU()};
  const auto report = nn::audit(model, probe_of(tensor({{1}, {2}})), {.loss = sum_loss});
  CHECK(report.layers[0].dead() == 0);
  CHECK(report.layers[0].count(&UnitHealth::zero_gradient) == 2);
  CHECK(report.layers[1].dead() == 1);
}

TEST_CASE("audit: gradients find the activation that they passed, also where two share a tensor") {
  struct Twice final : nn::Module {
    Tensor scale = ones({1}).requires_grad_();
    Tensor forward(const Tensor& x) override {
      const Tensor h = x * scale;
      const Tensor elu = h.elu(), silu = h.silu(), relu = h.relu().relu();
      return elu * 3.0 + silu + relu * 0.0;
    }
    void visit(nn::Visitor& visitor) override { visitor.parameter("scale", scale); }
  } model;
  const auto report = nn::audit(model, probe_of(tensor({{1, 2}})), {.loss = sum_loss});
  CHECK_FALSE(report.layer("elu").units[0].zero_gradient);
  CHECK_FALSE(report.layer("silu").units[0].zero_gradient);
  CHECK(report.layer("relu").units[0].zero_gradient);
  CHECK(report.layer("relu#2").units[0].zero_gradient);
}

TEST_CASE("audit: saturation is the share of samples in an activation's flat part") {
  const auto saturation = [](nn::Module&& layer, double z) {
    return nn::audit(layer, tensor({{z}, {0.5}})).layers[0].units[0].saturation;
  };
  CHECK(saturation(nn::ELU(), -2.9) == 0);
  CHECK(saturation(nn::ELU(), -3.1) == 0.5);
  CHECK(saturation(nn::ELU(2), -3.1) == 0);
  CHECK(saturation(nn::SELU(), -3.4) == 0);
  CHECK(saturation(nn::SELU(), -3.6) == 0.5);
  CHECK(saturation(nn::Tanh(), 2.6) == 0);
  CHECK(saturation(nn::Tanh(), -2.7) == 0.5);
  CHECK(saturation(nn::Sigmoid(), 4.5) == 0);
  CHECK(saturation(nn::Sigmoid(), 4.7) == 0.5);
  CHECK(saturation(nn::ReLU(), -100) == 0);
}

TEST_CASE("audit: a flat part is where the slope is under 0.05, of every activation that says so") {
  const auto slope_at = [](nn::Module& layer, double z) {
    const Tensor x = tensor({z}, DType::f64).requires_grad_();
    layer(x).sum().backward();
    return std::abs(x.grad().item());
  };
  const auto flat = [](nn::Module& layer, double z) {
    return nn::audit(layer, tensor({{z}}, DType::f64)).layers[0].units[0].saturated;
  };
  nn::ELU elu(0.7);
  nn::SELU selu;
  nn::CELU celu(2);
  nn::SiLU silu;
  nn::GELU gelu, gelu_tanh(GeluApproximation::tanh);
  nn::Softplus softplus(2);
  nn::Module* layers[] = {&elu, &selu, &celu, &silu, &gelu, &gelu_tanh, &softplus};
  for (nn::Module* layer : layers) {
    CAPTURE(layer->type());
    double low = -30, high = 0;  // flat at low, not at high
    REQUIRE(flat(*layer, low));
    REQUIRE_FALSE(flat(*layer, high));
    for (int i = 0; i < 40; ++i) {
      const double middle = (low + high) / 2;
      (flat(*layer, middle) ? low : high) = middle;
    }
    CHECK(slope_at(*layer, low) == doctest::Approx(0.05).epsilon(0.01));
    CHECK(slope_at(*layer, low - 1) < 0.05);
  }
}

TEST_CASE("audit: units that are not finite are counted apart, and a net full of NaN has no dead share") {
  nn::Sequential model{dense(tensor({{NAN}, {1}, {-1}}), tensor({0, 0, 0})), nn::ReLU(),
                       dense(tensor({{NAN, NAN, NAN}}), tensor({0})), nn::ReLU()};
  const auto report = nn::audit(model, tensor({{1}, {2}}));
  CHECK(report.layers[0].non_finite() == 1);
  CHECK(report.layers[0].dead() == 1);
  CHECK(report.layers[0].share(1) == 0.5);
  CHECK(report.layers[1].non_finite() == 1);
  CHECK(report.layers[1].dead() == 0);
  CHECK(std::isnan(report.layers[1].share(report.layers[1].dead())));
  CHECK(report.non_finite() == 2);
  CHECK_FALSE(report.parameters[0].finite);
  CHECK(report.parameters[1].finite);
}

TEST_CASE("audit: a sample that switches no unit on is blind") {
  nn::ReLU model;
  CHECK(nn::audit(model, tensor({{-1, -2}, {-1, 2}, {0, 0}})).layers[0].blind_samples == 2);
}

TEST_CASE("audit: units are the last axis, all other axes are samples") {
  nn::ReLU model;
  const auto layer = nn::audit(model, ones({4, 3, 2})).layers[0];
  CHECK(layer.size() == 2);
  CHECK(layer.samples == 12);
}

TEST_CASE("audit: the first samples are spread evenly over passes") {
  struct Sizes final : nn::Module {
    std::vector<std::int64_t> seen;
    Tensor forward(const Tensor& x) override {
      seen.push_back(x.size(0));
      return x.relu();
    }
  } model;
  Tensor x = zeros({1201, 1});
  x.set({1000, 0}, 1);  // the last of 1001
  const auto probe = probe_of(x);
  CHECK(nn::audit(model, probe, {.samples = 1001}).dead() == 0);
  CHECK(model.seen == std::vector<std::int64_t>{333, 334, 334});
  CHECK(nn::audit(model, probe, {.samples = 1000}).dead() == 1);
  CHECK(nn::audit(model, probe, {.samples = 5000}).samples == 1201);
  CHECK(nn::audit(model, probe).layers[0].samples == 1201);
}

TEST_CASE("audit: the samples are converted to the model's dtype") {
  Generator generator(1);
  nn::Sequential model{nn::Dense(2, 3, generator), nn::ReLU()};
  model.to(DType::f64);
  CHECK(nn::audit(model, tensor({{1, 2}})).units() == 3);
}

TEST_CASE("audit: the same numbers for any number of threads") {
  Generator generator(5);
  nn::Sequential model{nn::Dense(64, 200, generator), nn::ELU(), nn::Dense(200, 3, generator)};
  const auto probe = probe_of(randn({700, 64}, generator));
  const auto measure = [&](int threads) {
    const test::ThreadCount count(threads);
    return nn::audit(model, probe, {.loss = sum_loss});
  };
  const auto one = measure(1), four = measure(4);
  CHECK(one.loss == four.loss);
  for (std::size_t u = 0; u < 200; ++u) {
    const UnitHealth &a = one.layers[0].units[u], &b = four.layers[0].units[u];
    CHECK((a.frequency == b.frequency && a.mean == b.mean && a.variance == b.variance));
    CHECK((a.activity_score == b.activity_score && a.gradient_score == b.gradient_score));
  }
}

TEST_CASE("audit: values, gradients, modes, statistics and counters stay as they were") {
  Generator generator(1);
  nn::Sequential model{nn::Dense(2, 2, generator), nn::BatchNorm1d(2), nn::Dropout(0.5, generator),
                       nn::ReLU(), nn::Dense(2, 1, generator)};
  model[2].eval();
  const auto probe = probe_of(tensor({{1, 2}, {3, 4}, {5, 7}}));
  struct Calls final : nn::Visitor {
    std::uint64_t calls = 0;
    void counter(std::string_view, std::uint64_t& value) override { calls = value; }
  } before, after;
  model[2].visit(before);
  const auto state = nn::clone(model).named_state();
  nn::audit(model, probe, {.loss = sum_loss});
  nn::audit(model, probe, {.loss = sum_loss, .statistics = nn::Statistics::batch});
  model[2].visit(after);
  CHECK(before.calls == after.calls);
  const auto now = model.named_state();
  for (std::size_t i = 0; i < state.size(); ++i) {
    CAPTURE(state[i].name);
    CHECK(test::same_bits(state[i].value, now[i].value));
    if (is_floating(now[i].value.dtype())) CHECK_FALSE(now[i].value.grad().defined());
  }
  CHECK(model.training());
  CHECK_FALSE(model[2].training());
  CHECK(model[1].training());
  CHECK(grad_enabled());
}

TEST_CASE("audit: what the model throws is passed on, and nothing watches any more") {
  struct Throwing final : nn::Module {
    Tensor forward(const Tensor& x) override {
      x.relu();
      throw Error("throwing: as it should");
    }
  };
  nn::Sequential model{nn::BatchNorm1d(3), nn::ReLU(), Throwing()};
  CHECK_THROWS_WITH_AS(nn::audit(model, ones({2, 3}), {.statistics = nn::Statistics::batch}),
                       "throwing: as it should", Error);
  CHECK(model.training());
  CHECK(grad_enabled());
  CHECK(detail::thread_mode.observer == nullptr);
  CHECK(model.named_buffers()[2].value.item() == 0);
}

TEST_CASE("audit: an activation in the loss is none of the model's") {
  nn::ReLU model;
  const auto loss = [](const Tensor& y, const Tensor&) { return y.sigmoid().sum(); };
  CHECK(names(nn::audit(model, probe_of(ones({2, 3})), {.loss = loss})) == std::vector<std::string>{"relu"});
}

TEST_CASE("audit: probes and models that show nothing are refused") {
  Generator generator(1);
  nn::Sequential model{nn::Dense(3, 2, generator), nn::ReLU()}, linear{nn::Dense(3, 2, generator)};
  const auto refused = [](const char* text, auto call) { CHECK_THROWS_WITH_AS(call(), text, Error); };
  refused("audit: the probe has no samples, expected at least one", [&] { nn::audit(model, zeros({0, 3})); });
  refused("audit: the probe is undefined, expected samples [n, ...]", [&] { nn::audit(model, Tensor()); });
  refused("audit: the probe is a scalar, expected samples [n, ...]", [&] { nn::audit(model, zeros({})); });
  refused("audit: sample 1 of the probe holds nan, expected finite numbers", [&] {
    nn::audit(model, tensor({{1, 2, 3}, {0, NAN, 0}}));
  });
  refused("audit: sample 2 of the probe holds -inf, expected finite numbers", [&] {
    nn::audit(model, probe_of(tensor({{1, 2, 3}, {0, 1, 0}, {0, 0, -INFINITY}})), {.batch_size = 1});
  });
  refused("audit: no activation runs in the model, expected one such as relu or nn::LeakyReLU", [&] {
    nn::audit(linear, ones({2, 3}));
  });
  refused("audit: samples is -1, expected 0 for all, or more", [&] {
    nn::audit(model, ones({2, 3}), {.samples = -1});
  });
  refused("audit: batch_size is 0, expected 1 or more", [&] {
    nn::audit(model, ones({2, 3}), {.batch_size = 0});
  });
  refused("audit: a loss was given for a probe without targets, expected a data set", [&] {
    nn::audit(model, ones({2, 3}), {.loss = sum_loss});
  });
  refused("linear: x has 4 features, weight expects 3 (x [2, 4], weight [2, 3])", [&] {
    nn::audit(model, ones({2, 4}));
  });
}

TEST_CASE("audit: a layer whose units change from pass to pass is refused") {
  struct Growing final : nn::Module {
    std::int64_t calls = 0;
    Tensor forward(const Tensor& x) override { return ones({x.size(0), ++calls}).relu() + x; }
  } model;
  CHECK_THROWS_WITH_AS(nn::audit(model, ones({2, 1}), {.batch_size = 1}),
                       "audit: the input of layer relu has 2 units, expected 1 as before", Error);
}

TEST_CASE("born_dead: a net whose output is the same for all inputs is dead, with its units") {
  nn::Sequential model{dense(tensor({{1}, {-1}}), tensor({-5, -5})), nn::ReLU(),
                       dense(tensor({{1, 1}}), tensor({2}))};
  const auto dead = nn::born_dead(model, tensor({{1}, {-1}}));
  CHECK(dead.network);
  CHECK(dead.dead == 2);
  CHECK(dead.units == 2);
  const auto alive = nn::born_dead(model, tensor({{1}, {6}}));
  CHECK_FALSE(alive.network);
  CHECK(alive.dead == 1);
}

TEST_CASE("born_dead: BatchNorm is judged with the batch's statistics, by which it will train") {
  nn::Sequential model{dense(tensor({{1}, {-1}}), tensor({-50, -50})), nn::BatchNorm1d(2), nn::ReLU(),
                       dense(tensor({{1, 1}}), tensor({0}))};
  const Tensor probe = tensor({{1}, {2}, {3}, {4}});
  CHECK(nn::audit(model, probe).dead() == 2);
  CHECK(nn::born_dead(model, probe).dead == 0);
}

TEST_CASE("born_dead: Dropout is off, also where statistics are the batch's") {
  Generator generator(1);
  nn::Sequential model{nn::Dropout(1.0, generator), nn::ReLU()};
  CHECK(nn::born_dead(model, ones({3, 2})).dead == 0);
}
