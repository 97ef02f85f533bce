#include <fmt/format.h>

#include <algorithm>

#include <rill/core/io/file.hpp>
#include <rill/optim/report/gnuplot.hpp>
#include <rill/optim/report/html.hpp>
#include <rill/optim/report/run_report.hpp>
#include <rill/optim/report/sections.hpp>

namespace rill::optim {
namespace {

void check_report(const RunReport& report) {
  RILL_CHECK(!report.title.empty(), "run report: the title is empty, expected a name of the run");
  const Tensor& confusion = report.confusion;
  if (confusion.defined()) {
    RILL_CHECK(
        confusion.dtype() == DType::i64 && confusion.dim() == 2 && confusion.size(0) == confusion.size(1),
        "run report: confusion is ", confusion.dtype(), " ", confusion.shape(),
        ", expected i64 [classes, classes]");
    const auto counts = confusion.data<std::int64_t>();
    const auto below = std::ranges::find_if(counts, [](std::int64_t count) { return count < 0; });
    RILL_CHECK(below == counts.end(), "run report: confusion holds ", *below,
               ", expected counts of 0 or more");
    RILL_CHECK(
        report.classes.empty() || static_cast<std::int64_t>(report.classes.size()) == confusion.size(0),
        "run report: there are ", report.classes.size(), " class names, expected ", confusion.size(0),
        " as in confusion, or none");
  }
  for (const Misclassified& mistake : report.mistakes)
    RILL_CHECK(!mistake.sample.defined() || mistake.sample.dtype() == DType::f32,
               "run report: a misclassified sample is ", mistake.sample.dtype(), ", expected f32");
}

// default-src 'none' makes browsers refuse whatever an error of ours might let through; data: is for the images.
constexpr std::string_view head = R"(<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8" />
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'" />
<meta name="viewport" content="width=device-width, initial-scale=1" />
<meta name="color-scheme" content="light dark" />
<link rel="icon" href="data:," />
)";

std::string header_of(const RunReport& report) {
  std::string out = fmt::format("<header>\n<h1>{}</h1>\n", report::escaped(report.title));
  if (!report.outcome.empty())
    out += fmt::format("<p class=\"outcome\">{}</p>\n", report::escaped(report.outcome));
  if (!report.facts.empty()) {
    out += "<dl class=\"facts\">\n";
    for (const auto& fact : report.facts)
      out += fmt::format("<div><dt>{}</dt><dd>{}</dd></div>\n", report::escaped(fact.first),
                         report::escaped(fact.second));
    out += "</dl>\n";
  }
  return out + "</header>\n";
}

std::string preformatted(std::string_view heading, const std::string& text, std::string_view name) {
  if (text.empty()) return "";
  const std::string box =
      fmt::format("<pre tabindex=\"0\" aria-label=\"{}\">{}</pre>\n", name, report::escaped(text));
  return report::section(heading, report::details(name, box));
}

}  // namespace

std::string render_report(const RunReport& report) {
  check_report(report);
  std::string out(head);
  out += fmt::format("<title>{}</title>\n<style>\n{}</style>\n</head>\n<body>\n<main>\n",
                     report::escaped(report.title), report::style());
  out += header_of(report);
  out += report::advice_section(report);
  out += report::curves_section(report);
  out += report::confusion_section(report);
  out += report::mistakes_section(report);
  out += report::health_section(report);
  out += preformatted("Model", report.model_summary, "layers and parameters");
  out += preformatted("Configuration", report.config_json, "as it was run");
  return out + "</main>\n</body>\n</html>\n";
}

void write_report(const std::string& path, const RunReport& report) {
  io::write_file_atomically(path, render_report(report));
}

std::vector<std::string> write_pictures(const std::string& folder, const RunReport& report) {
  check_report(report);
  std::vector<report::Picture> pictures = report::curve_pictures(report);
  for (report::Picture& picture : report::health_pictures(report)) pictures.push_back(std::move(picture));
  std::vector<std::string> written;
  for (const report::Picture& picture : pictures) {
    if (picture.file.empty()) continue;
    const auto svg = report::gnuplot(picture.script);
    if (!svg) continue;
    const std::string name = picture.file + ".svg";
    io::write_file_atomically(folder + "/" + name, report::titled(*svg, picture.heading));
    written.push_back(name);
  }
  return written;
}

}  // namespace rill::optim
