// Misclassified samples, the most confident first.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include <rill/optim/report/html.hpp>
#include <rill/optim/report/png.hpp>
#include <rill/optim/report/sections.hpp>

namespace rill::optim::report {
namespace {

constexpr std::size_t most_features = 16;
constexpr std::int64_t most_pixels = 64;  // a side

// Every so many pixels where there are more; images above `most_pixels` only need to be recognised.
std::string image(const Tensor& sample, const std::string& text) {
  const auto rank = static_cast<int>(sample.dim());
  const std::int64_t rows = sample.size(rank - 2), cols = sample.size(rank - 1);
  const std::int64_t step = (std::max(rows, cols) + most_pixels - 1) / most_pixels;
  const auto all = sample.data<float>();
  std::vector<float> pixels;
  for (std::int64_t row = 0; row < rows; row += step) {
    for (std::int64_t col = 0; col < cols; col += step)
      pixels.push_back(all[static_cast<std::size_t>(row * cols + col)]);
  }
  return fmt::format("<img src=\"{}\" alt=\"{}\" />",
                     png_data_uri(pixels, (rows + step - 1) / step, (cols + step - 1) / step), escaped(text));
}

std::string in_numbers(const std::string& text) { return "<p class=\"features\">" + escaped(text) + "</p>"; }

std::string features(const Tensor& sample) {
  std::string out;
  const auto values = sample.data<float>();
  const std::size_t shown = std::min(values.size(), most_features);
  for (std::size_t i = 0; i < shown; ++i) out += (i > 0 ? ", " : "") + number(values[i]);
  if (values.size() > shown) out += fmt::format(", … ({} in all)", values.size());
  return in_numbers(out);
}

bool is_image(const Tensor& sample) {
  if (!sample.defined() || sample.numel() == 0) return false;
  return sample.dim() == 2 || (sample.dim() == 3 && sample.size(0) == 1);
}

std::string item(const RunReport& report, const Misclassified& mistake) {
  const std::string truth = class_name(report, mistake.truth),
                    predicted = class_name(report, mistake.predicted);
  const std::string text = fmt::format("a sample of class {}, taken for {}", truth, predicted);
  const std::string sample = !mistake.description.empty() ? in_numbers(mistake.description)
                             : is_image(mistake.sample)   ? image(mistake.sample, text)
                             : mistake.sample.defined() && mistake.sample.numel() > 0
                                 ? features(mistake.sample)
                                 : "";
  std::string more = std::isnan(mistake.probability) ? "" : percent(mistake.probability);
  if (mistake.index >= 0) more += fmt::format("{}sample\u00a0{}", more.empty() ? "" : ", ", mistake.index);
  if (!more.empty()) more = "<br /><small>" + more + "</small>";
  return fmt::format("<li>{}<p>true <strong>{}</strong><br />predicted <strong>{}</strong>{}</p></li>\n",
                     sample, escaped(truth), escaped(predicted), more);
}

// All mistakes: a report need not hold every one of them.
std::int64_t count_of(const RunReport& report) {
  if (!report.confusion.defined()) return std::ssize(report.mistakes);
  const auto counts = report.confusion.data<std::int64_t>();
  const std::int64_t classes = report.confusion.size(0);
  std::int64_t wrong = 0;
  for (std::int64_t i = 0; i < classes * classes; ++i) {
    if (i % (classes + 1) != 0) wrong += counts[static_cast<std::size_t>(i)];
  }
  return std::max(wrong, std::ssize(report.mistakes));
}

}  // namespace

std::string mistakes_section(const RunReport& report) {
  if (report.mistakes.empty()) return "";
  std::vector<const Misclassified*> order;
  for (const Misclassified& mistake : report.mistakes) order.push_back(&mistake);
  const auto key = [](const Misclassified* m) { return std::isnan(m->probability) ? -1.0 : m->probability; };
  std::ranges::stable_sort(order, std::ranges::greater(), key);
  if (order.size() > most_mistakes) order.resize(most_mistakes);
  std::string items;
  for (const Misclassified* mistake : order) items += item(report, *mistake);
  return section(
      "Misclassified samples",
      fmt::format("<p>{}{} of {}, the most confident first.</p>\n<ul class=\"mistakes\">\n{}</ul>\n",
                  judged(report), order.size(), count_of(report), items));
}

}  // namespace rill::optim::report
