#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>

#include <rill/nn/health/find_layer.hpp>
#include <rill/nn/health/report.hpp>

namespace rill::nn {
namespace {

// Units whose score is at most tau.
std::int64_t dormant_units(const LayerHealth& layer, double tau, double UnitHealth::*score) {
  RILL_CHECK(tau >= 0 && tau <= 1, "dormant: tau is ", tau, ", expected 0 to 1");
  return std::ranges::count_if(layer.units,
                               [&](const UnitHealth& unit) { return unit.finite && unit.*score <= tau; });
}

// NaN, without a sign that would show in text, where there is nothing to divide by.
double ratio(double part, double whole) { return whole > 0 ? part / whole : NAN; }

double mean_of(const LayerHealth& layer, double UnitHealth::*number) {
  double sum = 0, count = 0;
  for (const UnitHealth& unit : layer.units) {
    if (!unit.finite) continue;
    sum += unit.*number;
    ++count;
  }
  return ratio(sum, count);
}

std::int64_t sum_over(const HealthReport& report, std::int64_t (LayerHealth::*count)() const) {
  std::int64_t sum = 0;
  for (const LayerHealth& layer : report.layers) sum += (layer.*count)();
  return sum;
}

// "12.3 %", or a dash where nothing was measured.
std::string percent(double share) { return std::isnan(share) ? "-" : fmt::format("{:.1f} %", 100 * share); }
std::string number(double value) { return std::isnan(value) ? "-" : fmt::format("{:.3g}", value); }

struct Column {
  const char* title;
  std::string (*text)(const LayerHealth&);
};

// Where no unit is finite, none is known to be alive, and no count is told.
bool all_lost(const LayerHealth& layer) { return layer.non_finite() == layer.size(); }

std::string count_text(const LayerHealth& layer, std::int64_t count) {
  if (all_lost(layer)) return "-";
  return count == 0 ? "0" : fmt::format("{} ({})", count, percent(layer.share(count)));
}

std::string csv_count(const LayerHealth& layer, std::int64_t count) {
  return all_lost(layer) ? "nan" : std::to_string(count);
}

constexpr double default_tau = 0.025;

constexpr Column columns[] = {
    {"layer", [](const LayerHealth& l) { return l.name; }},
    {"activation", [](const LayerHealth& l) { return l.activation; }},
    {"units", [](const LayerHealth& l) { return std::to_string(l.size()); }},
    {"not finite", [](const LayerHealth& l) { return std::to_string(l.non_finite()); }},
    {"dead",
     [](const LayerHealth& l) { return l.blocks_gradient ? count_text(l, l.dead()) : std::string("-"); }},
    {"never positive",
     [](const LayerHealth& l) {
       return l.blocks_gradient ? std::string("-") : count_text(l, l.never_positive());
     }},
    {"dormant", [](const LayerHealth& l) { return count_text(l, l.dormant(default_tau)); }},
    {"saturated", [](const LayerHealth& l) { return count_text(l, l.count(&UnitHealth::saturated)); }},
    {"no gradient", [](const LayerHealth& l) { return count_text(l, l.count(&UnitHealth::zero_gradient)); }},
    {"active", [](const LayerHealth& l) { return percent(l.frequency()); }},
    {"z mean", [](const LayerHealth& l) { return number(mean_of(l, &UnitHealth::mean)); }},
    {"z std", [](const LayerHealth& l) { return number(std::sqrt(mean_of(l, &UnitHealth::variance))); }},
    {"gradient", [](const LayerHealth& l) { return number(mean_of(l, &UnitHealth::gradient_rms)); }},
};

// Rows of cells as lines, the first two columns to the left.
void print_table(std::ostream& out, const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths(rows[0].size());
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += fmt::format(fmt::runtime(i < 2 ? "  {:<{}}" : "  {:>{}}"), row[i], widths[i]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out << line << '\n';
  }
}

}  // namespace

std::int64_t LayerHealth::count(bool UnitHealth::*property) const {
  return std::ranges::count_if(units, [&](const UnitHealth& unit) { return unit.*property; });
}

std::int64_t LayerHealth::dormant(double tau) const {
  return dormant_units(*this, tau, &UnitHealth::activity_score);
}

std::int64_t LayerHealth::gradient_dormant(double tau) const {
  const bool measured = std::ranges::all_of(
      units, [](const UnitHealth& unit) { return !unit.finite || !std::isnan(unit.gradient_score); });
  RILL_CHECK(measured, "gradient_dormant: layer ", name,
             " has no gradient scores, expected an audit with a loss whose gradients are finite");
  return dormant_units(*this, tau, &UnitHealth::gradient_score);
}

double LayerHealth::share(std::int64_t count) const {
  return ratio(static_cast<double>(count), static_cast<double>(size() - non_finite()));
}

double LayerHealth::frequency() const { return mean_of(*this, &UnitHealth::frequency); }

std::int64_t HealthReport::units() const { return sum_over(*this, &LayerHealth::size); }
std::int64_t HealthReport::dead() const { return sum_over(*this, &LayerHealth::dead); }
std::int64_t HealthReport::non_finite() const { return sum_over(*this, &LayerHealth::non_finite); }
std::int64_t HealthReport::never_on() const { return dead() + sum_over(*this, &LayerHealth::never_positive); }

double HealthReport::dead_share() const {
  return ratio(static_cast<double>(dead()), static_cast<double>(units() - non_finite()));
}

double HealthReport::never_on_share() const {
  return ratio(static_cast<double>(never_on()), static_cast<double>(units() - non_finite()));
}

const LayerHealth& HealthReport::layer(std::string_view name) const {
  return detail::find_layer("report", layers, name);
}

std::ostream& operator<<(std::ostream& out, const HealthReport& report) {
  const double bound = 3.0 / static_cast<double>(report.samples);
  out << fmt::format(
      "{} samples; with 95 % confidence a unit that is never on fires for less than {:.2g} % of all data\n",
      report.samples, 100 * std::min(1.0, bound));
  if (!report.finite_output) out << "the output holds NaN or infinities\n";
  if (report.constant_output) out << "the output is the same for every sample: the network is dead\n";
  std::vector<std::vector<std::string>> rows(1);
  for (const Column& column : columns) rows[0].emplace_back(column.title);
  for (const LayerHealth& layer : report.layers) {
    auto& row = rows.emplace_back();
    for (const Column& column : columns) row.push_back(column.text(layer));
  }
  print_table(out, rows);
  for (const LayerHealth& layer : report.layers) {
    if (layer.blind_samples > 0)
      out << fmt::format("  layer {}: no unit is on for {} of {} samples\n", layer.name, layer.blind_samples,
                         layer.samples);
  }
  if (report.parameters.empty()) return out;
  rows = {{"parameter", "", "norm", "gradient norm", "update/weight"}};
  for (const ParameterHealth& parameter : report.parameters) {
    rows.push_back({parameter.name, parameter.finite ? "" : "not finite", number(parameter.norm),
                    number(parameter.gradient_norm), number(parameter.update_ratio)});
  }
  print_table(out, rows);
  return out;
}

UnitTurnover turnover(const HealthReport& before, const HealthReport& after) {
  RILL_CHECK(before.layers.size() == after.layers.size(), "turnover: the reports have ", before.layers.size(),
             " and ", after.layers.size(), " layers, expected the same ones");
  UnitTurnover found;
  std::int64_t both = 0;
  for (std::size_t i = 0; i < before.layers.size(); ++i) {
    const LayerHealth &old = before.layers[i], &now = after.layers[i];
    RILL_CHECK(old.name == now.name && old.size() == now.size(), "turnover: layer ", i, " is ", old.name,
               " with ", old.size(), " units and ", now.name, " with ", now.size(), ", expected the same");
    for (std::size_t u = 0; u < old.units.size(); ++u) {
      const bool was = old.units[u].never_on, is = now.units[u].never_on;
      found.before += was;
      found.after += is;
      found.newly_off += !was && is;
      found.revived += was && !is && now.units[u].finite;
      both += was && is;
    }
  }
  const std::int64_t smaller = std::min(found.before, found.after);
  if (smaller > 0) found.overlap = static_cast<double>(both) / static_cast<double>(smaller);
  return found;
}

void write_health_csv(const std::vector<HealthReport>& history, const std::string& path,
                      const std::string& earlier) {
  std::ofstream file(path);
  file
      << "step,samples,layer,activation,units,non_finite,dead,never_positive,dormant,saturated,zero_gradient,"
         "frequency,mean,variance,output_mean,gradient_rms\n"
      << earlier;
  for (const HealthReport& report : history) {
    for (const LayerHealth& l : report.layers) {
      const auto count = [&](std::int64_t units) { return csv_count(l, units); };
      file << fmt::format("{},{},{},{},{},{},{},{},{},{},{},{:.9g},{:.9g},{:.9g},{:.9g},{:.9g}\n",
                          report.step, l.samples, l.name, l.activation, l.size(), l.non_finite(),
                          count(l.dead()), count(l.never_positive()), count(l.dormant(default_tau)),
                          count(l.count(&UnitHealth::saturated)), count(l.count(&UnitHealth::zero_gradient)),
                          l.frequency(), mean_of(l, &UnitHealth::mean), mean_of(l, &UnitHealth::variance),
                          mean_of(l, &UnitHealth::output_mean), mean_of(l, &UnitHealth::gradient_rms));
    }
  }
  file.close();
  RILL_CHECK(file, path, ": write failed, expected a writable folder with space left");
}

}  // namespace rill::nn
