// A report of a run with something in every part, for the tests of pages.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include <rill/optim/report/run_report.hpp>

namespace rill::test {

/// Logs of `count` epochs, of training and validation.
inline std::vector<optim::Logs> logs_of(int count) {
  std::vector<optim::Logs> out;
  for (int epoch = 0; epoch < count; ++epoch) {
    const double loss = 2.3 * std::exp(-0.01 * epoch) + 0.001 * (epoch % 7);
    auto& logs = out.emplace_back();
    logs.set("loss", loss);
    logs.set("accuracy", 1 - loss / 3);
    logs.set("val_loss", 1.1 * loss);
    logs.set("val_accuracy", 1 - loss / 2.5);
    logs.set("lr", 0.01);
  }
  return out;
}

/// Two layers of 10 units, ReLU and LeakyReLU; `off` of each are never on.
inline nn::HealthReport health_of(std::int64_t step, int off) {
  nn::HealthReport report{.step = step, .samples = 500};
  for (const bool blocks : {true, false}) {
    nn::LayerHealth layer{.name = blocks ? "1" : "3",
                          .activation = blocks ? "relu" : "leaky_relu",
                          .blocks_gradient = blocks,
                          .samples = 500};
    for (int unit = 0; unit < 10; ++unit) layer.units.push_back({.never_on = unit < off, .frequency = 0.25});
    report.layers.push_back(std::move(layer));
  }
  return report;
}

inline optim::RunReport full_report() {
  optim::RunReport report{.title = "digits", .outcome = "Stopped early"};
  report.facts = {{"test accuracy", "98.43 %"}, {"seed", "42"}};
  report.epochs = logs_of(5);
  report.health = {health_of(0, 0), health_of(100, 2), health_of(200, 3)};
  report.advice = {{.rule = "learning_rate_too_high",
                    .layer = "1",
                    .step = 200,
                    .reason = "dead units have risen",
                    .remedy = "lower it"}};
  report.classes = {"cat", "dog"};
  report.confusion = tensor({{7, 1}, {2, 4}}, DType::i64);
  report.mistakes = {
      {.sample = tensor({{0, 1}, {0.5, 0.25}}), .truth = 0, .predicted = 1, .probability = 0.75, .index = 31},
      {.sample = tensor({1.5, 2.5}), .truth = 1, .predicted = 0, .probability = 0.875, .index = 32}};
  report.model_summary = "Dense [n, 10]";
  report.config_json = "{\"epochs\": 5}";
  return report;
}

}  // namespace rill::test
