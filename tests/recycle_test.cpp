// recycle: dead units made new, the function and all other state as they were; what is refused; and the rescue of a net
// that a learning rate has killed.
#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <rill/core/bits.hpp>
#include <rill/rill.hpp>

#include "values.hpp"

using namespace rill;
using rill::detail::same_bits;
using test::message_of;

namespace {

nn::data::TensorDataset probe_of(std::int64_t samples, std::int64_t features = 6) {
  Generator generator(3);
  return {randn({samples, features}, generator), zeros({samples}, DType::i64), 4};
}

// Makes the first `count` units of a Dense dead for inputs of any usual size.
void kill(nn::Dense& dense, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) dense.bias.mutable_data<float>()[i] = -1000;
}

nn::Dense& dense_at(nn::Sequential& model, std::size_t index) {
  return dynamic_cast<nn::Dense&>(model[index]);
}

nn::Sequential mlp(Generator& generator) {
  nn::Sequential model{nn::Dense(6, 8, generator), nn::ReLU(), nn::Dense(8, 8, generator), nn::ReLU(),
                       nn::Dense(8, 4, generator)};
  kill(dense_at(model, 0), 3);
  kill(dense_at(model, 2), 2);
  return model;
}

Tensor outputs(nn::Module& model, const nn::data::TensorDataset& probe) {
  const NoGrad no_grad;
  const nn::EvalMode evaluating(model);
  return model(probe.x());
}

std::vector<Tensor> values_of(nn::Module& model) {
  std::vector<Tensor> values;
  for (const nn::NamedTensor& entry : model.named_state()) values.push_back(entry.value.detach().clone());
  return values;
}

bool same_values(nn::Module& model, const std::vector<Tensor>& values) {
  const std::vector<nn::NamedTensor> state = model.named_state();
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!same_bits(state[i].value.detach(), values[i])) return false;
  }
  return true;
}

// Recycles, and says whether the outputs on the probe have the bits that they had.
bool keeps_bits(nn::Module& model, std::int64_t expected_units) {
  const auto probe = probe_of(50);
  optim::SGD optimizer(model, {.lr = 0.1});
  Generator generator(5);
  const Tensor before = outputs(model, probe).clone();
  const optim::RecycleReport report = optim::recycle(model, optimizer, probe, generator);
  CHECK(report.recycled() == expected_units);
  CHECK(report.function_kept());
  CHECK(nn::audit(model, probe).dead() < expected_units);
  return same_bits(outputs(model, probe), before);
}

// A network of dead units, and the callback in a loop of one's own.
struct OwnLoop {
  explicit OwnLoop(std::int64_t steps) : recycle(probe, {.steps = steps}) {}
  bool after(std::int64_t step) { return recycle.after_step(model, optimizer, step); }

  nn::data::TensorDataset probe = probe_of(20);
  Generator generator{1};
  nn::Sequential model = mlp(generator);
  optim::SGD optimizer{model, {.lr = 0.01}};
  optim::callbacks::Recycle recycle;
};

}  // namespace

TEST_CASE("recycle: outputs keep their bits where dead units of an MLP are made new") {
  Generator generator(1);
  nn::Sequential model = mlp(generator);
  CHECK(keeps_bits(model, 5));
}

TEST_CASE("recycle: outputs keep their bits with Dropout, and BatchNorm before the activation") {
  Generator generator(1);
  nn::Sequential model{nn::Dense(6, 8, generator), nn::BatchNorm1d(8), nn::ReLU(),
                       nn::Dropout(0.5, generator), nn::Dense(8, 4, generator)};
  kill(dense_at(model, 0), 3);
  CHECK(keeps_bits(model, 3));
}

TEST_CASE("recycle: outputs keep their bits in a module of one's own that calls functions") {
  struct Own final : nn::Module {
    nn::Dense a, b, c;
    explicit Own(Generator& g) : a(6, 8, g), b(8, 4, g), c(8, 4, g) {}
    Tensor forward(const Tensor& x) override {
      const Tensor h = linear(x, a.weight, a.bias).relu();
      return b(h) + linear(h, c.weight).tanh();
    }
    void visit(nn::Visitor& visitor) override {
      visitor.child("a", a);
      visitor.child("b", b);
      visitor.child("c", c);
    }
  };
  Generator generator(1);
  Own model(generator);
  kill(model.a, 4);
  CHECK(keeps_bits(model, 4));
}

TEST_CASE("recycle: rows are drawn anew, biases and the columns that read the unit become 0") {
  Generator generator(1);
  nn::Sequential model = mlp(generator);
  const std::vector<Tensor> before = values_of(model);
  optim::SGD optimizer(model, {.lr = 0.1});
  Generator drawn(5);
  const auto report =
      optim::recycle(model, optimizer, probe_of(50), drawn, {.layers = {"1"}, .init = nn::init::constant(7)});
  REQUIRE(report.layers.size() == 1);
  CHECK(report.layer("1").units == std::vector<std::int64_t>{0, 1, 2});
  const nn::Dense &first = dense_at(model, 0), &second = dense_at(model, 2);
  for (int u = 0; u < 8; ++u) {
    for (int i = 0; i < 6; ++i) CHECK(first.weight.at({u, i}) == (u < 3 ? 7.0 : before[0].at({u, i})));
    CHECK(first.bias.at({u}) == (u < 3 ? 0.0 : before[1].at({u})));
    for (int row = 0; row < 8; ++row)
      CHECK(second.weight.at({row, u}) == (u < 3 ? 0.0 : before[2].at({row, u})));
  }
  CHECK(same_bits(second.bias.detach(), before[3]));
}

TEST_CASE("recycle: rows are drawn with the deviation that the activation wants") {
  Generator generator(1);
  nn::Sequential model{nn::Dense(400, 50, generator), nn::ReLU(), nn::Dense(50, 4, generator)};
  kill(dense_at(model, 0), 50);
  optim::SGD optimizer(model, {.lr = 0.1});
  Generator drawn(5);
  optim::recycle(model, optimizer, probe_of(10, 400), drawn);
  const Tensor weight = dense_at(model, 0).weight.detach();
  CHECK(std::sqrt(weight.var().item()) == doctest::Approx(std::sqrt(2.0 / 400)).epsilon(0.03));
}

TEST_CASE(
    "recycle: units that only gain units read keep their weights, so that a dead net comes back at once") {
  Generator generator(1);
  nn::Sequential model = mlp(generator);
  kill(dense_at(model, 0), 8);
  kill(dense_at(model, 2), 8);
  CHECK(keeps_bits(model, 16));
  CHECK(nn::audit(model, probe_of(50)).layer("3").dead() < 4);
}

TEST_CASE("recycle: the optimizer forgets the elements that changed, and no others") {
  Generator generator(1);
  nn::Sequential model = mlp(generator);
  optim::Adam optimizer(model);
  const auto probe = probe_of(50);
  for (int i = 0; i < 3; ++i) {
    optimizer.zero_grad();
    cross_entropy(model(probe.x()), probe.y()).backward();
    optimizer.step();
  }
  const Tensor weight = dense_at(model, 2).weight;
  const Tensor before = optimizer.state(weight).tensors[1].value.clone();
  double sum = 0, count = 0;
  for (int row = 0; row < 8; ++row) {
    for (int u = 3; u < 8; ++u, ++count) sum += before.at({row, u});
  }
  Generator drawn(5);
  optim::recycle(model, optimizer, probe, drawn, {.layers = {"1"}});
  const optim::ParamState state = optimizer.state(weight);
  CHECK(state.steps == 3);
  for (int row = 0; row < 8; ++row) {
    for (int u = 0; u < 8; ++u) {
      if (u < 3) {
        CHECK(state.tensors[0].value.at({row, u}) == 0);
        CHECK(state.tensors[1].value.at({row, u}) == doctest::Approx(sum / count).epsilon(1e-5));
      } else {
        CHECK(state.tensors[1].value.at({row, u}) == before.at({row, u}));
      }
    }
  }
}

TEST_CASE("recycle: without reset_state the optimizer's memory stays") {
  Generator generator(1);
  nn::Sequential model = mlp(generator);
  optim::Adam optimizer(model);
  const auto probe = probe_of(50);
  cross_entropy(model(probe.x()), probe.y()).backward();
  optimizer.step();
  const Tensor weight = dense_at(model, 2).weight;
  const Tensor before = optimizer.state(weight).tensors[1].value.clone();
  Generator drawn(5);
  optim::recycle(model, optimizer, probe, drawn, {.reset_state = false});
  CHECK(same_bits(optimizer.state(weight).tensors[1].value, before));
}

TEST_CASE("recycle: BatchNorm's channels begin anew") {
  Generator generator(1);
  nn::Sequential model{nn::Dense(6, 8, generator), nn::BatchNorm1d(8), nn::ReLU(),
                       nn::Dense(8, 4, generator)};
  auto& norm = dynamic_cast<nn::BatchNorm1d&>(model[1]);
  for (Tensor* tensor : {&norm.weight, &norm.running_mean, &norm.running_var}) tensor->set({0}, 3);
  norm.bias.set({0}, -1000);
  optim::SGD optimizer(model, {.lr = 0.1});
  Generator drawn(5);
  CHECK(optim::recycle(model, optimizer, probe_of(50), drawn).layer("2").units ==
        std::vector<std::int64_t>{0});
  CHECK(norm.weight.at({0}) == 1);
  CHECK(norm.bias.at({0}) == 0);
  CHECK(norm.running_mean.at({0}) == 0);
  CHECK(norm.running_var.at({0}) == 1);
}

TEST_CASE("recycle: what BatchNorm after the activation makes of 0 goes into the next bias") {
  Generator generator(1);
  nn::Sequential model{nn::Dense(6, 8, generator), nn::ReLU(), nn::BatchNorm1d(8),
                       nn::Dense(8, 4, generator)};
  kill(dense_at(model, 0), 3);
  auto& norm = dynamic_cast<nn::BatchNorm1d&>(model[2]);
  for (int u = 0; u < 8; ++u) norm.bias.set({u}, 0.5 * u + 1);
  const auto probe = probe_of(50);
  optim::SGD optimizer(model, {.lr = 0.1});
  Generator drawn(5);
  const Tensor before = outputs(model, probe).clone();
  const auto report = optim::recycle(model, optimizer, probe, drawn);
  CHECK(report.function_kept());
  CHECK(report.layer("1").notes == std::vector<std::string>{"what a norm made of 0 was added to 3.bias"});
  CHECK((outputs(model, probe) - before).abs().max().item() < 1e-5);
}

TEST_CASE("recycle: where there is no bias to take a constant, the report says that the function changed") {
  Generator generator(1);
  nn::Sequential model{nn::Dense(6, 8, generator), nn::ReLU(), nn::BatchNorm1d(8),
                       nn::Dense(8, 4, generator, {.bias = false})};
  kill(dense_at(model, 0), 1);
  dynamic_cast<nn::BatchNorm1d&>(model[2]).bias.set({0}, 1);
  optim::SGD optimizer(model, {.lr = 0.1});
  Generator drawn(5);
  const auto report = optim::recycle(model, optimizer, probe_of(50), drawn);
  CHECK_FALSE(report.function_kept());
  CHECK(
      report.layer("1").notes ==
      std::vector<std::string>{"what a norm made of 0 is lost, for 3.weight has no bias that could take it"});
}

TEST_CASE("recycle: a frozen bias takes no constant, and the report says that the function changed") {
  Generator generator(1);
  nn::Sequential model{nn::Dense(6, 8, generator), nn::ReLU(), nn::BatchNorm1d(8),
                       nn::Dense(8, 4, generator)};
  kill(dense_at(model, 0), 1);
  dynamic_cast<nn::BatchNorm1d&>(model[2]).bias.set({0}, 1);
  Tensor bias = dense_at(model, 3).bias;
  bias.requires_grad_(false);
  optim::SGD optimizer(model, {.lr = 0.1});
  Generator drawn(5);
  const auto report = optim::recycle(model, optimizer, probe_of(50), drawn);
  CHECK(same_bits(bias, zeros({4})));
  CHECK_FALSE(report.function_kept());
  CHECK(report.layer("1").notes ==
        std::vector<std::string>{
            "what a norm made of 0 is lost, for 3.weight has no trained bias that could take it"});
}

TEST_CASE("recycle: a flattened BatchNorm begins anew wherever the unit stands in it") {
  struct Flat final : nn::Module {
    nn::Dense a, b;
    nn::BatchNorm1d norm{16};
    explicit Flat(Generator& g) : a(3, 8, g), b(16, 4, g) {}
    Tensor forward(const Tensor& x) override {
      return b(norm(a(x.reshape({-1, 2, 3})).relu().reshape({-1, 16})));
    }
    void visit(nn::Visitor& visitor) override {
      visitor.child("a", a);
      visitor.child("norm", norm);
      visitor.child("b", b);
    }
  };
  Generator generator(1);
  Flat model(generator);
  kill(model.a, 2);
  for (int i = 0; i < 16; ++i) {
    for (Tensor* tensor : {&model.norm.weight, &model.norm.bias, &model.norm.running_mean})
      tensor->set({i}, 3);
  }
  const auto probe = probe_of(50);
  const Tensor before = outputs(model, probe).clone();
  optim::SGD optimizer(model, {.lr = 0.1});
  Generator drawn(5);
  CHECK(optim::recycle(model, optimizer, probe, drawn).function_kept());
  CHECK((outputs(model, probe) - before).abs().max().item() < 1e-4);
  for (int i = 0; i < 16; ++i) {
    CHECK(model.norm.weight.at({i}) == (i % 8 < 2 ? 1 : 3));
    CHECK(model.norm.bias.at({i}) == (i % 8 < 2 ? 0 : 3));
    CHECK(model.norm.running_mean.at({i}) == (i % 8 < 2 ? 0 : 3));
  }
}

TEST_CASE("recycle: where what reads a unit is infinite, the report says that the function changed") {
  Generator generator(1);
  nn::Sequential model{nn::Dense(6, 8, generator), nn::ReLU(), nn::Dense(8, 4, generator)};
  kill(dense_at(model, 0), 3);
  dense_at(model, 2).weight.set({1, 0}, INFINITY);
  optim::SGD optimizer(model, {.lr = 0.1});
  Generator drawn(5);
  const auto report = optim::recycle(model, optimizer, probe_of(50), drawn);
  CHECK_FALSE(report.function_kept());
  CHECK(report.layer("1").notes ==
        std::vector<std::string>{"NaN or infinite weights that read them, and spread, became 0"});
}

TEST_CASE("recycle: LayerNorm and units that are only dormant change the function, and the report says so") {
  Generator generator(1);
  nn::Sequential mixed{nn::Dense(6, 8, generator), nn::ReLU(), nn::LayerNorm(8), nn::Dense(8, 4, generator)};
  kill(dense_at(mixed, 0), 3);
  optim::SGD optimizer(mixed, {.lr = 0.1});
  Generator drawn(5);
  auto report = optim::recycle(mixed, optimizer, probe_of(50), drawn);
  CHECK_FALSE(report.function_kept());
  CHECK(report.layer("1").notes ==
        std::vector<std::string>{"layer_norm 2 after the activation mixes the units"});
  nn::Sequential plain{nn::Dense(6, 8, generator), nn::ReLU(), nn::Dense(8, 4, generator)};
  optim::SGD other(plain, {.lr = 0.1});
  report = optim::recycle(plain, other, probe_of(50), drawn, {.tau = 1});
  CHECK(report.recycled() > 0);
  CHECK(report.recycled() < 8);
  CHECK_FALSE(report.function_kept());
}

TEST_CASE("recycle: a unit of LeakyReLU that is never on has a score, and is left alone at tau 0") {
  Generator generator(1);
  nn::Sequential model{nn::Dense(6, 8, generator), nn::LeakyReLU(0.1), nn::Dense(8, 4, generator)};
  kill(dense_at(model, 0), 3);
  optim::SGD optimizer(model, {.lr = 0.1});
  Generator drawn(5);
  CHECK(optim::recycle(model, optimizer, probe_of(50), drawn).recycled() == 0);
}

TEST_CASE("recycle: by gradient, the dead units of a ReLU net are the same ones") {
  Generator generator(1);
  nn::Sequential model{nn::Dense(6, 8, generator), nn::ReLU(), nn::Dense(8, 4, generator)};
  // Nothing reads unit 5, so no gradient reaches it.
  for (int row = 0; row < 4; ++row) dense_at(model, 2).weight.set({row, 5}, 0);
  optim::SGD optimizer(model, {.lr = 0.1});
  Generator drawn(5);
  const auto report =
      optim::recycle(model, optimizer, probe_of(50), drawn,
                     {.by = optim::RecycleBy::gradient, .loss = optim::losses::cross_entropy()});
  CHECK(report.layer("1").units == std::vector<std::int64_t>{5});
}

TEST_CASE("recycle: units that are not finite are left alone") {
  Generator generator(1);
  nn::Sequential model{nn::Dense(6, 8, generator), nn::ReLU(), nn::Dense(8, 4, generator)};
  kill(dense_at(model, 0), 2);
  dense_at(model, 0).weight.set({7, 0}, NAN);
  optim::SGD optimizer(model, {.lr = 0.1});
  Generator drawn(5);
  const auto report = optim::recycle(model, optimizer, probe_of(50), drawn);
  CHECK(report.layer("1").units == std::vector<std::int64_t>{0, 1});
  CHECK(report.layer("1").non_finite == 1);
  CHECK(report.layer("1").notes.at(0) ==
        "1 units are NaN or infinite and were left alone; look for the cause with nn::NanTrap");
  CHECK(std::isnan(dense_at(model, 0).weight.at({7, 0})));
}

TEST_CASE("recycle: what cannot be done is refused, and nothing has changed then") {
  Generator generator(1);
  nn::Sequential model{nn::Dense(6, 8, generator), nn::ReLU(), nn::Dense(8, 4, generator), nn::ReLU()};
  kill(dense_at(model, 0), 3);
  optim::SGD optimizer(model, {.lr = 0.1});
  const auto probe = probe_of(50);
  const std::vector<Tensor> before = values_of(model);
  const auto refused = [&](const optim::RecycleOptions& options, const std::string& text) {
    Generator drawn(5);
    CHECK(message_of([&] { optim::recycle(model, optimizer, probe, drawn, options); }) == text);
    CHECK(same_values(model, before));
    CHECK(model.training());
  };
  refused({.tau = 1.5}, "recycle: tau is 1.5, expected 0 to 1");
  refused({.tau = NAN}, "recycle: tau is nan, expected 0 to 1");
  refused({.samples = -1}, "audit: samples is -1, expected 0 for all, or more");
  refused({.layers = {"7"}}, "recycle: there is no layer \"7\", expected one of 1");
  refused({.layers = {"1", "1"}}, "recycle: layer 1 is named 2 times, expected once");
  refused({.layers = {"3"}},
          "recycle: layer 3 cannot be recycled, for its output is the model's output, expected one of 1");
  refused({.by = optim::RecycleBy::gradient},
          "recycle: there is no loss, expected one for RecycleBy::gradient");
  refused({.loss = optim::losses::mse()},
          "recycle: there is a loss, but units are chosen by activity, expected one for RecycleBy::gradient "
          "alone");
  refused({.init = nn::init::constant(1e300)},
          "recycle: init does not give f32 [8, 6] of finite numbers, expected it to fill what it is given");
}

TEST_CASE("recycle: a NaN probe and models without units to recycle are refused") {
  Generator generator(1), drawn(5);
  nn::Sequential model = mlp(generator);
  optim::SGD optimizer(model, {.lr = 0.1});
  const nn::data::TensorDataset bad(tensor({{1, 2, NAN, 4, 5, 6}}), zeros({1}, DType::i64), 4);
  CHECK(message_of([&] { optim::recycle(model, optimizer, bad, drawn); }) ==
        "audit: sample 0 of the probe holds nan, expected finite numbers");
  nn::Sequential linear_one{nn::Dense(6, 4, generator)};
  optim::SGD second(linear_one, {.lr = 0.1});
  CHECK(message_of([&] { optim::recycle(linear_one, second, probe_of(5), drawn); }) ==
        "audit: no activation runs in the model, expected one such as relu or nn::LeakyReLU");
  nn::Sequential output{nn::Dense(6, 4, generator), nn::ReLU()};
  optim::SGD third(output, {.lr = 0.1});
  CHECK(message_of([&] { optim::recycle(output, third, probe_of(5), drawn); }) ==
        "recycle: no layer can be recycled (1: its output is the model's output), expected one between two "
        "Dense layers that are trained");
}

TEST_CASE("recycle: layers that the optimizer does not train are left alone") {
  Generator generator(1), drawn(5);
  nn::Sequential model = mlp(generator);
  optim::SGD optimizer(model, {.lr = 0.1});
  dense_at(model, 0).weight.requires_grad_(false);
  const auto report = optim::recycle(model, optimizer, probe_of(50), drawn);
  CHECK(report.layer("1").units.empty());
  CHECK(report.layer("1").notes ==
        std::vector<std::string>{"cannot be recycled: 0.weight is not trained by the optimizer"});
  CHECK(report.layer("3").units.size() == 2);
}

TEST_CASE("recycle: a report says how many, where, and whether the function is kept") {
  Generator generator(1), drawn(5);
  nn::Sequential model = mlp(generator);
  optim::SGD optimizer(model, {.lr = 0.1});
  std::ostringstream text;
  text << optim::recycle(model, optimizer, probe_of(50), drawn, {.samples = 40});
  CHECK(text.str() ==
        "5 of 16 units recycled, with a score of at most 0 on 40 samples; the function is kept\n"
        "  1 relu: 3 of 8\n"
        "  3 relu: 2 of 8\n");
}

TEST_CASE("Recycle: in a fit it recycles every so many steps, the same way for the same seed") {
  const auto probe = std::make_shared<nn::data::TensorDataset>(probe_of(40).x(), zeros({40}, DType::i64), 4);
  const auto run = [&](std::uint64_t seed, std::vector<std::int64_t>& steps, std::int64_t& recycled) {
    Generator generator(1);
    nn::Sequential model = mlp(generator);
    optim::SGD optimizer(model, {.lr = 0.01});
    const auto recycle = std::make_shared<optim::callbacks::Recycle>(
        *probe, optim::callbacks::RecycleEvery{.steps = 3, .last_step = 8, .seed = seed});
    const nn::data::Loader loader(probe, {.batch_size = 10});
    optim::Trainer(model, optimizer, optim::losses::cross_entropy())
        .fit(loader, {.epochs = 3, .callbacks = {recycle}});
    steps = recycle->steps();
    recycled = recycle->recycled();
    return values_of(model)[0];
  };
  std::vector<std::int64_t> steps;
  std::int64_t recycled = 0;
  const Tensor first = run(1, steps, recycled);
  CHECK(steps == std::vector<std::int64_t>{3, 6});
  CHECK(recycled >= 5);
  CHECK(same_bits(run(1, steps, recycled), first));
  CHECK_FALSE(same_bits(run(2, steps, recycled), first));
}

TEST_CASE("Recycle: in a loop of one's own it counts by the steps that it is told") {
  OwnLoop loop(2);
  CHECK_FALSE(loop.after(0));
  CHECK_FALSE(loop.after(1));
  CHECK(loop.after(2));
  CHECK(loop.recycle.runs() == 1);
  CHECK(loop.recycle.recycled() == 5);
}

TEST_CASE("Recycle: what a checkpoint holds of it in texts does not grow with the reports") {
  OwnLoop loop(1);
  loop.after(1);
  loop.after(2);
  const optim::StateDict two = loop.recycle.state_dict();
  for (std::int64_t step = 3; step < 50; ++step) loop.after(step);
  const optim::StateDict many = loop.recycle.state_dict();
  CHECK(many.numbers.empty());
  CHECK(many.texts == two.texts);
  CHECK(many.tensors.size() == two.tensors.size());
  CHECK(many.tensors.at("steps").numel() == 49);
}

TEST_CASE("Recycle: a state whose parts do not fit each other is refused") {
  OwnLoop loop(1);
  loop.after(1);
  const optim::Loss loss = optim::losses::cross_entropy();
  const optim::Run run(loop.model, loop.optimizer, loss);
  const auto refusal = [&](const char* name, const Tensor& value) {
    optim::StateDict state = loop.recycle.state_dict();
    state.tensors[name] = value;
    return message_of([&] { loop.recycle.load_state_dict(run, state); });
  };
  const optim::StateDict good = loop.recycle.state_dict();
  CHECK(refusal("steps", good.tensors.at("steps")) == "no error");
  CHECK(refusal("steps", tensor({1.0})) == "Recycle: state \"steps\" is f32 [1], expected i64 [n]");
  CHECK(refusal("tau", full(Shape{0}, 0, DType::f64)) ==
        "Recycle: state \"tau\" has 0 numbers where 1 are due, expected as many");
  CHECK(refusal("units", full(Shape{500}, 0, DType::i64)) ==
        "Recycle: state \"units\" has " + std::to_string(500 - loop.recycle.recycled()) +
            " numbers too many, expected those of the reports");
  CHECK(refusal("layers", full(Shape{1}, -5, DType::i64)) ==
        "Recycle: layers of a report is -5, expected 0 or more");
  CHECK(refusal("samples", full(Shape{1}, -3, DType::i64)) ==
        "Recycle: samples of a report is -3, expected 0 or more");
  CHECK(refusal("units", full(Shape{5}, 1000, DType::i64))
            .starts_with("Recycle: a unit of a report is 1000, expected 0 or more and less than "));
  {
    optim::StateDict long_text = good;
    long_text.texts.at("0") = std::string(501, 'x');
    CHECK(message_of([&] { loop.recycle.load_state_dict(run, long_text); }) ==
          "Recycle: a text of a report has 501 bytes, expected at most 500");
  }
  const std::int64_t rows = good.tensors.at("rows").numel();
  CHECK(refusal("rows", full(Shape{rows}, 1 << 20, DType::i64))
            .starts_with("Recycle: state \"units\" has 5 numbers where 1048576 are due"));
  CHECK(refusal("rows", full(Shape{rows}, 0, DType::i64))
            .starts_with("Recycle: state \"units\" has 5 numbers too many"));
  CHECK(loop.recycle.runs() == 1);
}

TEST_CASE("Recycle: what cannot be done is refused at once") {
  const auto probe = probe_of(20);
  CHECK(message_of([&] { optim::callbacks::Recycle(probe, {.steps = 0}); }) ==
        "Recycle: steps is 0, expected 1 or more");
  CHECK(message_of([&] { optim::callbacks::Recycle(probe, {.last_step = -1}); }) ==
        "Recycle: last_step is -1, expected 0 or more");
  CHECK(message_of([&] { optim::callbacks::Recycle(probe, {.options = {.tau = 2}}); }) ==
        "recycle: tau is 2, expected 0 to 1");
  Generator generator(1);
  nn::Sequential model{nn::Dense(6, 4, generator), nn::ReLU()};
  optim::SGD optimizer(model, {.lr = 0.01});
  const nn::data::Loader loader(std::make_shared<nn::data::TensorDataset>(probe.x(), probe.y(), 4),
                                {.batch_size = 10});
  const auto recycle = std::make_shared<optim::callbacks::Recycle>(probe);
  CHECK(message_of([&] {
          optim::Trainer(model, optimizer, optim::losses::cross_entropy())
              .fit(loader, {.callbacks = {recycle}});
        }) ==
        "recycle: no layer can be recycled (1: its output is the model's output), expected one between "
        "two Dense layers that are trained");
}
