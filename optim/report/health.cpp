// The health of units over time, layer by layer.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include <rill/optim/report/charts.hpp>
#include <rill/optim/report/gnuplot.hpp>
#include <rill/optim/report/html.hpp>
#include <rill/optim/report/palette.hpp>
#include <rill/optim/report/sections.hpp>

namespace rill::optim::report {
namespace {

constexpr std::size_t most_cells_across = 40, most_cells_down = 60, most_rows_of_health = 24;
constexpr std::size_t most_reports = 2000;

using Property = bool nn::UnitHealth::*;

double share_of(const nn::LayerHealth& layer, Property property) {
  std::int64_t count = 0;
  for (const nn::UnitHealth& unit : layer.units) count += unit.finite && unit.*property;
  return layer.share(count);
}

// A history has the same layers throughout; what is missing all the same counts as not measured.
double share_at(const nn::HealthReport& at, std::size_t layer, Property property) {
  return layer < at.layers.size() ? share_of(at.layers[layer], property) : NAN;
}

std::string describe(const nn::HealthReport& last, Property property, std::string_view what) {
  std::int64_t count = 0;
  for (const nn::LayerHealth& layer : last.layers) count += layer.count(property);
  return fmt::format("After step {}, {} of {} units are {}, on {} samples.", last.step, count, last.units(),
                     what, last.samples);
}

std::string lines(const RunReport& report, Property property, const std::string& y_label) {
  Chart chart{.x_label = "step", .y_label = y_label, .share = true};
  const auto& layers = report.health.back().layers;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    auto& series = chart.series.emplace_back();
    series.label = is_plain(layers[i].name) ? "layer " + layers[i].name : fmt::format("layer no. {}", i + 1);
    for (const std::size_t r : evenly(report.health.size(), most_reports)) {
      const nn::HealthReport& at = report.health[r];
      series.points.emplace_back(static_cast<double>(at.step), 100 * share_at(at, i, property));
    }
  }
  return has_points(chart) ? script_of(chart) : "";
}

std::string cells(const RunReport& report, Property property) {
  HeatMap map{.x_label = "step", .y_label = "layer, by its number in the table"};
  const auto shown = evenly(report.health.size(), most_cells_across);
  for (const std::size_t r : shown) map.x.push_back(static_cast<double>(report.health[r].step));
  for (std::size_t i = 0; i < std::min(report.health.back().layers.size(), most_cells_down); ++i) {
    auto& row = map.rows.emplace_back();
    for (const std::size_t r : shown) row.push_back(100 * share_at(report.health[r], i, property));
  }
  const auto open = [](const auto& row) {
    return std::ranges::all_of(row, [](double x) { return std::isnan(x); });
  };
  return std::ranges::all_of(map.rows, open) ? "" : script_of(map);
}

void add_health(std::vector<Picture>& pictures, const RunReport& report, Property property,
                const std::string& y_label, Picture picture) {
  picture.script = report.health.back().layers.size() <= line_colours ? lines(report, property, y_label)
                                                                      : cells(report, property);
  if (!picture.script.empty()) pictures.push_back(std::move(picture));
}

// "0" or "3 (1.2 %)"; a dash where no unit is finite.
std::string counted(const nn::LayerHealth& layer, std::int64_t count) {
  const double share = layer.share(count);
  if (std::isnan(share)) return "–";
  return count == 0 ? "0" : fmt::format("{} ({})", count, percent(share));
}

std::string last_table(const nn::HealthReport& last) {
  Table table{.caption = fmt::format("The layers after step {}, on {} samples", last.step, last.samples),
              .head = {"layer", "no.", "activation", "units", "not finite", "dead", "never positive",
                       "always on", "saturated", "no gradient", "active"},
              .rows = {}};
  for (std::size_t i = 0; i < last.layers.size(); ++i) {
    const nn::LayerHealth& layer = last.layers[i];
    table.rows.push_back(
        {layer.name, std::to_string(i + 1), layer.activation, std::to_string(layer.size()),
         std::to_string(layer.non_finite()), layer.blocks_gradient ? counted(layer, layer.dead()) : "–",
         layer.blocks_gradient ? "–" : counted(layer, layer.never_positive()),
         counted(layer, layer.count(&nn::UnitHealth::always_on)),
         counted(layer, layer.count(&nn::UnitHealth::saturated)),
         counted(layer, layer.count(&nn::UnitHealth::zero_gradient)), percent(layer.frequency())});
  }
  return to_html(table);
}

std::string over_time(const RunReport& report, bool open) {
  Table table{.caption = "Units that are never on, layer by layer over time", .head = {"step"}};
  const auto& layers = report.health.back().layers;
  const std::size_t columns = std::min(layers.size(), most_cells_down);
  for (std::size_t i = 0; i < columns; ++i) table.head.push_back(layers[i].name);
  for (const std::size_t r : evenly(report.health.size(), most_rows_of_health)) {
    auto& row = table.rows.emplace_back();
    row.push_back(std::to_string(report.health[r].step));
    for (std::size_t i = 0; i < columns; ++i)
      row.push_back(percent(share_at(report.health[r], i, &nn::UnitHealth::never_on)));
  }
  return details(table.caption, to_html(table), open);
}

std::string parameters(const nn::HealthReport& last) {
  if (last.parameters.empty()) return "";
  Table table{.caption = fmt::format("The parameters after step {}", last.step),
              .head = {"parameter", "finite", "norm", "gradient norm", "update/weight"},
              .rows = {}};
  for (const nn::ParameterHealth& parameter : last.parameters) {
    const auto text = [](double value) { return std::isnan(value) ? std::string("–") : number(value); };
    table.rows.push_back({parameter.name, parameter.finite ? "yes" : "no", text(parameter.norm),
                          text(parameter.gradient_norm), text(parameter.update_ratio)});
  }
  return details(table.caption, to_html(table));
}

}  // namespace

std::vector<Picture> health_pictures(const RunReport& report) {
  std::vector<Picture> pictures;
  if (report.health.empty() || report.health.back().layers.empty()) return pictures;
  const nn::HealthReport& last = report.health.back();
  add_health(pictures, report, &nn::UnitHealth::never_on, "never on (%)",
             {.file = "health",
              .heading = "Units that are never on",
              .description = describe(last, &nn::UnitHealth::never_on, "on for no sample")});
  const bool saturated = std::ranges::any_of(report.health, [](const nn::HealthReport& at) {
    return std::ranges::any_of(at.layers,
                               [](const auto& layer) { return layer.count(&nn::UnitHealth::saturated) > 0; });
  });
  if (saturated)
    add_health(
        pictures, report, &nn::UnitHealth::saturated, "saturated (%)",
        {.file = "saturation",
         .heading = "Saturated units",
         .description = describe(last, &nn::UnitHealth::saturated, "in the flat part for every sample")});
  return pictures;
}

std::string health_section(const RunReport& report) {
  if (report.health.empty() || report.health.back().layers.empty()) return "";
  const nn::HealthReport& last = report.health.back();
  bool drawn = true;
  std::string body = figures(health_pictures(report), "health", drawn);
  body +=
      "<p>A unit that is never on is dead under an activation that lets no gradient through then, such as "
      "ReLU; under "
      "others, such as LeakyReLU, it is only never positive and still learns.</p>\n";
  if (!last.finite_output) body += "<p class=\"warning\">The output holds NaN or infinities.</p>\n";
  if (last.constant_output)
    body += "<p class=\"warning\">The output is the same for every sample: the network is dead.</p>\n";
  return section("Neuron health", body + last_table(last) + over_time(report, !drawn) + parameters(last));
}

}  // namespace rill::optim::report
