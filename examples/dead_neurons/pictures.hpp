// Pictures: the files that examples/dead_neurons.gp draws, one noun each.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "experiment.hpp"
#include "report.hpp"

namespace dead_neurons {

/// What an experiment of cells draws: the loss by step and variant, how often units are on at the end, and of networks
/// that were watched how many units of a layer are never on by step.
class CellPictures {
 public:
  CellPictures(const std::string& folder, const Experiment& experiment)
      : loss_(folder, "loss_" + experiment.name + ".csv", loss_header(experiment)),
        activity_(folder, "activity_" + experiment.name + ".csv", activity_header()),
        death_(folder, "death_" + experiment.name + ".csv", death_header(experiment)) {}

  void write(const Experiment& experiment) {
    write_loss(experiment);
    for (std::size_t v = 0; v < experiment.variants.size(); ++v) {
      write_activity(experiment.variants[v].name, experiment.outcomes[v]);
      write_death(experiment.variants[v].name, experiment.outcomes[v].front());
    }
    loss_.close();
    activity_.close();
    death_.close();
  }

 private:
  static constexpr std::size_t bins = 20;

  static std::string loss_header(const Experiment& experiment) {
    std::string text = "step";
    for (const Variant& variant : experiment.variants) text += "," + variant.name;
    return text;
  }
  static std::string activity_header() {
    std::string text = "variant,never_on,always_on";
    for (std::size_t bin = 0; bin < bins; ++bin)
      text += fmt::format(",{:.2f}", (static_cast<double>(bin) + 0.5) / bins);
    return text;
  }
  static std::string death_header(const Experiment& experiment) {
    std::string text = "variant,step";
    for (int layer = 1; layer <= experiment.setup.depth; ++layer) text += fmt::format(",layer{}", layer);
    return text;
  }

  // The median over seeds of means over 13 steps.
  void write_loss(const Experiment& experiment) {
    constexpr std::size_t window = 13;
    std::size_t steps = 0;
    for (const auto& outcomes : experiment.outcomes) {
      for (const Outcome& one : outcomes) steps = std::max(steps, one.losses.size());
    }
    for (std::size_t end = window; end <= steps; end += window) {
      std::string text = std::to_string(end);
      for (const auto& outcomes : experiment.outcomes) {
        std::vector<double> means;
        for (const Outcome& one : outcomes) {
          if (one.losses.size() < end) continue;
          const auto last = one.losses.begin() + static_cast<std::ptrdiff_t>(end);
          const double mean = std::accumulate(last - window, last, 0.0) / window;
          if (std::isfinite(mean)) means.push_back(mean);
        }
        std::ranges::sort(means);
        text += means.empty()
                    ? ",nan"
                    : fmt::format(",{:.6g}", (means[(means.size() - 1) / 2] + means[means.size() / 2]) / 2);
      }
      loss_.line(text);
    }
  }

  // Shares of all units of all seeds: never on, always on, and between by twentieths.
  void write_activity(const std::string& variant, const std::vector<Outcome>& outcomes) {
    std::array<double, bins + 2> counts{};
    double units = 0;
    for (const Outcome& one : outcomes) {
      for (const rill::nn::LayerHealth& layer : one.end.layers) {
        for (const rill::nn::UnitHealth& unit : layer.units) {
          if (!unit.finite) continue;
          const auto bin = std::min(bins - 1, static_cast<std::size_t>(unit.frequency * bins));
          ++counts[unit.never_on ? 0 : unit.always_on ? 1 : 2 + bin];
          ++units;
        }
      }
    }
    std::string text = variant;
    for (const double count : counts) text += fmt::format(",{:.6g}", count / units);
    activity_.line(text);
  }

  void write_death(const std::string& variant, const Outcome& outcome) {
    for (const rill::nn::HealthReport& report : outcome.history) {
      std::string text = fmt::format("{},{}", variant, report.step);
      for (const double share : layer_shares(report)) text += fmt::format(",{:.6g}", share);
      death_.line(text);
    }
  }

  OutFile loss_, activity_, death_;
};

/// What the rescue draws: accuracy and dead share by step of every branch and seed, and of the first seed how often each
/// unit is on, by step: units downwards, sorted within their layer by what they do when the damage is done.
class RescuePictures {
 public:
  explicit RescuePictures(const std::string& folder)
      : folder_(folder), curves_(folder, "rescue.csv", "branch,seed,step,accuracy,dead_share") {}

  void write(const std::vector<Rescue>& rescues, std::uint64_t first_seed) {
    for (std::size_t i = 0; i < rescues.size(); ++i) {
      for (const RescueBranch& branch : rescues[i].branches) {
        for (const RescuePoint& point : branch.points) {
          curves_.line(fmt::format("{},{},{},{:.6g},{:.6g}", branch.name, first_seed + i, point.step,
                                   point.accuracy, point.report.never_on_share()));
        }
      }
    }
    curves_.close();
    for (const char* branch : {"continue", "recycle"}) write_units(rescues.front(), branch);
  }

 private:
  void write_units(const Rescue& rescue, const char* name) {
    const RescueBranch* branch = rescue.find(name);
    if (!branch) return;
    const std::vector<RescuePoint>& damage = rescue.branches.front().points;
    std::vector<const rill::nn::HealthReport*> reports;
    for (const RescuePoint& point : damage) reports.push_back(&point.report);
    // The first point of a branch stands where the damage ends.
    for (std::size_t i = 1; i < branch->points.size(); ++i) reports.push_back(&branch->points[i].report);
    std::string header = "unit";
    for (const auto* report : reports) header += fmt::format(",{}", report->step);
    OutFile file(folder_, fmt::format("units_{}.csv", name), header);
    for (std::size_t l = 0; l < damage.back().report.layers.size(); ++l) {
      for (const std::size_t unit : order(damage.back().report.layers[l])) {
        std::string text = fmt::format("{}.{}", l + 1, unit);
        for (const auto* report : reports)
          text += fmt::format(",{:.4g}", report->layers[l].units[unit].frequency);
        file.line(text);
      }
    }
    file.close();
  }

  static std::vector<std::size_t> order(const rill::nn::LayerHealth& layer) {
    std::vector<std::size_t> units(layer.units.size());
    std::iota(units.begin(), units.end(), std::size_t{0});
    std::ranges::stable_sort(units, std::greater{}, [&](std::size_t unit) {
      return layer.units[unit].finite ? layer.units[unit].frequency : -1;
    });
    return units;
  }

  std::string folder_;
  OutFile curves_;
};

}  // namespace dead_neurons
