#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include <rill/optim/report/charts.hpp>
#include <rill/optim/report/palette.hpp>

namespace rill::optim::report {
namespace {

constexpr double largest = 1e30, least = 1e-30;  // beyond, gnuplot's tics fail
constexpr std::size_t most_marks = 40, most_columns = 300;
constexpr const char* dashes[] = {"solid", "(10,4)", "(3,3)", "(12,4,3,4)", "(6,3)", "(2,5)"};

struct Range {
  double low = std::numeric_limits<double>::infinity(), high = -low;
  void take(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  bool empty() const { return low > high; }
};

// Of many points the lowest and the highest of each column, so that no peak is lost.
std::vector<std::pair<double, double>> thinned(const std::vector<std::pair<double, double>>& points) {
  if (points.size() <= 2 * most_columns) return points;
  const std::size_t width = (points.size() + most_columns - 1) / most_columns;
  std::vector<std::pair<double, double>> kept;
  for (std::size_t from = 0; from < points.size(); from += width) {
    const std::size_t to = std::min(from + width, points.size());
    std::size_t low = to, high = to;
    for (std::size_t i = from; i < to; ++i) {
      if (!can_be_drawn(points[i].second)) continue;
      if (low == to || points[i].second < points[low].second) low = i;
      if (high == to || points[i].second > points[high].second) high = i;
    }
    if (low == to) {
      kept.push_back(points[from]);
      continue;
    }
    kept.push_back(points[std::min(low, high)]);
    if (low != high) kept.push_back(points[std::max(low, high)]);
  }
  // The end of a curve is what it is about.
  if (kept.back() != points.back()) kept.push_back(points.back());
  return kept;
}

// x, y, and y once more where the point is marked.
std::string data_block(std::size_t index, const Series& series) {
  const auto points = thinned(series.points);
  const auto drawn = [&](std::size_t i) { return i < points.size() && can_be_drawn(points[i].second); };
  std::string out = fmt::format("$s{} << end_of_data\n", index);
  for (std::size_t i = 0; i < points.size(); ++i) {
    if (!drawn(i)) {
      out += "\n";  // a gap
      continue;
    }
    const bool marked = points.size() <= most_marks || (!drawn(i - 1) && !drawn(i + 1));
    const std::string y = fmt::format("{:.6g}", points[i].second);
    out += fmt::format("{:.10g} {} {}\n", points[i].first, y, marked ? y : "NaN");
  }
  return out + "end_of_data\n";
}

std::string frame(const std::string& x_label, const std::string& y_label) {
  const std::string ink = text_colour.in_script();
  return fmt::format(
      "set encoding utf8\n"
      "set terminal svg size 520,330 dynamic rounded noenhanced font 'sans-serif,14' background '#ffffff'\n"
      "set format y '%g'\nset border 3 linecolor rgb {0}\nset tics nomirror scale 0.5 textcolor rgb {1}\n"
      "set key tmargin center horizontal samplen 2.5 textcolor rgb {1}\n"
      "set xlabel '{2}' textcolor rgb {1}\nset ylabel '{3}' textcolor rgb {1}\n",
      axis_colour.in_script(), ink, x_label, y_label);
}

// Whole numbers, at most 7 of them.
std::string whole_tics(const Range& x) {
  double step = 1;
  for (int i = 0; (x.high - x.low) / step > 6; ++i) step *= i % 3 == 1 ? 2.5 : 2;
  return fmt::format("set xtics {:.10g},{:.10g}\n", std::ceil(x.low / step) * step, step);
}

// 1, 2 and 5 of every power of ten, or where that is crowded the powers alone.
std::string logarithmic_tics(double low, double high) {
  const int first = static_cast<int>(std::floor(std::log10(low))),
            last = static_cast<int>(std::ceil(std::log10(high)));
  std::string tics;
  for (int power = first; power <= last; ++power) {
    for (const int digit : {1, 2, 5}) {
      const double at = digit * std::pow(10, power);
      if (at < low || at > high || (digit > 1 && last - first > 3)) continue;
      tics += fmt::format("{}\"{:.4g}\" {:.10g}", tics.empty() ? "" : ", ", at, at);
    }
  }
  return "set ytics (" + tics + ")\n";
}

std::string y_range(const Chart& chart, Range y) {
  const bool logarithmic = chart.may_be_logarithmic && y.low > least && y.high > 20 * y.low;
  if (logarithmic)
    return fmt::format("set logscale y\nset yrange [{:.6g}:{:.6g}]\n", y.low / 1.2, y.high * 1.2) +
           logarithmic_tics(y.low / 1.2, y.high * 1.2);
  const double spread = y.high - y.low;
  double pad = 0.06 * spread;
  if (spread <= 1e-6 * std::max(std::abs(y.high), std::abs(y.low)))
    pad = std::max(0.05 * std::abs(y.high), 1e-3);
  double low = y.low - pad, high = y.high + pad;
  if (chart.share) {
    // The line at 0 stays clear of the axis.
    high = std::min(std::max(high, 1.0), 100.0);
    high += 0.02 * (high - std::max(low, 0.0));
    low = std::max(low, -0.03 * high);
  }
  return fmt::format("set yrange [{:.6g}:{:.6g}]\n", low, high);
}

}  // namespace

bool can_be_drawn(double value) { return std::isfinite(value) && std::abs(value) <= largest; }

bool has_points(const Chart& chart) {
  return std::ranges::any_of(chart.series, [](const Series& series) {
    return std::ranges::any_of(series.points, [](const auto& point) { return can_be_drawn(point.second); });
  });
}

std::string script_of(const Chart& chart) {
  Range x, y;
  std::string data, plots;
  for (std::size_t i = 0; i < chart.series.size(); ++i) {
    const Series& series = chart.series[i];
    for (const auto& point : series.points) {
      x.take(point.first);
      if (can_be_drawn(point.second)) y.take(point.second);
    }
    data += data_block(i, series);
    const std::string title = series.label.empty() ? "notitle" : "title '" + series.label + "'";
    const std::string colour = palette[i % line_colours].in_script();
    plots += fmt::format(
        "{0}$s{1} using 1:2 with lines linewidth 2 dashtype {2} linecolor rgb {3} {4}, "
        "$s{1} using 1:3 with points pointtype 7 pointsize 0.55 linecolor rgb {3} notitle",
        i == 0 ? "plot " : ", ", i, dashes[i % line_colours], colour, title);
  }
  const double margin = x.high > x.low ? 0.01 * (x.high - x.low) : 0.5;
  return frame(chart.x_label, chart.y_label) +
         fmt::format("set grid linetype 1 linewidth 0.5 linecolor rgb {}\n", grid_colour.in_script()) + data +
         whole_tics(x) + fmt::format("set xrange [{:.10g}:{:.10g}]\n", x.low - margin, x.high + margin) +
         y_range(chart, y) + plots + "\n";
}

std::string script_of(const HeatMap& map) {
  std::string data = "$cells << end_of_data\n", tics;
  for (std::size_t row = 0; row < map.rows.size(); ++row) {
    for (std::size_t column = 0; column < map.x.size(); ++column) {
      if (!std::isnan(map.rows[row][column]))
        data += fmt::format("{} {} {:.4g}\n", column, row + 1, map.rows[row][column]);
    }
  }
  const std::size_t every = map.x.size() / 5 + 1;
  for (std::size_t column = 0; column < map.x.size(); column += every)
    tics += fmt::format("{}'{:.10g}' {}", tics.empty() ? "" : ", ", map.x[column], column);
  return frame(map.x_label, map.y_label) + data + "end_of_data\n" +
         fmt::format(
             "unset key\nset style fill solid noborder\nset cbrange [0:100]\n"
             "set palette defined (0 '#00204d', 25 '#414d6b', 50 '#7c7b78', 75 '#bcae6c', 100 '#ffea46') "
             "maxcolors 20\n"
             "set cblabel 'percent' textcolor rgb {}\nset xtics ({})\nset xrange [-0.5:{}]\nset yrange "
             "[{}:0.5]\n"
             "plot $cells using 1:2:($1-0.5):($1+0.5):($2-0.5):($2+0.5):3 with boxxyerror linecolor palette "
             "notitle\n",
             text_colour.in_script(), tics, static_cast<double>(map.x.size()) - 0.5,
             static_cast<double>(map.rows.size()) + 0.5);
}

}  // namespace rill::optim::report
