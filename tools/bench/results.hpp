// What the step benchmark finds out: lines of the table, as text, as JSON and as Markdown.
#pragma once

#include <optional>
#include <ostream>
#include <span>
#include <string>
#include <vector>

namespace rill::bench {

/// The value below which `share` of the values lie, with linear interpolation; of at least one value.
double quantile(std::vector<double> values, double share);

/// A ratio of two speeds over the rounds of a run: the median, and the 10th and the 90th percentile.
struct Ratio {
  double median = 0, low = 0, high = 0;
};

/// Of at least one value.
Ratio ratio_of(const std::vector<double>& values);

/// A line of the table. Speeds are medians, in samples/s.
struct Result {
  std::string row, activation, data;
  int threads = 1;
  double rill = 0, gemm = 0;  ///< gemm: the bound
  std::optional<double> libtorch;
  std::string bound;  ///< "sgemm", "sgemv" or "memory"
  double gflops = 0;  ///< of the bound
  Ratio rill_gemm;
  std::optional<Ratio> rill_libtorch;
  std::string beside;  ///< what rill's speed is compared with too: "C", "leaky_relu", "1 thread", or nothing
  std::optional<Ratio> rill_beside;
  std::optional<double> floor;  ///< for rill_beside if floor_of says "beside", else for rill_gemm
  std::string floor_of;         ///< "gemm" or "beside"
  int rounds = 0;

  /// "A", "D elu".
  std::string title() const;
  /// Whether the ratio that the floor is for reaches it.
  bool meets_floor() const;
};

/// The line over the columns of table_line, and the line for a result.
std::string table_head();
std::string table_line(const Result& result);

/// A list of objects; which keys they have is written in tools/bench/README.md.
std::string to_json(std::span<const Result> results);

/// What to_json has written, now or in older versions, which had fewer keys. Throws Error for text that is no such list,
/// naming it by `where`.
std::vector<Result> from_json(const std::string& text, const std::string& where);

/// The results of a file. Throws Error if it cannot be read.
std::vector<Result> read_results(const std::string& path);

/// The table in Markdown.
void print_markdown(std::span<const Result> results, std::ostream& out);

/// A CSV file without quotes, such as the recipes' results, as a table in Markdown; nothing if there is no such file.
void print_csv_markdown(const std::string& path, std::ostream& out);

}  // namespace rill::bench
