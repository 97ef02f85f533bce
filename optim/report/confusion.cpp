// Which classes were taken for which: a matrix, or a list where that would be too large.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include <rill/optim/report/html.hpp>
#include <rill/optim/report/sections.hpp>

namespace rill::optim::report {
namespace {

constexpr std::int64_t most_classes_in_matrix = 50, most_open_classes = 20;
constexpr std::size_t most_confusions = 50;

// The counts with their sums.
class Counts {
 public:
  explicit Counts(const Tensor& confusion)
      : size(confusion.size(0)),
        counts_(confusion.data<std::int64_t>()),
        samples(static_cast<std::size_t>(size)),
        taken(static_cast<std::size_t>(size)) {
    for (std::int64_t truth = 0; truth < size; ++truth) {
      for (std::int64_t predicted = 0; predicted < size; ++predicted) {
        const auto count = static_cast<double>(at(truth, predicted));
        samples[static_cast<std::size_t>(truth)] += count;
        taken[static_cast<std::size_t>(predicted)] += count;
        total += count;
        if (truth == predicted) right += count;
      }
    }
  }
  std::int64_t at(std::int64_t truth, std::int64_t predicted) const {
    return counts_[static_cast<std::size_t>(truth * size + predicted)];
  }

  const std::int64_t size;

 private:
  std::span<const std::int64_t> counts_;

 public:
  std::vector<double> samples, taken;  // of a class; taken for a class
  double total = 0, right = 0;
};

// Shades from 0 to 9; small shares of errors are what is looked for, so the root decides there.
int shade(double share, bool right) {
  return std::clamp(static_cast<int>(10 * (right ? share : std::sqrt(share))), 0, 9);
}

std::string matrix(const RunReport& report, const Counts& counts) {
  const auto longer = [&](std::int64_t of) { return class_name(report, of).size() > 3; };
  bool upright = false;
  for (std::int64_t i = 0; i < counts.size; ++i) upright = upright || longer(i);
  std::string out =
      "<div class=\"scroll whole\" role=\"region\" tabindex=\"0\" aria-label=\"confusion matrix\">\n"
      "<table class=\"matrix\">\n<caption>Samples by true and predicted class</caption>\n"
      "<thead><tr><th scope=\"col\" class=\"w\">true class</th>";
  for (std::int64_t i = 0; i < counts.size; ++i) {
    const std::string name = escaped(class_name(report, i));
    out += fmt::format("<th scope=\"col\"{0} title=\"{1}\"><span>{1}</span></th>",
                       upright ? " class=\"v\"" : "", name);
  }
  out += "</tr></thead>\n<tbody>\n";
  for (std::int64_t truth = 0; truth < counts.size; ++truth) {
    out += fmt::format("<tr><th scope=\"row\" class=\"w\">{}</th>", escaped(class_name(report, truth)));
    for (std::int64_t predicted = 0; predicted < counts.size; ++predicted) {
      const std::int64_t count = counts.at(truth, predicted);
      const double share =
          count == 0 ? 0 : static_cast<double>(count) / counts.samples[static_cast<std::size_t>(truth)];
      const bool right = truth == predicted;
      if (count == 0) {
        out += "<td>0</td>";
      } else {
        out += fmt::format("<td class=\"{}{}\">{}</td>", right ? 'r' : 'x', shade(share, right), count);
      }
    }
    out += "</tr>\n";
  }
  return out + "</tbody>\n</table>\n</div>\n";
}

std::string largest_confusions(const RunReport& report, const Counts& counts) {
  struct Entry {
    std::int64_t count, truth, predicted;
  };
  std::vector<Entry> entries;
  for (std::int64_t truth = 0; truth < counts.size; ++truth) {
    for (std::int64_t predicted = 0; predicted < counts.size; ++predicted) {
      const std::int64_t count = counts.at(truth, predicted);
      if (truth != predicted && count > 0) entries.push_back({count, truth, predicted});
    }
  }
  std::ranges::stable_sort(entries, std::ranges::greater(), &Entry::count);
  const std::size_t shown = std::min(entries.size(), most_confusions);
  Table table{.caption = fmt::format("The {} largest of {} confusions", shown, entries.size()),
              .head = {"true class", "predicted", "samples", "of the class"},
              .rows = {},
              .left = 2};
  for (std::size_t i = 0; i < shown; ++i) {
    const Entry& entry = entries[i];
    const double of_class = counts.samples[static_cast<std::size_t>(entry.truth)];
    table.rows.push_back({class_name(report, entry.truth), class_name(report, entry.predicted),
                          std::to_string(entry.count), percent(static_cast<double>(entry.count) / of_class)});
  }
  return to_html(table);
}

std::string by_class(const RunReport& report, const Counts& counts) {
  Table table{.caption = "Precision and recall of every class",
              .head = {"class", "samples", "right", "precision", "recall"},
              .rows = {}};
  for (std::int64_t i = 0; i < counts.size; ++i) {
    const auto of = static_cast<std::size_t>(i);
    const auto right = static_cast<double>(counts.at(i, i));
    const auto share = [&](double whole) { return percent(whole > 0 ? right / whole : NAN, 2); };
    table.rows.push_back({class_name(report, i), fmt::format("{:.0f}", counts.samples[of]),
                          fmt::format("{:.0f}", right), share(counts.taken[of]), share(counts.samples[of])});
  }
  return details(table.caption, to_html(table), counts.size <= most_open_classes);
}

}  // namespace

std::string confusion_section(const RunReport& report) {
  if (!report.confusion.defined() || report.confusion.numel() == 0) return "";
  const Counts counts(report.confusion);
  const double all = counts.total + static_cast<double>(report.unjudged);
  std::string body = fmt::format("<p>{}{:.0f} of {:.0f} samples are right: {}.</p>\n", judged(report),
                                 counts.right, all, percent(all > 0 ? counts.right / all : NAN, 2));
  if (report.unjudged > 0)
    body += fmt::format("<p>The outputs of {} samples are NaN; they stand in no class below.</p>\n",
                        report.unjudged);
  const bool small = counts.size <= most_classes_in_matrix;
  if (small) body += "<p>Rows are the true classes, columns the predicted ones.</p>\n";
  body += "<div class=\"pair\">\n<div>\n" +
          (small ? matrix(report, counts) : largest_confusions(report, counts)) + "</div>\n<div>\n" +
          by_class(report, counts) + "</div>\n</div>\n";
  return section("Confusions", body);
}

}  // namespace rill::optim::report
