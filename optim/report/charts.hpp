// Scripts for gnuplot: lines over epochs or steps, and a heat map. They hold numbers and words of this project only.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace rill::optim::report {

/// Whether a number has a place in a chart: finite, and not above 1e30 either way.
bool can_be_drawn(double value);

struct Series {
  std::string label = {};  ///< is_plain(), or words of ours; no entry in the key for none
  std::vector<std::pair<double, double>> points = {};  ///< by rising x; what cannot be drawn is a gap
};

/// Lines, of which the first ones have colours of their own. Few points and lone ones are marked.
struct Chart {
  std::string x_label = {}, y_label = {};  ///< words of ours
  std::vector<Series> series = {};
  bool may_be_logarithmic = false;  ///< where all numbers are above 0, and spread over a factor of 20
  bool share = false;               ///< in percent: from 0 on, and not above 100
};

/// Whether there is anything to draw.
bool has_points(const Chart& chart);
std::string script_of(const Chart& chart);

/// Cells of 0 to 100 percent, a row a layer, the first on top.
struct HeatMap {
  std::string x_label = {}, y_label = {};
  std::vector<double> x = {};                  ///< of the columns
  std::vector<std::vector<double>> rows = {};  ///< NaN is left open
};
std::string script_of(const HeatMap& map);

}  // namespace rill::optim::report
