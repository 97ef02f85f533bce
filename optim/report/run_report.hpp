// The report of a training run: one HTML file that needs nothing else, and its pictures as SVG files.
//
// Invariants: the page holds no script and refers to nothing outside of itself; every text that it was given stands there as
// text, whatever it holds; it is well-formed XML. Curves are gnuplot's; where that is missing, tables take their place.
// Threads: functions are pure, but for the files that they write and the gnuplot that they run.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <rill/core/tensor.hpp>
#include <rill/nn/health/diagnose.hpp>
#include <rill/nn/health/report.hpp>
#include <rill/optim/fit.hpp>

namespace rill::optim {

/// A sample that a model took for another class.
struct Misclassified {
  Tensor sample =
      {};  ///< f32; [rows, cols] (or [1, rows, cols]) of 0 to 1 is drawn, another shape is told in numbers
  std::int64_t truth = 0, predicted = 0;  ///< classes
  double probability = NAN;               ///< of the predicted class
  std::int64_t index = -1;                ///< of the sample in its set; below 0 if not known
  std::string description = {};           ///< takes the place of the sample, if not empty
};

/// The most mistakes that a report shows, those with the highest probability.
inline constexpr std::size_t most_mistakes = 48;

/// What a report tells. Every part but the title may be empty.
struct RunReport {
  std::string title = {};
  std::string outcome = {};                                     ///< one sentence, such as why the run ended
  std::vector<std::pair<std::string, std::string>> facts = {};  ///< "test accuracy", "98.43 %"
  std::vector<Logs> epochs = {};                                ///< as History::epochs
  std::int64_t first_epoch = 0;               ///< of the logs, counted from 0; pages count from 1
  std::vector<nn::HealthReport> health = {};  ///< over time, of one model
  std::vector<nn::Advice> advice = {};        ///< nn::diagnose() of them
  std::vector<std::string> classes = {};      ///< names; empty for 0, 1, …
  std::string judged = {};  ///< whose confusions and mistakes these are, such as "The model of epoch 3"
  Tensor confusion =
      {};  ///< i64 [classes, classes], a row a true class; undefined where there are no classes
  std::int64_t unjudged = 0;                 ///< more samples, whose outputs are NaN: they stand in no class
  std::vector<Misclassified> mistakes = {};  ///< most_mistakes of them are shown
  std::string model_summary = {};            ///< as nn::summary()
  std::string config_json = {};
};

/// The report as a page of HTML, UTF-8. Throws Error for a title that is empty, a confusion matrix of other shape or dtype
/// or with a count below 0, names that are not as many as it has classes, and samples that are no f32.
std::string render_report(const RunReport& report);

/// Writes render_report() to `path` as io::write_file_atomically() does. Throws Error as both do.
void write_report(const std::string& path, const RunReport& report);

/// Writes those of loss.svg, accuracy.svg, lr.svg, health.svg and saturation.svg into `folder` for which the report has
/// numbers, as io::write_file_atomically() does; the names of the written ones. None where gnuplot is missing or fails.
/// Throws Error as write_report() does.
std::vector<std::string> write_pictures(const std::string& folder, const RunReport& report);

}  // namespace rill::optim
