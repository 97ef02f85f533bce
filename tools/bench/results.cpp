#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <fstream>
#include <limits>
#include <sstream>

#include <rill/nn/config/json.hpp>
#include <rill/tools/bench/results.hpp>

namespace rill::bench {
namespace {

using nn::config::Node;

constexpr double most = std::numeric_limits<double>::max();

constexpr const char* line_form = "{:<21} {:<6} {:>2} {:>10} {:<6} {:>10} {:>6} {:>11} {:>9} {:>6}  {}";

std::string spread(const Ratio& ratio) { return fmt::format("{:.2f}-{:.2f}", ratio.low, ratio.high); }

// "0.88 ok", "0.95 of C: 0.97 ok", "0.98 of C", or nothing.
std::string floor_text(const Result& result) {
  const std::string verdict = result.meets_floor() ? "ok" : "below";
  std::string text;
  if (result.floor && result.floor_of == "gemm") text = fmt::format("{:.2f} {}", *result.floor, verdict);
  if (!result.rill_beside) return text;
  if (!text.empty()) text += ", ";
  const double median = result.rill_beside->median;
  if (result.floor_of != "beside") return text + fmt::format("{:.2f} of {}", median, result.beside);
  return text + fmt::format("{:.2f} of {}: {:.2f} {}", *result.floor, result.beside, median, verdict);
}

std::string number(double value) { return fmt::format("{:.6g}", value); }

// "name": median, "name_low": ..., "name_high": ...
std::string ratio_json(const std::string& name, const std::optional<Ratio>& ratio) {
  const auto entry = [&](const char* end, std::optional<double> value) {
    return fmt::format("\"{}{}\": {}", name, end, value ? number(*value) : "null");
  };
  if (!ratio) return entry("", {}) + ", " + entry("_low", {}) + ", " + entry("_high", {});
  return entry("", ratio->median) + ", " + entry("_low", ratio->low) + ", " + entry("_high", ratio->high);
}

std::string object(const Result& r) {
  std::string text = fmt::format(
      "{{\"row\": \"{}\", \"activation\": \"{}\", \"data\": \"{}\", \"threads\": {}, \"rill\": {}, \"gemm\": "
      "{}, "
      "\"libtorch\": {}, \"bound\": \"{}\", \"gflops\": {}, ",
      r.row, r.activation, r.data, r.threads, number(r.rill), number(r.gemm),
      r.libtorch ? number(*r.libtorch) : "null", r.bound, number(r.gflops));
  text += ratio_json("rill_gemm", r.rill_gemm) + ", " + ratio_json("rill_libtorch", r.rill_libtorch) + ", ";
  text += fmt::format("\"beside\": {}, ", r.rill_beside ? '"' + r.beside + '"' : "null");
  text += ratio_json("rill_beside", r.rill_beside);
  if (r.floor) {
    text += fmt::format(", \"floor\": {}, \"floor_of\": \"{}\", \"met\": {}", number(*r.floor), r.floor_of,
                        r.meets_floor());
  } else {
    text += ", \"floor\": null, \"floor_of\": null, \"met\": null";
  }
  return text + fmt::format(", \"rounds\": {}}}", r.rounds);
}

bool given(const Node& node, const std::string& key) { return node.has(key) && !node.at(key).is_null(); }

std::string text_or(const Node& node, const std::string& key, const std::string& otherwise) {
  return given(node, key) ? node.at(key).text() : otherwise;
}

std::optional<double> number_in(const Node& node, const std::string& key) {
  if (!given(node, key)) return std::nullopt;
  return node.at(key).number(0, most);
}

std::optional<Ratio> ratio_in(const Node& node, const std::string& name) {
  const auto median = number_in(node, name);
  if (!median) return std::nullopt;
  return Ratio{*median, number_in(node, name + "_low").value_or(*median),
               number_in(node, name + "_high").value_or(*median)};
}

Result result_in(const Node& node) {
  node.expect_object();
  Result r;
  r.row = node.at("row").text();
  r.activation = text_or(node, "activation", "relu");
  r.data = node.at("data").text();
  r.threads = static_cast<int>(node.at("threads").integer(1, 1024));
  r.rill = node.at("rill").number(0, most, true);
  r.gemm = node.at("gemm").number(0, most, true);
  r.libtorch = number_in(node, "libtorch");
  r.bound = text_or(node, "bound", "sgemm");
  r.gflops = number_in(node, "gflops").value_or(0);
  const double quotient = r.rill / r.gemm;
  r.rill_gemm = ratio_in(node, "rill_gemm").value_or(Ratio{quotient, quotient, quotient});
  r.rill_libtorch = ratio_in(node, "rill_libtorch");
  r.beside = text_or(node, "beside", "");
  r.rill_beside = ratio_in(node, "rill_beside");
  r.floor = number_in(node, "floor");
  r.floor_of = text_or(node, "floor_of", "");
  if (given(node, "rounds")) r.rounds = static_cast<int>(node.at("rounds").integer(0, 1 << 30));
  return r;
}

}  // namespace

double quantile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  const double at = share * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  const std::size_t above = std::min(below + 1, values.size() - 1);
  return values[below] + (at - std::floor(at)) * (values[above] - values[below]);
}

Ratio ratio_of(const std::vector<double>& values) {
  return {quantile(values, 0.5), quantile(values, 0.1), quantile(values, 0.9)};
}

std::string Result::title() const { return row == "D" || row == "activation" ? row + " " + activation : row; }

bool Result::meets_floor() const {
  if (!floor) return true;
  if (floor_of == "beside") return rill_beside && rill_beside->median >= *floor;
  return rill_gemm.median >= *floor;
}

std::string table_head() {
  return fmt::format(fmt::runtime(line_form), "row", "data", "th", "bound 1/s", "", "rill 1/s", "ratio",
                     "10-90 %", "torch 1/s", "ratio", "floor");
}

std::string table_line(const Result& r) {
  return fmt::format(fmt::runtime(line_form), r.title(), r.data, r.threads, fmt::format("{:.0f}", r.gemm),
                     r.bound, fmt::format("{:.0f}", r.rill), fmt::format("{:.2f}", r.rill_gemm.median),
                     spread(r.rill_gemm), r.libtorch ? fmt::format("{:.0f}", *r.libtorch) : "-",
                     r.rill_libtorch ? fmt::format("{:.2f}", r.rill_libtorch->median) : "-", floor_text(r));
}

std::string to_json(std::span<const Result> results) {
  std::string text = "[";
  for (const Result& result : results) text += (text.size() > 1 ? ",\n " : "\n ") + object(result);
  return text + "\n]\n";
}

std::vector<Result> from_json(const std::string& text, const std::string& where) {
  const auto json = nn::config::parse_json(text, where);
  const Node list(json, where);
  list.expect_array();
  std::vector<Result> results;
  for (std::size_t i = 0; i < list.size(); ++i) results.push_back(result_in(list[i]));
  return results;
}

std::vector<Result> read_results(const std::string& path) {
  const auto json = nn::config::read_json(path);
  return from_json(json.dump(), path);
}

void print_markdown(std::span<const Result> results, std::ostream& out) {
  out << "| row | data | threads | bound, 1/s | rill, 1/s | rill ÷ bound | 10–90 % | libtorch, 1/s | rill ÷ "
         "libtorch | floor |\n| --- | --- | ---: | ---: | ---: | ---: | --- | ---: | ---: | --- |\n";
  for (const Result& r : results) {
    out << fmt::format("| {} | {} | {} | {} {:.0f} | {:.0f} | {:.2f} | {} | {} | {} | {} |\n", r.title(),
                       r.data, r.threads, r.bound, r.gemm, r.rill, r.rill_gemm.median, spread(r.rill_gemm),
                       r.libtorch ? fmt::format("{:.0f}", *r.libtorch) : "",
                       r.rill_libtorch ? fmt::format("{:.2f}", r.rill_libtorch->median) : "", floor_text(r));
  }
}

void print_csv_markdown(const std::string& path, std::ostream& out) {
  std::ifstream file(path);
  bool head = true;
  for (std::string line; std::getline(file, line); head = false) {
    std::string cells, rule = "|";
    std::istringstream words(line + ",");
    for (std::string word; std::getline(words, word, ',');) {
      cells += " " + word + " |";
      rule += " --- |";
    }
    out << (head ? "\n|" : "|") << cells << '\n';
    if (head) out << rule << '\n';
  }
}

}  // namespace rill::bench
