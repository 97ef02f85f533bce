// Curves over epochs, and the table of them.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include <rill/optim/callbacks.hpp>
#include <rill/optim/report/charts.hpp>
#include <rill/optim/report/html.hpp>
#include <rill/optim/report/sections.hpp>

namespace rill::optim::report {
namespace {

constexpr std::size_t most_curves = 12, most_rows = 1000, most_columns_of_logs = 40;
constexpr std::string_view validation = "val_";

std::int64_t epoch_of(const RunReport& report, std::size_t i) {
  return report.first_epoch + static_cast<std::int64_t>(i) + 1;
}

// The numbers of one name, NaN where an epoch has none.
std::vector<double> numbers_of(const RunReport& report, const std::string& name) {
  std::vector<double> out;
  for (const Logs& logs : report.epochs) out.push_back(logs.contains(name) ? logs.at(name) : NAN);
  return out;
}

// Names in the order in which they come first.
std::vector<std::string> names_of(const RunReport& report) {
  std::vector<std::string> names;
  std::set<std::string> known;
  for (const Logs& logs : report.epochs) {
    for (const auto& entry : logs) {
      if (known.insert(entry.first).second) names.push_back(entry.first);
    }
  }
  return names;
}

// What is drawn of a name, and how it is told.
struct Curve {
  std::string name;
  bool share = false;  ///< told in percent
  bool judged =
      true;  ///< of training and validation, and a best one is told where the name says which that is
};

// "Training: 0.052 in epoch 10, lowest 0.05 in epoch 9; 2 epochs without a finite number."
std::string course(const RunReport& report, const Curve& curve, const std::string& label,
                   const std::vector<double>& values) {
  const std::optional<callbacks::Mode> good = callbacks::mode_by_name(curve.name);
  const bool large = good == callbacks::Mode::max;
  std::size_t first = values.size(), last = 0, best = 0, lost = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!can_be_drawn(values[i])) {
      ++lost;
      continue;
    }
    if (first == values.size()) first = best = i;
    last = i;
    if (large ? values[i] > values[best] : values[i] < values[best]) best = i;
  }
  if (first == values.size()) return "";
  const auto at = [&](std::size_t i) {
    return fmt::format("{} in epoch {}", curve.share ? percent(values[i], 2) : number(values[i]),
                       epoch_of(report, i));
  };
  std::string out = label.empty() ? "" : label + ": ";
  out += at(last);
  if (last != first && curve.judged && good) out += (large ? ", highest " : ", lowest ") + at(best);
  if (last != first && !curve.judged) out = at(first) + ", " + out;
  if (lost > 0) out += fmt::format("; {} epochs without a finite number", lost);
  return out + ".";
}

Series series_of(const RunReport& report, const std::vector<double>& values, double factor) {
  Series series;
  for (std::size_t i = 0; i < values.size(); ++i)
    series.points.emplace_back(static_cast<double>(epoch_of(report, i)), factor * values[i]);
  return series;
}

void add_curve(std::vector<Picture>& pictures, const RunReport& report, const Curve& curve, Chart chart,
               Picture picture) {
  chart.share = curve.share;
  for (const bool of_validation : {false, true}) {
    const auto values = numbers_of(report, of_validation ? std::string(validation) + curve.name : curve.name);
    const std::string label = !curve.judged ? "" : of_validation ? "validation" : "training";
    const std::string words = course(report, curve,
                                     !curve.judged   ? ""
                                     : of_validation ? "Validation"
                                                     : "Training",
                                     values);
    // An empty one keeps its place, so that validation always has its colour.
    auto& series = chart.series.emplace_back();
    if (words.empty()) continue;
    series = series_of(report, values, curve.share ? 100 : 1);
    series.label = label;
    picture.description += (picture.description.empty() ? "" : " ") + words;
  }
  if (!has_points(chart)) return;
  picture.script = script_of(chart);
  pictures.push_back(std::move(picture));
}

// The rows of all numbers, a part of them where there are very many.
std::string table_of_epochs(const RunReport& report, bool open) {
  auto names = names_of(report);
  if (names.size() > most_columns_of_logs) names.resize(most_columns_of_logs);
  Table table{.caption = "The numbers of every epoch"};
  if (report.epochs.size() > most_rows)
    table.caption = fmt::format("The numbers of {} of {} epochs", most_rows, report.epochs.size());
  table.head = {"epoch"};
  table.head.insert(table.head.end(), names.begin(), names.end());
  for (const std::size_t i : evenly(report.epochs.size(), most_rows)) {
    auto& row = table.rows.emplace_back();
    row.push_back(std::to_string(epoch_of(report, i)));
    for (const std::string& name : names)
      row.push_back(report.epochs[i].contains(name) ? number(report.epochs[i].at(name)) : "");
  }
  return details(table.caption, to_html(table), open);
}

}  // namespace

std::vector<Picture> curve_pictures(const RunReport& report) {
  std::vector<Picture> pictures;
  add_curve(pictures, report, {.name = "loss"},
            {.x_label = "epoch", .y_label = "loss", .may_be_logarithmic = true},
            {.file = "loss", .heading = "Loss"});
  add_curve(pictures, report, {.name = "accuracy", .share = true},
            {.x_label = "epoch", .y_label = "accuracy (%)"}, {.file = "accuracy", .heading = "Accuracy"});
  add_curve(pictures, report, {.name = "lr", .judged = false},
            {.x_label = "epoch", .y_label = "learning rate", .may_be_logarithmic = true},
            {.file = "lr", .heading = "Learning rate"});
  // The health section shows the last three layer by layer.
  std::set<std::string> done = {"loss", "accuracy", "lr", "dead", "never_on", "non_finite"};
  for (const std::string& name : names_of(report)) {
    const bool prefixed = name.starts_with(validation);
    const std::string base = prefixed ? name.substr(validation.size()) : name;
    if (pictures.size() < most_curves && done.insert(base).second)
      add_curve(pictures, report, {.name = base}, {.x_label = "epoch"}, {.heading = base});
  }
  return pictures;
}

std::string curves_section(const RunReport& report) {
  if (report.epochs.empty()) return "";
  bool drawn = true;
  const std::string charts = figures(curve_pictures(report), "curve", drawn);
  return section("Training", charts + table_of_epochs(report, !drawn));
}

}  // namespace rill::optim::report
