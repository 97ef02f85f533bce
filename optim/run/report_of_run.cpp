#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include <rill/nn/data/split.hpp>
#include <rill/nn/health/diagnose.hpp>
#include <rill/nn/metrics.hpp>
#include <rill/nn/summary.hpp>
#include <rill/optim/report/run_report.hpp>
#include <rill/optim/run/report_of_run.hpp>

namespace rill::optim::config {
namespace {

constexpr std::int64_t most_judged_classes = 2000;  // whose confusions take 64 MB

// The least probable ones go when there are too many.
void keep_likeliest(std::vector<Misclassified>& mistakes) {
  std::ranges::stable_sort(mistakes, std::ranges::greater(), &Misclassified::probability);
  if (mistakes.size() > most_mistakes) mistakes.resize(most_mistakes);
}

void add_mistakes(std::vector<Misclassified>& mistakes, const Tensor& logits, const nn::data::Batch& batch,
                  std::int64_t first) {
  const Tensor shares = logits.softmax(1);
  const auto p = shares.data<float>();
  const auto labels = batch.y.data<std::int64_t>();
  const auto classes = static_cast<std::size_t>(logits.size(1));
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const auto row = p.subspan(i * classes, classes);
    const auto predicted = std::ranges::max_element(row) - row.begin();
    if (predicted == labels[i] || std::isnan(row[0])) continue;
    mistakes.push_back({.truth = labels[i],
                        .predicted = predicted,
                        .probability = row[static_cast<std::size_t>(predicted)],
                        .index = first + static_cast<std::int64_t>(i)});
  }
  keep_likeliest(mistakes);
}

// Of images, the pixels as they were, from 0 to 1.
Tensor sample_of(const DataConfig& config, const nn::data::Dataset& dataset, std::int64_t index) {
  const Tensor x = dataset.range(index, index + 1).x;
  Tensor sample = x.reshape(dataset.sample_shape());
  const auto pixels = [&](const PixelConfig& as) {
    return (sample * as.std + as.mean) * (1 / (255 * as.scale));
  };
  if (const auto* idx = std::get_if<IdxConfig>(&config.value)) return pixels(*idx);
  if (const auto* drawn = std::get_if<DrawnDigitsConfig>(&config.value)) return pixels(*drawn);
  return sample;
}

// Of a row of a table, its cells: "area 100, city=Ulm, age missing"; of one-hot features the one that is on.
std::string description_of(const RunData& data, const Tensor& sample) {
  constexpr std::size_t most_cells = 24;
  const nn::data::Standardize* by = nullptr;  // the last step, if it is there
  if (!data.preprocessing.empty())
    by = dynamic_cast<const nn::data::Standardize*>(data.preprocessing.back().get());
  const auto x = sample.data<float>();
  if (data.features.size() != x.size() || (by && by->mean().size() != x.size())) return "";
  std::vector<std::string> cells;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double raw = by ? x[i] * by->std()[i] + by->mean()[i] : static_cast<double>(x[i]);
    const std::string& name = data.features[i];
    const bool is_value =
        std::ranges::binary_search(data.values, i);  // the column city holds Ulm, or does not
    const bool filled = !is_value && std::ranges::binary_search(data.gaps, i + 1) && x[i + 1] > 0 &&
                        data.features[i + 1] == name + "=";
    if ((is_value && std::abs(raw) < 1e-4) || filled) continue;
    if (std::ranges::binary_search(data.gaps, i)) {
      cells.push_back(name.substr(0, name.size() - 1) + " missing");
    } else {
      cells.push_back(is_value && std::abs(raw - 1) < 1e-4 ? name : fmt::format("{} {:.7g}", name, raw));
    }
  }
  const std::size_t shown = std::min(cells.size(), most_cells);
  std::string text;
  for (std::size_t i = 0; i < shown; ++i) text += (i > 0 ? ", " : "") + cells[i];
  return shown < cells.size() ? text + fmt::format(", … ({} in all)", cells.size()) : text;
}

// Of the best epoch, which the report's numbers are of, or as it ended, where none was best.
nn::Model judged_model(RunReport& report, RunResult& result) {
  const std::string best = result.folder + "/best.safetensors";
  if (result.best_epoch && std::filesystem::exists(best)) {
    report.judged = fmt::format("The model of epoch {}, the best one", *result.best_epoch + 1);
    return nn::load_model(best);
  }
  report.judged = "The model as the run ended";
  return result.model;
}

void judge_classes(RunReport& report, const RunConfig& config, const RunData& data, nn::Model& model) {
  const nn::data::Dataset& judged = *data.validation;
  const nn::EvalMode evaluation(model);
  const NoGrad no_grad;
  nn::ConfusionMatrix matrix(judged.classes());
  const nn::data::Loader loader(data.validation, {.batch_size = 500});
  for (const nn::data::Batch& batch : loader.epoch(0)) {
    const Tensor logits = model(batch.x);
    matrix.add(logits, batch.y);
    add_mistakes(report.mistakes, logits, batch, batch.index * 500);
  }
  const std::int64_t classes = judged.classes();
  report.confusion = zeros({classes, classes}, DType::i64);
  const auto counts = report.confusion.mutable_data<std::int64_t>();
  for (std::int64_t i = 0; i < classes * classes; ++i)
    counts[static_cast<std::size_t>(i)] = matrix.count(i / classes, i % classes);
  report.unjudged = matrix.not_a_number();
  const auto* part = dynamic_cast<const nn::data::Subset*>(&judged);
  for (Misclassified& mistake : report.mistakes) {
    mistake.sample = sample_of(config.data, judged, mistake.index);
    mistake.description = description_of(data, mistake.sample);
    if (part) mistake.index = part->indices()[static_cast<std::size_t>(mistake.index)];
  }
}

std::string outcome_of(const RunConfig& config, const History& history) {
  const std::string done =
      fmt::format("{} of {} epochs, {} steps", history.epochs.size(), config.training.epochs, history.steps);
  if (history.diverged) return "The run diverged after " + done + ": " + history.reason;
  if (!history.reason.empty()) return "The run ended after " + done + ": " + history.reason;
  return "The run is complete: " + done;
}

void add_facts(RunReport& report, const RunConfig& config, const RunData& data, RunResult& result) {
  const auto fact = [&](std::string name, std::string text) {
    report.facts.emplace_back(std::move(name), std::move(text));
  };
  const std::string accuracy = data.validation ? "val_accuracy" : "accuracy";
  if (const auto value = result.best(accuracy))
    fact(accuracy + " of the best epoch", fmt::format("{:.2f} %", 100 * *value));
  if (const auto value = result.best(result.monitor))
    fact("best " + result.monitor, fmt::format("{:.6g}, epoch {}", *value, *result.best_epoch + 1));
  fact("training samples", std::to_string(data.train->size()));
  if (data.validation) fact("validation samples", std::to_string(data.validation->size()));
  fact("parameters", std::to_string(result.model.parameter_count()));
  fact("seed", std::to_string(config.seed));
}

}  // namespace

void write_run_report(const RunConfig& config, const RunData& data, RunResult& result) {
  const std::filesystem::path folder(result.folder);
  RunReport report{.title = folder.has_filename() ? folder.filename().string() : result.folder,
                   .outcome = outcome_of(config, result.history),
                   .epochs = result.history.epochs,
                   .health = result.health,
                   .model_summary = nn::summary(result.model, result.model.input_shape),
                   .config_json = to_json(config)};
  add_facts(report, config, data, result);
  if (!result.health.empty()) report.advice = nn::diagnose(result.health);
  const bool judges = data.validation && !data.regression();
  if (judges && data.train->classes() > most_judged_classes)
    report.facts.emplace_back("confusions", fmt::format("left out, of over {} classes", most_judged_classes));
  if (judges && data.train->classes() <= most_judged_classes) {
    report.classes = data.classes;
    nn::Model judged = judged_model(report, result);
    judge_classes(report, config, data, judged);
  }
  write_report(result.folder + "/report.html", report);
  write_pictures(result.folder, report);
}

}  // namespace rill::optim::config
