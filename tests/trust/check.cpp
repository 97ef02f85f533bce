#include "check.hpp"

#include <fmt/format.h>

namespace rill::trust {

void Report::line(std::string_view what, const std::string& value, const std::string& bound, bool bounded,
                  bool good) {
  const std::string_view verdict = !bounded ? "" : good ? "ok" : "MISSED";
  if (bounded) ++(good ? kept_ : missed_);
  out_ << fmt::format("{:<4} {:<66} {:>14}  {:<12} {}\n", id_, what, value, bound, verdict) << std::flush;
}

void Report::count(std::string_view what, std::uint64_t value) {
  line(what, fmt::format("{}", value), "", false, true);
}

void Report::exactly(std::string_view what, std::uint64_t value, std::uint64_t expected) {
  line(what, fmt::format("{}", value), fmt::format("= {}", expected), true, value == expected);
}

void Report::at_least(std::string_view what, std::uint64_t value, std::uint64_t least) {
  line(what, fmt::format("{}", value), fmt::format(">= {}", least), true, value >= least);
}

void Report::at_most(std::string_view what, double value, double bound) {
  line(what, fmt::format("{:.3g}", value), fmt::format("<= {:.3g}", bound), true, value <= bound);
}

void Report::detail(std::string_view text) { out_ << "     " << text << '\n' << std::flush; }

}  // namespace rill::trust
