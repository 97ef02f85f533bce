#include <rill/tools/rill/sweep_table.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include <rill/core/io/csv.hpp>
#include <rill/nn/config/json.hpp>
#include <rill/optim/report/charts.hpp>
#include <rill/optim/report/gnuplot.hpp>

namespace rill::command {
namespace {

// Names in the order in which the runs have them.
std::vector<std::string> names_in(const std::vector<SweepResult>& results) {
  std::vector<std::string> names;
  for (const SweepResult& result : results) {
    for (const auto& entry : result.numbers) {
      if (std::find(names.begin(), names.end(), entry.first) == names.end()) names.push_back(entry.first);
    }
  }
  return names;
}

struct Spread {
  std::vector<double> values;
  double mean() const {
    double sum = 0;
    for (const double value : values) sum += value;
    return values.empty() ? NAN : sum / static_cast<double>(values.size());
  }
  double deviation() const {
    double sum = 0;
    for (const double value : values) sum += (value - mean()) * (value - mean());
    return std::sqrt(sum / static_cast<double>(values.size() - 1));
  }
  std::string text() const {
    if (values.empty()) return "-";
    return values.size() < 2 ? fmt::format("{:.4g}", mean())
                             : fmt::format("{:.4g} ± {:.2g}", mean(), deviation());
  }
};

// Of one combination: the runs whose names are the same stand together.
using Group = std::vector<const SweepResult*>;
std::vector<Group> groups_of(const std::vector<SweepResult>& results) {
  std::vector<Group> groups;
  for (const SweepResult& result : results) {
    if (groups.empty() || groups.back().front()->run.name != result.run.name) groups.emplace_back();
    groups.back().push_back(&result);
  }
  return groups;
}

Spread spread_of(const Group& group, const std::string& name) {
  Spread spread;
  for (const SweepResult* result : group) {
    const auto value = result->number(name);
    if (value && !result->diverged) spread.values.push_back(*value);
  }
  return spread;
}

std::string aligned(const std::vector<std::vector<std::string>>& rows) {
  const auto width = [](const std::string& text) {  // "±" takes two bytes and one column
    return static_cast<std::size_t>(std::count_if(
        text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
  };
  std::vector<std::size_t> widths(rows.front().size());
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(row[i]));
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i)
      line += row[i] + std::string(i + 1 < row.size() ? widths[i] - width(row[i]) + 2 : 0, ' ');
    text += line + "\n";
  }
  return text;
}

std::optional<double> as_number(const std::string& text) {
  double value = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end.ec != std::errc() || end.ptr != text.data() + text.size() || !std::isfinite(value)) return {};
  return value;
}

}  // namespace

std::optional<double> SweepResult::number(const std::string& name) const {
  for (const auto& entry : numbers) {
    if (entry.first == name) return entry.second;
  }
  return {};
}

std::string sweep_csv(const SweepPlan& plan, const std::vector<SweepResult>& results) {
  const std::vector<std::string> names = names_in(results);
  std::string text;
  for (const std::string& key : plan.keys) text += io::csv_field(key) + ",";
  text += "seed,status,best_epoch";
  for (const std::string& name : names) text += "," + io::csv_field(name);
  text += ",folder\n";
  for (const SweepResult& result : results) {
    for (const std::string& value : result.run.values) text += io::csv_field(value) + ",";
    text +=
        fmt::format("{},{},{}", result.run.seed, result.diverged ? "diverged" : "done", result.best_epoch);
    for (const std::string& name : names) {
      const auto value = result.number(name);
      text += "," + (value ? nn::config::number_text(*value) : "");
    }
    text += "," + io::csv_field(result.folder) + "\n";
  }
  return text;
}

std::string sweep_table(const SweepPlan& plan, const std::vector<SweepResult>& results) {
  std::vector<std::string> names = names_in(results);
  std::erase_if(names, [](const std::string& name) { return name == "lr" || name == "seconds"; });
  if (names.size() > 6) names.resize(6);
  std::vector<std::vector<std::string>> rows{plan.keys};
  rows[0].insert(rows[0].end(), names.begin(), names.end());
  rows[0].emplace_back("runs");
  for (const Group& group : groups_of(results)) {
    std::vector<std::string>& row = rows.emplace_back(group.front()->run.values);
    for (const std::string& name : names) row.push_back(spread_of(group, name).text());
    const auto bad =
        std::count_if(group.begin(), group.end(), [](const auto* result) { return result->diverged; });
    row.push_back(std::to_string(group.size()) + (bad ? fmt::format(" ({} diverged)", bad) : ""));
  }
  return aligned(rows);
}

std::string sweep_picture(const SweepPlan& plan, const std::vector<SweepResult>& results) {
  namespace report = optim::report;
  if (results.empty() || plan.keys.empty()) return "";
  const std::string monitor = results.front().monitor;
  const bool numeric =
      plan.keys.size() == 1 && std::all_of(results.begin(), results.end(), [](const auto& result) {
        return as_number(result.run.values[0]).has_value();
      });
  const auto named = [](const std::string& text, const char* otherwise) {
    return report::is_plain(text) ? text : std::string(otherwise);
  };
  report::Chart chart{.x_label = numeric ? named(plan.keys[0], "value") : "row of the table",
                      .y_label = named(monitor, "result"),
                      .may_be_logarithmic = true};
  report::Series& series = chart.series.emplace_back();
  double row = 0;
  for (const Group& group : groups_of(results)) {
    row += 1;
    const double x = numeric ? *as_number(group.front()->run.values[0]) : row;
    series.points.emplace_back(x, spread_of(group, monitor).mean());
  }
  std::sort(series.points.begin(), series.points.end());
  if (!report::has_points(chart)) return "";
  const auto svg = report::gnuplot(report::script_of(chart));
  return svg ? report::titled(*svg, "rill sweep") : "";
}

}  // namespace rill::command
