// The step benchmark: rill beside the bound of the same work, beside rill itself on another row or with one thread, and
// beside libtorch where it is.
//
// All run alternating in short slices, so that what else happens on the machine meets all alike; a ratio is the median
// over the rounds.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include <rill/tools/bench/results.hpp>
#include <rill/tools/bench/rill_step.hpp>

namespace rill::bench {

struct StepOptions {
  std::vector<Row> rows;
  std::vector<int> threads;
  double seconds = 3;     ///< for each line of the table; more where the least number of rounds takes longer
  bool quick = false;     ///< few, short slices: shows that all works, not how fast
  bool phases = false;    ///< print the parts of a training step too
  bool cpu_time = false;  ///< count the calling thread's processor time: for one thread on a busy machine
  std::string libtorch;   ///< the program that runs libtorch's side, or "" for none
};

/// Measures every row with every thread count on every data set (an activation alone on none of them), and prints a line
/// of the table for each.
std::vector<Result> bench_steps(const StepOptions& options, const std::vector<Data>& data, std::ostream& out);

}  // namespace rill::bench
