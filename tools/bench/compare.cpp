#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fmt/format.h>

#include <rill/core/error.hpp>
#include <rill/tools/bench/compare.hpp>

namespace rill::bench {
namespace {

constexpr double least_change = 0.02;
constexpr int least_rounds = 3;

const Result* find_same(const std::vector<Result>& results, const Result& wanted) {
  const auto at = std::ranges::find_if(results, [&](const Result& other) {
    return other.title() == wanted.title() && other.data == wanted.data && other.threads == wanted.threads;
  });
  return at == results.end() ? nullptr : &*at;
}

}  // namespace

bool Change::beyond_noise() const {
  return rounds >= least_rounds && (ratio.low > 1 || ratio.high < 1) &&
         std::abs(ratio.median - 1) >= least_change;
}

std::vector<Change> compare(const std::vector<Round>& rounds) {
  std::vector<Change> changes;
  if (rounds.empty()) return changes;
  for (const Result& line : rounds.back().after) {
    Change change;
    change.row = line;
    std::vector<double> ratios;
    for (const Round& round : rounds) {
      const Result *before = find_same(round.before, line), *after = find_same(round.after, line);
      if (!before || !after) break;
      change.rates = before->bound != after->bound;
      const double speed = after->rill / before->rill;
      ratios.push_back(change.rates ? speed : after->rill_gemm.median / before->rill_gemm.median);
    }
    if (ratios.size() < rounds.size()) continue;
    change.ratio = ratio_of(ratios);
    change.rounds = static_cast<int>(ratios.size());
    changes.push_back(change);
  }
  return changes;
}

std::vector<Round> read_rounds(const std::string& folder) {
  std::vector<Round> rounds;
  for (int i = 1;; ++i) {
    const std::string before = fmt::format("{}/old-{}.json", folder, i);
    const std::string after = fmt::format("{}/new-{}.json", folder, i);
    if (!std::filesystem::exists(before) || !std::filesystem::exists(after)) break;
    rounds.push_back({read_results(before), read_results(after)});
  }
  RILL_CHECK(!rounds.empty(), folder, ": no old-1.json with new-1.json, expected runs of both versions");
  return rounds;
}

void print_changes(const std::vector<Change>& changes, std::ostream& out) {
  constexpr const char* form = "{:<21} {:<6} {:>2} {:>8} {:>13}  {}\n";
  out << fmt::format(fmt::runtime(form), "row", "data", "th", "new/old", "10-90 %", "");
  int beyond = 0;
  for (const Change& c : changes) {
    std::string verdict = !c.beyond_noise() ? "" : c.ratio.median > 1 ? "faster" : "slower";
    if (c.rates) verdict += verdict.empty() ? "(speeds alone)" : " (speeds alone)";
    out << fmt::format(fmt::runtime(form), c.row.title(), c.row.data, c.row.threads,
                       fmt::format("{:.3f}", c.ratio.median),
                       fmt::format("{:.3f}-{:.3f}", c.ratio.low, c.ratio.high), verdict);
    beyond += c.beyond_noise();
  }
  out << fmt::format("{} of {} lines changed beyond the noise of {} rounds\n", beyond, changes.size(),
                     changes.empty() ? 0 : changes.front().rounds);
}

}  // namespace rill::bench
