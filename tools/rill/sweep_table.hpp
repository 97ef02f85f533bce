// What the runs of a sweep came to: as CSV, as a table, as a plot.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <rill/tools/rill/sweep_plan.hpp>

namespace rill::command {

struct SweepResult {
  SweepRun run;
  std::string folder;
  bool diverged = false;
  std::int64_t best_epoch = 0;                          ///< counts from 1; 0 for none
  std::string monitor;                                  ///< "val_loss"
  std::vector<std::pair<std::string, double>> numbers;  ///< of the best epoch
  std::optional<double> number(const std::string& name) const;
};

/// A row a run.
std::string sweep_csv(const SweepPlan& plan, const std::vector<SweepResult>& results);
/// A row a combination of values, of means and standard deviations over the seeds.
std::string sweep_table(const SweepPlan& plan, const std::vector<SweepResult>& results);
/// The number that decided, over the values; as an SVG file. Empty where gnuplot is missing or there is nothing to draw.
std::string sweep_picture(const SweepPlan& plan, const std::vector<SweepResult>& results);

}  // namespace rill::command
