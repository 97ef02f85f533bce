// Two versions of rill against each other: what `make bench-compare` makes of runs of both benchmarks.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include <rill/tools/bench/results.hpp>

namespace rill::bench {

/// The results of one run of the old version and of the new one that was made right before or after it.
struct Round {
  std::vector<Result> before, after;
};

struct Change {
  Result row;          ///< which line it is; its numbers are of the last round
  Ratio ratio;         ///< new speed/old speed over the rounds
  bool rates = false;  ///< the bounds differ, so plain speeds are compared
  int rounds = 0;
  /// Whether the middle 80 % of at least 3 rounds lie on one side of 1, and the median is 2 % or more away from it.
  bool beyond_noise() const;
};

/// The lines that both versions have in every round, in the order of the new one's. The ratio of a round is
/// (new rill/new bound) / (old rill/old bound): the bound runs beside rill, so what slows a whole run cancels out.
std::vector<Change> compare(const std::vector<Round>& rounds);

/// Reads old-1.json, new-1.json, old-2.json ... of a folder. Throws Error if there is no pair, and for files that
/// cannot be read.
std::vector<Round> read_rounds(const std::string& folder);

void print_changes(const std::vector<Change>& changes, std::ostream& out);

}  // namespace rill::bench
