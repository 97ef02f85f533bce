// The frame of `make trust`: a check measures figures, each beside the bound it has to keep, and the report prints them
// as one table.
//
// A check stands in a file of its own and has a line in all_checks(). It takes its sizes from Scale: the quick ones end
// in seconds, the full ones are those of `make trust-long`.
#pragma once

#include <cstdint>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

namespace rill::trust {

/// How much a check does, and from which seed.
struct Scale {
  bool full = false;                   ///< the sizes of `make trust-long`
  std::uint64_t seed = 1;              ///< of every random case
  std::vector<std::string> functions;  ///< that ulp and ulp_plain try; empty for all
  std::string rill;                    ///< path of the rill command, for checks that run it as a process

  /// `quick` or, under --full, `long_run`.
  template <typename T>
  T of(T quick, T long_run) const {
    return full ? long_run : quick;
  }
};

/// The table: a line for each figure, printed as it comes.
class Report {
 public:
  explicit Report(std::ostream& out) : out_(out) {}

  /// Starts the part that the following figures belong to, such as "N1".
  void begin(std::string_view id) { id_ = id; }

  /// A figure that only informs, such as how many cases there were.
  void count(std::string_view what, std::uint64_t value);

  /// A count that has to be exactly `expected`: defects found, distinct outcomes.
  void exactly(std::string_view what, std::uint64_t value, std::uint64_t expected);

  /// A count that has to be `least` or more.
  void at_least(std::string_view what, std::uint64_t value, std::uint64_t least);

  /// A magnitude that has to be `bound` or less; NaN is more than every bound.
  void at_most(std::string_view what, double value, double bound);

  /// What a reader needs to find one failure again: its case, values, seed. Printed below the figures, once for each.
  void detail(std::string_view text);

  /// Figures that kept, and did not keep, their bounds.
  int kept() const { return kept_; }
  int missed() const { return missed_; }

 private:
  void line(std::string_view what, const std::string& value, const std::string& bound, bool bounded,
            bool good);

  std::ostream& out_;
  std::string id_;
  int kept_ = 0;
  int missed_ = 0;
};

/// One check: the name for --only, what it shows in a sentence, and what does it.
struct Check {
  std::string_view name;
  std::string_view about;
  void (*run)(const Scale& scale, Report& report);
};

/// Every check, in the order in which they run.
const std::vector<Check>& all_checks();

}  // namespace rill::trust
