// What a run's config asks for is what is done: losses, schedules, data and models, each beside the same in C++.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <sstream>

#include <rill/core/bits.hpp>
#include <rill/nn/data/augment.hpp>
#include <rill/optim/run/make.hpp>
#include <rill/rill.hpp>

#include "idx_digits.hpp"
#include "temp_dir.hpp"
#include "values.hpp"

namespace {

using namespace rill;
using optim::load_data;
using optim::parse_run;
using optim::run_training;
using optim::RunConfig;
using test::TempDir;

constexpr const char* digits = R"({ "rill": 1, "seed": 3,
  "model": { "rill": 1, "input_shape": [28, 28],
    "layers": [ { "type": "flatten" }, { "type": "dense", "units": 10 } ] },
  "data": { "format": "drawn_digits", "train": 160, "test": 80 },
  "loss": "cross_entropy",
  "optimizer": { "type": "sgd", "lr": 0.1 },
  "training": { "epochs": 3, "batch_size": 32 } })";

RunConfig digits_run(const TempDir& folder, const std::string& name, std::vector<std::string> overrides) {
  overrides.push_back("out=" + folder.file(name));
  return parse_run(digits, "run.json", overrides);
}

std::vector<double> logged(const optim::RunResult& result, const char* name) {
  std::vector<double> values;
  for (const optim::Logs& epoch : result.history.epochs) values.push_back(epoch.at(name));
  return values;
}

void check_near(const std::vector<double>& found, const std::vector<double>& expected) {
  REQUIRE(found.size() == expected.size());
  for (std::size_t i = 0; i < found.size(); ++i)
    CHECK(found[i] == doctest::Approx(expected[i]).epsilon(1e-12));
}

}  // namespace

TEST_CASE("run: schedules of a config have PyTorch's learning rates") {
  const TempDir folder;
  int runs = 0;
  const auto rates = [&](const std::string& schedule, const std::string& more = "training.epochs=4") {
    return logged(run_training(digits_run(folder, std::to_string(++runs), {"schedule=" + schedule, more}),
                               {.report = false}),
                  "lr");
  };
  check_near(rates(R"({"type": "multi_step", "milestones": [1, 3], "gamma": 0.1})"),
             {0.1, 0.01, 0.01, 0.001});
  check_near(rates(R"({"type": "exponential", "gamma": 0.5})"), {0.1, 0.05, 0.025, 0.0125});
  const double quarter = 0.05 * (1 + std::sqrt(0.5));
  check_near(rates(R"({"type": "cosine", "interval": "epoch"})"), {0.1, quarter, 0.05, 0.1 - quarter});
  check_near(rates(R"({"type": "cosine", "interval": "epoch", "t_max": 2})", "training.epochs=3"),
             {0.1, 0.05, 0});
  // 3 epochs of 2 steps
  check_near(rates(R"({"type": "cosine", "interval": "batch"})", "training.steps_per_epoch=2"),
             {0.1, 0.075, 0.025});
}

TEST_CASE("run: what an optimizer or a schedule refuses is told with its place in the config") {
  const auto refusal = [](const std::string& change) {
    return test::message_of([&] { optim::check_run(parse_run(digits, "run.json", {change})); });
  };
  CHECK(
      refusal(R"(optimizer={"type": "sgd", "lr": 0.1, "nesterov": true})") ==
      "run: /optimizer: SGD: nesterov with momentum 0 and dampening 0, expected a momentum and no dampening");
  CHECK(refusal(R"(schedule={"type": "multi_step", "milestones": [3, 1]})") ==
        "run: /schedule: MultiStepLR: milestone 1, expected 3 or more, in ascending order");
  CHECK(refusal(R"(schedule={"type": "sequence", "milestones": [2],
                   "schedules": ["cosine", {"type": "multi_step", "milestones": [3, 1]}]})") ==
        "run: /schedule/schedules/1: MultiStepLR: milestone 1, expected 3 or more, in ascending order");
  const TempDir folder;
  CHECK_THROWS_AS(
      run_training(digits_run(folder, "run", {"optimizer.momentum=0", "optimizer.nesterov=true"})),
      optim::RunConfigError);
  CHECK(folder.names().empty());
}

TEST_CASE("run: bce_with_logits has its weight of the ones, and counts logits on the right side of 0") {
  const TempDir folder;
  std::ostringstream out;
  Stream random(6, Purpose::user);
  for (int i = 0; i < 200; ++i) {
    const double x = random.uniform(-1, 1);
    out << x << ',' << (x > 0.2 ? 1 : 0) << '\n';
  }
  const RunConfig config = parse_run(R"({ "rill": 1,
      "model": { "rill": 1, "input_shape": [1], "layers": [ { "type": "dense", "units": 1 } ] },
      "data": { "format": "csv", "path": ")" +
                                         folder.write("ones.csv", out.str()) +
                                         R"(", "regression": true, "header": false },
      "loss": { "type": "bce_with_logits", "pos_weight": [3] }, "optimizer": { "type": "adam", "lr": 0.1 },
      "training": { "epochs": 20, "batch_size": 16 }, "out": ")" +
                                         folder.file("run") + "\" }",
                                     "run.json");
  const Tensor one = ones({1, 1});
  CHECK(optim::config::make_loss(config.loss)(one, one).item() == doctest::Approx(0.9397850).epsilon(1e-6));
  auto result = run_training(config, {.report = false});
  CHECK(*result.last("val_accuracy") > 0.9);
  for (const char* file : {"run/best.safetensors", "run/last.safetensors"})
    CHECK(nn::load_model(folder.file(file)).loss == "bce_with_logits");
  const nn::data::Samples kept =
      load_data(config.data, static_cast<std::uint64_t>(config.seed)).validation->all();
  const nn::EvalMode evaluation(result.model);
  const std::vector<double> y = test::values_of(result.model(kept.x)), target = test::values_of(kept.y);
  double right = 0;
  for (std::size_t i = 0; i < y.size(); ++i) right += (y[i] > 0) == (target[i] == 1);
  CHECK(*result.last("val_accuracy") == doctest::Approx(right / static_cast<double>(y.size())));
}

TEST_CASE("run: header says whether the first row of a CSV file has names") {
  const TempDir folder;
  const std::string path = folder.write("x.csv", "1,2\n3,4\n5,6\n");
  const auto data = [&](const std::string& header) {
    const RunConfig config = parse_run(digits, "run.json",
                                       {R"(data={"format": "csv", "path": ")" + path +
                                        R"(", "regression": true, "validation": 0)" + header + "}"});
    return load_data(config.data, 1);
  };
  CHECK(data("").train->size() == 3);
  CHECK(data(R"(, "header": false)").train->size() == 3);
  CHECK(data(R"(, "header": true)").train->size() == 2);
  CHECK(data(R"(, "header": true)").features == std::vector<std::string>{"1"});
}

TEST_CASE("run: of IDX files the first samples are taken, and a share of them kept for validation") {
  const TempDir folder;
  test::write_idx_digits(folder.file("train"), *nn::data::draw_digits(50, 1, true));
  test::write_idx_digits(folder.file("t10k"), *nn::data::draw_digits(20, 1, false));
  const auto data = [&](const std::string& more) {
    const RunConfig config = parse_run(
        digits, "run.json", {R"(data={"format": "idx", "path": ")" + folder.path() + '"' + more + "}"});
    return load_data(config.data, 1);
  };
  const optim::RunData whole = data("");
  CHECK(whole.train->size() == 50);
  CHECK(whole.validation->size() == 20);
  const optim::RunData some = data(R"(, "limit": 30)");
  CHECK(some.train->size() == 30);
  CHECK(some.validation->size() == 20);
  CHECK(detail::same_bits(some.train->all().x, whole.train->range(0, 30).x));
  const optim::RunData split = data(R"(, "limit": 30, "validation": 0.2)");
  CHECK(split.train->size() == 24);
  CHECK(split.validation->size() == 6);
}

TEST_CASE("run: augmentation is the shift and the distortion that the config describes") {
  const auto transforms = [](const std::string& augment) {
    const RunConfig config = parse_run(digits, "run.json", {"data.augment=" + augment});
    return load_data(config.data, 1).augment;
  };
  CHECK(transforms("{}").empty());
  CHECK(transforms(R"({"shift": 2})").size() == 1);
  for (const char* each : {"rotation", "scale", "shear", "translate", "alpha"})
    CHECK_MESSAGE(transforms(std::string("{\"") + each + "\": 0.5}").size() == 1, each);
  const nn::data::Transforms both = transforms(
      R"({"shift": 2, "rotation": 7, "scale": 0.1, "shear": 0.2, "translate": 1.5, "alpha": 9, "sigma": 5})");
  REQUIRE(both.size() == 2);
  CHECK(dynamic_cast<const nn::data::Shift&>(*both[0]).options().pixels == 2);
  const nn::data::DistortOptions& options = dynamic_cast<const nn::data::Distort&>(*both[1]).options();
  CHECK(options.rotation == 7);
  CHECK(options.scale == 0.1);
  CHECK(options.shear == 0.2);
  CHECK(options.translate == 1.5);
  CHECK(options.alpha == 9);
  CHECK(options.sigma == 5);

  const TempDir folder;
  const auto loss = [&](const std::string& name, std::vector<std::string> more) {
    return *run_training(digits_run(folder, name, std::move(more)), {.report = false}).last("loss");
  };
  const std::string distort = R"(data.augment={"rotation": 20, "alpha": 20})";
  CHECK(loss("a", {distort}) == loss("b", {distort}));
  CHECK(loss("c", {}) < loss("d", {distort}));
}

TEST_CASE("run: the best model is the one with the highest accuracy where that is watched") {
  const TempDir folder;
  auto result = run_training(
      digits_run(folder, "run", {"training.epochs=6", "training.checkpoint.monitor=val_accuracy"}),
      {.report = false});
  CHECK(result.monitor == "val_accuracy");
  const std::vector<double> accuracy = logged(result, "val_accuracy");
  CHECK(*result.best_epoch == std::ranges::max_element(accuracy) - accuracy.begin());
  nn::Model best = nn::load_model(folder.file("run/best.safetensors"));
  const auto raw = nn::data::draw_digits(80, 3, false, {.scale = 1});
  const nn::data::Samples all = raw->all();
  CHECK(nn::accuracy(best.predict(all.x), all.y) == doctest::Approx(std::ranges::max(accuracy)));
}

TEST_CASE(
    "run: reduce_on_plateau takes from the monitor's name what is good, and refuses where it says nothing") {
  const TempDir folder;
  const auto last_rate = [&](const std::string& name, const std::string& schedule) {
    return *run_training(
                digits_run(folder, name, {"schedule=" + schedule, "training.epochs=4", "optimizer.lr=0.001"}),
                {.report = false})
                .last("lr");
  };
  int runs = 0;
  // The loss falls and the accuracy rises: no epoch is bad.
  CHECK(last_rate("by loss", R"({"type":"reduce_on_plateau","monitor":"loss","patience":0})") == 0.001);
  const auto by_accuracy = [&](const std::string& mode) {
    return last_rate(
        "by " + mode + std::to_string(++runs),
        R"({"type":"reduce_on_plateau","monitor":"accuracy","patience":0,"mode":")" + mode + "\"}");
  };
  CHECK(by_accuracy("auto") == by_accuracy("max"));
  CHECK(by_accuracy("auto") > by_accuracy("min"));
  CHECK(test::message_of([&] {
          last_rate("lr", R"({"type":"reduce_on_plateau","monitor":"lr"})");
        }).find("mode is automatic, and \"lr\" does not say") != std::string::npos);
}

TEST_CASE("run: an empty monitor of early stopping is refused before the first step") {
  const TempDir folder;
  CHECK(test::message_of([&] {
          run_training(digits_run(folder, "x", {R"(training.early_stopping={"monitor":"","mode":"min"})"}),
                       {});
        }).starts_with("run: /training/early_stopping/monitor: there is no \"\" in the log"));
}

TEST_CASE("run: recycled units do not count as what a step of the optimizer changed") {
  const TempDir folder;
  // Half of the units are born dead, so there are some to recycle, at every step that is measured.
  const auto result = run_training(
      digits_run(
          folder, "x",
          {R"(model.layers=[{"type":"flatten"},{"type":"dense","units":32,"bias_init":{"type":"uniform","low":-9,"high":3}},{"type":"relu"},{"type":"dense","units":10}])",
           "optimizer.lr=0.0001", R"(monitor={"every":5})", R"(recycle={"steps":5})", "training.epochs=2"}),
      {.report = false});
  bool measured = false;
  for (const nn::HealthReport& report : result.health) {
    for (const nn::ParameterHealth& parameter : report.parameters) {
      if (!parameter.name.ends_with("weight") || !std::isfinite(parameter.update_ratio)) continue;
      measured = true;
      CHECK(parameter.update_ratio < 0.05);
    }
  }
  CHECK(measured);
}

TEST_CASE("run: a trained model is trained on") {
  const TempDir folder;
  const auto first = run_training(digits_run(folder, "first", {}), {.report = false});
  const std::string saved = folder.file("first/last.safetensors");
  const auto second =
      run_training(digits_run(folder, "second", {"model=" + saved, "optimizer.lr=0", "training.epochs=1"}),
                   {.report = false});
  CHECK(*second.last("val_loss") == *first.last("val_loss"));
  CHECK(optim::load_run(folder.file("second/config.json")).model.path == saved);
  const auto third = run_training(digits_run(folder, "third", {"model=" + saved}), {.report = false});
  CHECK(*third.last("val_loss") < *first.last("val_loss"));
}

TEST_CASE("run: units are recycled by their gradient, too") {
  const TempDir folder;
  const auto loss = [&](const std::string& by) {
    const std::vector<std::string> overrides{
        R"(model.layers=[{"type": "flatten"}, {"type": "dense", "units": 8, "activation": "relu"},
            {"type": "dense", "units": 10}])",
        R"(recycle={"steps": 4, "tau": 0.5, "by": ")" + by + "\"}"};
    return *run_training(digits_run(folder, by, overrides), {.report = false}).last("loss");
  };
  CHECK(loss("activity") != loss("gradient"));
}
