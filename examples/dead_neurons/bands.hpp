// Bands: what the experiments have to show on MNIST, whatever the seeds.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "experiment.hpp"
#include "report.hpp"

namespace dead_neurons {

struct Band {
  std::string text;      ///< what has to hold
  std::string measured;  ///< the numbers
  bool holds = false;
};

namespace detail {

inline void bands_of_a(const Experiment& a, std::vector<Band>& bands) {
  if (const auto* relu = a.find("relu")) {
    const auto failed = std::ranges::count_if(*relu, [](const Outcome& one) { return one.accuracy < 0.5; });
    bands.push_back({"A: relu fails (below 50 %) for at least 3 of 5 seeds",
                     fmt::format("{} of {}", failed, relu->size()),
                     failed * 5 >= 3 * static_cast<std::int64_t>(relu->size())});
  }
  for (const char* variant : {"leaky_relu:0.1", "leaky_relu:0.3", "elu", "prelu"}) {
    const auto* outcomes = a.find(variant);
    if (!outcomes) continue;
    const Statistics accuracy = accuracies(*outcomes);
    bands.push_back(
        {fmt::format("A: {} is above 90 % for every seed", variant),
         fmt::format("{:.2f} % at least, {:.2f} % on average", 100 * accuracy.low, 100 * accuracy.mean),
         accuracy.low > 0.9});
  }
}

inline void bands_of_b(const Experiment& b, std::vector<Band>& bands) {
  const auto mean = [](const std::vector<Outcome>& of) { return dead_shares(of).mean; };
  if (const auto* relu = b.find("relu")) {
    bands.push_back({"B: of relu's units more than 65 % are dead on average",
                     fmt::format("{:.1f} %", 100 * mean(*relu)), mean(*relu) > 0.65});
  }
  if (const auto* leaky = b.find("leaky_relu:0.3")) {
    bands.push_back({"B: of leaky_relu:0.3's units less than 10 % are never on, on average",
                     fmt::format("{:.1f} %", 100 * mean(*leaky)), mean(*leaky) < 0.1});
  }
}

inline void bands_of_c(const Experiment& c, std::vector<Band>& bands) {
  for (std::size_t v = 0; v < c.variants.size(); ++v) {
    const Statistics accuracy = accuracies(c.outcomes[v]);
    bands.push_back(
        {fmt::format("C: {} reaches 95.3 % for every seed", c.variants[v].name),
         fmt::format("{:.2f} % at least, {:.2f} % on average", 100 * accuracy.low, 100 * accuracy.mean),
         accuracy.low >= 0.953});
  }
}

}  // namespace detail

/// The bands of an experiment of the standard set-up.
inline std::vector<Band> bands_of(const Experiment& experiment) {
  std::vector<Band> bands;
  if (experiment.name == "A") detail::bands_of_a(experiment, bands);
  if (experiment.name == "B") detail::bands_of_b(experiment, bands);
  if (experiment.name == "C") detail::bands_of_c(experiment, bands);
  return bands;
}

/// The bands of the standard rescue.
inline std::vector<Band> bands_of(const std::vector<Rescue>& rescues) {
  if (!rescues.front().find("recycle")) return {};
  const auto mean = [&](const char* branch, auto of) {
    return statistics(collect(last_points(rescues, branch), of)).mean;
  };
  const auto accuracy = [](const RescuePoint& one) { return one.accuracy; };
  const double gain = mean("recycle", accuracy) - mean("continue", accuracy);
  const double dead = mean("recycle", [](const RescuePoint& one) { return one.report.never_on_share(); });
  std::vector<Band> bands;
  bands.push_back({"rescue: recycle beats continue by at least 8 points",
                   fmt::format("{:.1f} points", 100 * gain), gain >= 0.08});
  bands.push_back({"rescue: less than 8 % of the units are dead after recycle",
                   fmt::format("{:.1f} %", 100 * dead), dead < 0.08});
  return bands;
}

inline void print_bands(const std::vector<Band>& bands) {
  if (bands.empty()) return;
  fmt::print("\nbands:\n");
  for (const Band& band : bands)
    fmt::print("  {:<70} {:<36} {}\n", band.text, band.measured, band.holds ? "holds" : "does not hold");
  const auto holding = std::ranges::count(bands, true, &Band::holds);
  fmt::print("{} of {} bands hold\n", holding, bands.size());
}

}  // namespace dead_neurons
