#include <fmt/format.h>

#include <rill/optim/report/gnuplot.hpp>
#include <rill/optim/report/html.hpp>
#include <rill/optim/report/sections.hpp>

namespace rill::optim::report {

std::string figures(const std::vector<Picture>& pictures, const std::string& id, bool& drawn) {
  std::string out;
  drawn = true;
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    const Picture& picture = pictures[i];
    const auto svg = gnuplot(picture.script);
    if (!svg) {
      drawn = false;
      continue;
    }
    out += fmt::format("<figure>\n<h3>{0}</h3>\n{1}<figcaption>{2}</figcaption>\n</figure>\n",
                       escaped(picture.heading),
                       inlined(*svg, fmt::format("{}-{}", id, i), picture.heading, picture.description),
                       escaped(picture.description));
  }
  if (!out.empty()) out = "<div class=\"charts\">\n" + out + "</div>\n";
  if (!drawn)
    out +=
        "<p class=\"note\">Curves are drawn by gnuplot, which was not there or failed when this page was "
        "made; "
        "Debian's package is gnuplot-nox. The numbers stand below.</p>\n";
  return out;
}

std::string class_name(const RunReport& report, std::int64_t of) {
  const bool named = of >= 0 && of < static_cast<std::int64_t>(report.classes.size());
  return named ? report.classes[static_cast<std::size_t>(of)] : std::to_string(of);
}

std::string judged(const RunReport& report) {
  return report.judged.empty() ? "" : escaped(report.judged) + ": ";
}

std::vector<std::size_t> evenly(std::size_t count, std::size_t most) {
  std::vector<std::size_t> out;
  const std::size_t shown = std::min(count, most);
  for (std::size_t i = 0; i < shown; ++i)
    out.push_back(shown == 1 ? count - 1 : i * (count - 1) / (shown - 1));
  return out;
}

std::string advice_section(const RunReport& report) {
  if (report.advice.empty()) return "";
  std::string items;
  for (const nn::Advice& advice : report.advice) {
    std::string rule = advice.rule;
    for (char& c : rule) c = c == '_' ? ' ' : c;
    const std::string where = advice.layer.empty() ? "" : " in layer " + advice.layer;
    items +=
        fmt::format("<li><strong>{}</strong> (step {}): {}<br /><span class=\"remedy\">→ {}</span></li>\n",
                    escaped(rule + where), advice.step, escaped(advice.reason), escaped(advice.remedy));
  }
  return section("What to look at", "<ul class=\"advice\">\n" + items + "</ul>\n");
}

}  // namespace rill::optim::report
