// Monitor and HealthMonitor: when reports are made, what they hold, and that training is not touched by being watched.
#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>
#include <memory>

#include <rill/rill.hpp>

#include "gradcheck.hpp"
#include "temp_dir.hpp"

using namespace rill;

namespace {

std::shared_ptr<const nn::data::Dataset> digits() {
  static const auto set = nn::data::draw_digits(600, 1, true);
  return set;
}

nn::Sequential net(std::uint64_t seed = 1) {
  Generator generator(seed);
  return nn::Sequential{nn::Flatten(), nn::Dense(784, 20, generator), nn::ReLU(),
                        nn::Dense(20, 10, generator)};
}

const auto loss_of = [](const Tensor& y, const Tensor& target) { return cross_entropy(y, target); };

// One step on the first 10 digits.
void step(nn::Module& model, optim::Optimizer& optimizer, nn::Monitor& monitor) {
  optimizer.zero_grad();
  const nn::data::Samples samples = digits()->all();
  cross_entropy(model(samples.x.slice(0, 0, 10)), samples.y.slice(0, 0, 10)).backward();
  monitor.before_update();
  optimizer.step();
  monitor.after_update(10);
}

std::vector<std::int64_t> steps(const std::vector<nn::HealthReport>& history) {
  std::vector<std::int64_t> all;
  for (const auto& report : history) all.push_back(report.step);
  return all;
}

}  // namespace

TEST_CASE("monitor: a report before the first step, then one every so many steps") {
  auto model = net();
  optim::SGD optimizer(model, {.lr = 0.1});
  nn::Monitor monitor(model, digits(), {.probe_samples = 50, .every = 3});
  for (int i = 0; i < 7; ++i) step(model, optimizer, monitor);
  CHECK(steps(monitor.history()) == std::vector<std::int64_t>{0, 3, 6});
  CHECK(monitor.history()[0].samples == 50);
  CHECK(monitor.report().step == 7);
  CHECK(monitor.report().step == 7);
  CHECK(steps(monitor.history()) == std::vector<std::int64_t>{0, 3, 6, 7});
}

TEST_CASE("monitor: left to itself it reports when 30 times the probe's samples have trained") {
  auto model = net();
  optim::SGD optimizer(model, {.lr = 0.1});
  nn::Monitor monitor(model, digits(), {.probe_samples = 1, .loss = loss_of});
  for (int i = 0; i < 7; ++i) step(model, optimizer, monitor);
  CHECK(steps(monitor.history()) == std::vector<std::int64_t>{0, 3, 6});
  CHECK_FALSE(std::isnan(monitor.history()[1].parameters[0].update_ratio));
}

TEST_CASE("monitor: update_ratio is the size of the optimizer's step over that of the weight") {
  auto model = net();
  optim::SGD optimizer(model, {.lr = 0.5});
  nn::Monitor monitor(model, digits(), {.probe_samples = 10, .every = 2, .loss = loss_of});
  step(model, optimizer, monitor);
  const Tensor before = model.named_parameters()[0].value.detach().clone();
  step(model, optimizer, monitor);
  const Tensor moved = model.named_parameters()[0].value.detach() - before;
  const auto norm = [](const Tensor& x) { return std::sqrt(x.to(DType::f64).square().sum().item()); };
  const auto& report = monitor.history().back();
  CHECK(report.parameters[0].update_ratio == doctest::Approx(norm(moved) / norm(before)).epsilon(1e-6));
  CHECK(report.parameters[0].gradient_norm > 0);
  CHECK(std::isnan(monitor.history()[0].parameters[0].update_ratio));
}

TEST_CASE("monitor: without before_update there is no update_ratio, and all else") {
  auto model = net();
  nn::Monitor monitor(model, digits(), {.probe_samples = 10, .every = 1});
  CHECK(monitor.after_update(10));
  CHECK(std::isnan(monitor.history().back().parameters[0].update_ratio));
  CHECK(monitor.history().back().layers[0].size() == 20);
}

TEST_CASE("monitor: reports are made with batch statistics, from step 50 on with the running ones") {
  nn::Dense dense = [] {
    Generator generator(1);
    return nn::Dense(784, 4, generator, {.init = nn::init::constant(0.001)});
  }();
  dense.bias.mutable_data<float>()[0] = -100;
  nn::Sequential model{nn::Flatten(), dense, nn::BatchNorm1d(4), nn::ReLU()};
  nn::Monitor monitor(model, digits(), {.probe_samples = 20, .every = 1, .first_step = 48});
  monitor.after_update(1);
  monitor.after_update(1);
  CHECK(monitor.history()[0].dead() == 0);
  CHECK(monitor.history()[1].dead() == 0);
  CHECK(monitor.history()[2].dead() == 1);
}

TEST_CASE("monitor: a resumed run counts on") {
  auto model = net();
  nn::Monitor monitor(model, digits(), {.probe_samples = 10, .every = 4, .first_step = 6});
  monitor.after_update(1);
  monitor.after_update(1);
  CHECK(steps(monitor.history()) == std::vector<std::int64_t>{6, 8});
}

TEST_CASE("monitor: options out of range are refused") {
  auto model = net();
  const auto refused = [&](const char* text, const nn::MonitorOptions& options) {
    CHECK_THROWS_WITH_AS(nn::Monitor(model, digits(), options), text, Error);
  };
  refused("Monitor: probe_samples is 0, expected 1 or more", {.probe_samples = 0});
  refused("Monitor: every is -1, expected a number of steps, or 0 to choose one", {.every = -1});
  refused("Monitor: first_step is -1, expected 0 or more", {.first_step = -1});
  CHECK_THROWS_WITH_AS(nn::Monitor(model, nullptr), "Monitor: the probe is null, expected a data set", Error);
  nn::Monitor monitor(model, digits());
  CHECK_THROWS_WITH_AS(monitor.after_update(0), "Monitor: after_update with 0 samples, expected 1 or more",
                       Error);
  CHECK(monitor.step() == 0);
}

TEST_CASE("HealthMonitor: watches a run of fit, and writes its history at every epoch's end") {
  const test::TempDir folder;
  auto model = net();
  optim::Adam optimizer(model, {.lr = 0.05});
  optim::Trainer trainer(model, optimizer, optim::losses::cross_entropy());
  const nn::data::Loader loader(digits(), {.batch_size = 60});
  const auto health = std::make_shared<optim::callbacks::HealthMonitor>(
      digits(),
      optim::callbacks::HealthMonitorOptions{.probe_samples = 100, .every = 4, .csv = folder.file("h.csv")});
  const auto history = trainer.fit(loader, {.epochs = 2, .callbacks = {health}});
  CHECK(steps(health->history()) == std::vector<std::int64_t>{0, 4, 8, 10, 12, 16, 20});
  const auto& last = health->history().back();
  CHECK(history.of("never_on")[1] == last.never_on_share());
  CHECK(history.of("dead")[1] == last.never_on_share());
  CHECK(history.of("non_finite")[1] == 0);
  CHECK(health->history()[1].parameters[0].update_ratio > 0);
  CHECK(std::filesystem::file_size(folder.file("h.csv")) > 100);
}

TEST_CASE("HealthMonitor: a run that is watched is the run that is not, bit for bit") {
  const auto run = [](bool watched) {
    Generator generator(4);
    nn::Sequential model{nn::Flatten(), nn::Dense(784, 20, generator), nn::BatchNorm1d(20),
                         nn::ReLU(),    nn::Dropout(0.3, generator),   nn::Dense(20, 10, generator)};
    optim::Adam optimizer(model, {.lr = 0.01});
    optim::Trainer trainer(model, optimizer, optim::losses::cross_entropy());
    std::vector<std::shared_ptr<optim::Callback>> callbacks;
    if (watched)
      callbacks.push_back(std::make_shared<optim::callbacks::HealthMonitor>(
          digits(), optim::callbacks::HealthMonitorOptions{.probe_samples = 50, .every = 2}));
    const nn::data::Loader loader(digits(), {.batch_size = 60, .shuffle = true, .seed = 3});
    trainer.fit(loader, {.epochs = 2, .callbacks = callbacks});
    return model.named_state();
  };
  const auto plain = run(false), watched = run(true);
  for (std::size_t i = 0; i < plain.size(); ++i) {
    CAPTURE(plain[i].name);
    CHECK(test::same_bits(plain[i].value, watched[i].value));
  }
}

TEST_CASE("HealthMonitor: a null probe is refused") {
  CHECK_THROWS_WITH_AS(optim::callbacks::HealthMonitor(nullptr),
                       "HealthMonitor: the probe is null, expected a data set", Error);
}

TEST_CASE("HealthMonitor: the history can be read while the run lasts, and after one that threw") {
  auto model = net();
  optim::SGD optimizer(model, {.lr = 0.1});
  int calls = 0;
  optim::Trainer trainer(model, optimizer, [&](const Tensor& y, const Tensor& target) {
    if (++calls > 8) throw Error("loss: as it should");
    return cross_entropy(y, target);
  });
  const nn::data::Loader loader(digits(), {.batch_size = 60});
  const auto health = std::make_shared<optim::callbacks::HealthMonitor>(
      digits(), optim::callbacks::HealthMonitorOptions{.probe_samples = 10, .every = 2});
  CHECK_THROWS_WITH_AS(trainer.fit(loader, {.epochs = 1, .callbacks = {health}}), "loss: as it should",
                       Error);
  REQUIRE(health->history().size() >= 2);
  CHECK(health->history()[1].step == 2);
}
