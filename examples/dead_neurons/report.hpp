// Report: the tables on the terminal, and dead_neurons.csv.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <string>
#include <vector>

#include <rill/rill.hpp>

#include "experiment.hpp"
#include "rescue.hpp"

namespace dead_neurons {

/// A file that is opened, and its first line written, long before there is something to write.
class OutFile {
 public:
  /// Throws Error if the file cannot be written.
  OutFile(const std::string& folder, const std::string& name, const std::string& header)
      : path_(folder + "/" + name), file_(path_) {
    file_ << header << '\n';
    file_.flush();
    check();
  }
  void line(const std::string& text) { file_ << text << '\n'; }
  /// Throws Error if not everything was written.
  void close() {
    file_.close();
    check();
  }

 private:
  void check() const {
    RILL_CHECK(file_, path_, ": write failed, expected a writable folder with space left");
  }

  std::string path_;
  std::ofstream file_;
};

struct Statistics {
  double mean = NAN, deviation = NAN;  ///< the deviation is the sample's, and 0 of a single number
  double low = NAN, high = NAN;
};

/// Of numbers; NaN among them makes mean and deviation NaN.
inline Statistics statistics(const std::vector<double>& values) {
  if (values.empty()) return {};
  const auto count = static_cast<double>(values.size());
  double sum = 0, squares = 0;
  for (const double value : values) sum += value;
  for (const double value : values) squares += (value - sum / count) * (value - sum / count);
  return {.mean = sum / count,
          .deviation = values.size() > 1 ? std::sqrt(squares / (count - 1)) : squares,
          .low = *std::ranges::min_element(values),
          .high = *std::ranges::max_element(values)};
}

/// What `of` says of each element.
template <class Element, class Of>
std::vector<double> collect(const std::vector<Element>& from, Of of) {
  std::vector<double> values;
  for (const Element& element : from) values.push_back(of(element));
  return values;
}

inline Statistics accuracies(const std::vector<Outcome>& outcomes) {
  return statistics(collect(outcomes, [](const Outcome& one) { return one.accuracy; }));
}
inline Statistics dead_shares(const std::vector<Outcome>& outcomes) {
  return statistics(collect(outcomes, [](const Outcome& one) { return one.end.never_on_share(); }));
}

/// The share of units that are never on, layer by layer.
inline std::vector<double> layer_shares(const rill::nn::HealthReport& report) {
  return collect(report.layers, [](const rill::nn::LayerHealth& layer) {
    return layer.share(layer.count(&rill::nn::UnitHealth::never_on));
  });
}

namespace detail {

inline std::string mean_and_deviation(const Statistics& of) {
  return fmt::format("{:5.1f} ± {:4.1f}", 100 * of.mean, 100 * of.deviation);
}

/// Percentages, layer by layer, of the mean over reports: "89/81/80/79".
template <class Reports, class Shares>
std::string by_layer(const Reports& reports, Shares shares) {
  std::vector<double> sums;
  for (const rill::nn::HealthReport* report : reports) {
    const std::vector<double> layers = shares(*report);
    sums.resize(layers.size());
    for (std::size_t i = 0; i < layers.size(); ++i) sums[i] += layers[i];
  }
  std::string text;
  for (const double sum : sums) {
    text += fmt::format("{}{:.0f}", text.empty() ? "" : "/",
                        100 * sum / static_cast<double>(std::max<std::size_t>(1, reports.size())));
  }
  return text;
}

inline std::vector<double> frequencies(const rill::nn::HealthReport& report) {
  return collect(report.layers, [](const rill::nn::LayerHealth& layer) { return layer.frequency(); });
}

template <class Element>
std::vector<const rill::nn::HealthReport*> reports_of(const std::vector<Element>& from,
                                                      rill::nn::HealthReport Element::*which) {
  std::vector<const rill::nn::HealthReport*> reports;
  for (const Element& element : from) reports.push_back(&(element.*which));
  return reports;
}

inline std::string each(const std::vector<double>& shares) {
  std::string text;
  for (const double share : shares) text += fmt::format("{}{:.1f}", text.empty() ? "" : " ", 100 * share);
  return text;
}

}  // namespace detail

/// A row a variant: accuracy, its seeds, the share of units that are never on, before, after and by layer, and how often units
/// are on; all in per cent.
inline void print_table(const Experiment& experiment) {
  fmt::print("\n{}: {}\n", experiment.name, experiment.setup.text());
  fmt::print("{:<18} {:>13}  {:<30} {:>12}  {:>13}  {:<15} {}\n", "variant", "test acc %", "per seed",
             "born never on", "never on %", "by layer", "on, by layer");
  for (std::size_t v = 0; v < experiment.variants.size(); ++v) {
    const std::vector<Outcome>& outcomes = experiment.outcomes[v];
    const auto born = detail::reports_of(outcomes, &Outcome::born);
    const auto end = detail::reports_of(outcomes, &Outcome::end);
    const auto diverged = std::ranges::count(outcomes, true, &Outcome::diverged);
    fmt::print("{:<18} {:>13}  {:<30} {:>12}  {:>13}  {:<15} {}{}\n", experiment.variants[v].name,
               detail::mean_and_deviation(accuracies(outcomes)),
               detail::each(collect(outcomes, [](const Outcome& one) { return one.accuracy; })),
               detail::by_layer(born, layer_shares), detail::mean_and_deviation(dead_shares(outcomes)),
               detail::by_layer(end, layer_shares), detail::by_layer(end, detail::frequencies),
               diverged ? fmt::format("  ({} diverged)", diverged) : "");
  }
}

/// The last point of a branch, seed by seed.
inline std::vector<RescuePoint> last_points(const std::vector<Rescue>& rescues, const std::string& branch) {
  std::vector<RescuePoint> points;
  for (const Rescue& rescue : rescues) points.push_back(rescue.find(branch)->points.back());
  return points;
}

/// A row a way of going on.
inline void print_table(const std::vector<Rescue>& rescues, const Setup& setup) {
  fmt::print("\nrescue: {}; then a new optimizer at {} for {} epochs\n", setup.text(), rescue_lr,
             rescue_epochs);
  fmt::print("{:<19} {:>13}  {:<20} {:>13}  {}\n", "", "test acc %", "per seed", "never on %", "by layer");
  for (const RescueBranch& branch : rescues.front().branches) {
    const std::vector<RescuePoint> points = last_points(rescues, branch.name);
    const std::vector<double> all = collect(points, [](const RescuePoint& one) { return one.accuracy; });
    const std::vector<double> dead =
        collect(points, [](const RescuePoint& one) { return one.report.never_on_share(); });
    fmt::print("{:<19} {:>13}  {:<20} {:>13}  {}\n", branch.name, detail::mean_and_deviation(statistics(all)),
               detail::each(all), detail::mean_and_deviation(statistics(dead)),
               detail::by_layer(detail::reports_of(points, &RescuePoint::report), layer_shares));
  }
}

/// The first line of dead_neurons.csv, for networks of up to `layers` hidden layers.
inline std::string csv_header(int layers) {
  std::string text = "experiment,variant,seed,accuracy,dead_share";
  for (int layer = 1; layer <= layers; ++layer) text += fmt::format(",layer{}", layer);
  return text;
}

/// A line of it; layers that the network does not have stay empty.
inline std::string csv_line(const std::string& experiment, const std::string& variant, std::uint64_t seed,
                            double accuracy, const rill::nn::HealthReport& report, int layers) {
  std::string text =
      fmt::format("{},{},{},{:.6g},{:.6g}", experiment, variant, seed, accuracy, report.never_on_share());
  const std::vector<double> shares = layer_shares(report);
  for (std::size_t layer = 0; layer < static_cast<std::size_t>(layers); ++layer)
    text += layer < shares.size() ? fmt::format(",{:.6g}", shares[layer]) : ",";
  return text;
}

}  // namespace dead_neurons
