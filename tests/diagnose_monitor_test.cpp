// diagnose on the history of a real Monitor, as a user has it: healthy runs, and one of each common fault.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <sstream>
#include <string>

#include <rill/rill.hpp>

using namespace rill;

namespace {

struct Run {
  std::function<void(nn::Sequential&)> activation = [](nn::Sequential& model) { model.add(nn::ReLU()); };
  std::int64_t hidden = 2;
  bool batch_norm = false;
  double scale = 1, dropout = 0, lr = 1e-3;
  std::int64_t steps = 300, every = 50, batch = 32, probe = 500;
  bool regression = false;
};

// Rows of 20 numbers; their class, or value, follows from a sum over them.
std::shared_ptr<const nn::data::Dataset> data_of(const Run& run) {
  Generator generator(7);
  const Tensor x = run.scale == 1 ? randn({1000, 20}, generator) : rand({1000, 20}, generator) * run.scale;
  const Tensor value = matmul(x - x.mean(), randn({20, 1}, generator) * (0.2 / run.scale)).tanh();
  if (run.regression) return std::make_shared<nn::data::TensorDataset>(x, value);
  return std::make_shared<nn::data::TensorDataset>(x, (value > 0).to(DType::i64).reshape({1000}));
}

std::vector<nn::HealthReport> watch(const Run& run) {
  const SerialLoops serial;
  const auto data = data_of(run);
  Generator generator(1);
  nn::Sequential model;
  std::int64_t in = 20;
  for (std::int64_t i = 0; i < run.hidden; ++i, in = 64) {
    model.add(nn::Dense(in, 64, generator));
    if (run.batch_norm) model.add(nn::BatchNorm1d(64));
    run.activation(model);
    if (run.dropout > 0) model.add(nn::Dropout(run.dropout, generator));
  }
  model.add(nn::Dense(in, run.regression ? 1 : 2, generator));
  const auto loss = [&run](const Tensor& y, const Tensor& target) {
    return run.regression ? mse_loss(y, target) : cross_entropy(y, target);
  };
  optim::Adam optimizer(model, {.lr = run.lr});
  nn::Monitor monitor(model, data, {.probe_samples = run.probe, .every = run.every, .loss = loss});
  const nn::data::Loader loader(data, {.batch_size = run.batch, .shuffle = true, .seed = 1});
  for (std::int64_t epoch = 0; monitor.step() < run.steps; ++epoch) {
    for (const nn::data::Batch& batch : loader.epoch(epoch)) {
      if (monitor.step() == run.steps) break;
      optimizer.zero_grad();
      loss(model(batch.x), batch.y).backward();
      monitor.before_update();
      optimizer.step();
      monitor.after_update(batch.x.size(0));
    }
  }
  return monitor.history();
}

std::string told(const Run& run) {
  std::ostringstream out;
  out << nn::diagnose(watch(run));
  return out.str();
}

}  // namespace

TEST_CASE("diagnose: a Monitor's history of a healthy run gives no advice") {
  const auto history = watch({.every = 0, .batch = 100});
  REQUIRE(history.size() >= 3);
  REQUIRE(history.back().loss < 0.5 * history.front().loss);
  CHECK(nn::diagnose(history).empty());
  CHECK(told({.regression = true}) == "no finding\n");
  CHECK(told({.batch = 4}) == "no finding\n");
  CHECK(told({.dropout = 0.5}) == "no finding\n");
  CHECK(told({.activation = [](nn::Sequential& model) { model.add(nn::Tanh()); }}) == "no finding\n");
}

TEST_CASE("diagnose: BatchNorm's first running statistics, of inputs up to 255, alarm nobody") {
  CHECK(told({.batch_norm = true, .scale = 255, .steps = 3, .every = 1}) == "no finding\n");
  CHECK(told({.batch_norm = true, .scale = 255, .steps = 100, .every = 1}) == "no finding\n");
}

TEST_CASE("diagnose: a Monitor's history shows rates that are too high and too low") {
  CHECK(told({.hidden = 4, .lr = 0.05})
            .starts_with("learning rate too high (step 300): the share of dead units has risen"));
  CHECK(told({.lr = 1e-8}).starts_with("learning rate too low (step 300)"));
}

TEST_CASE("diagnose: a trained layer's small bias is not blamed for what its weights do") {
  const auto history = watch({.hidden = 4, .lr = 0.05});
  nn::HealthReport report = history.back();
  const auto findings = nn::diagnose(report);
  REQUIRE(findings.at(0).rule == "dead_units");
  CHECK(findings[0].reason.find("without it they would be on") == std::string::npos);
}

TEST_CASE("diagnose: dead units on a few samples are told with the advice to look at more") {
  nn::HealthReport report = watch({.steps = 1, .every = 1, .probe = 8}).back();
  for (std::size_t u = 0; u < 32; ++u) report.layers.at(1).units.at(u).never_on = true;
  const auto findings = nn::diagnose(report);
  REQUIRE(findings.at(0).rule == "dead_units");
  CHECK(findings[0].remedy.starts_with(
      "look at 100 samples or more first, as 8 do not show rare firing. Then: "));
}

TEST_CASE("diagnose: a report that no audit filled in is refused") {
  CHECK_THROWS_WITH_AS(nn::diagnose(nn::HealthReport{}),
                       "diagnose: the report of step 0 has no layers, expected one of audit()", Error);
}
