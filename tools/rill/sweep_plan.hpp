// What a sweep runs: every combination of the values that its --set options list, for every seed.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace rill::command {

struct SweepRun {
  std::vector<std::string> overrides;  ///< "optimizer.lr=0.01"
  std::vector<std::string> values;     ///< of the varied keys, in their order
  std::string name;                    ///< "0.01", of a folder
  std::uint64_t seed = 0;
};

struct SweepPlan {
  std::vector<std::string> keys;  ///< that are varied
  std::vector<SweepRun> runs;     ///< the seeds of a combination one after the other
};

/// Of "key=a,b,c", which is split at commas outside of quotes and brackets; a key with one value is only set. The seeds are
/// `first_seed` and those after it. Without a varied key there have to be 2 seeds or more. Throws UsageError where nothing
/// is varied, for an empty value, for values whose folders would have one name, for "out", and for "seed" beside several seeds.
SweepPlan plan_sweep(const std::vector<std::string>& settings, std::uint64_t first_seed, std::int64_t seeds);

}  // namespace rill::command
