// The step benchmark: rill's whole training steps beside the bare matrix products of the same step.
//
// Both run in one process, alternating in short slices, so that what else happens on the machine meets both alike;
// a ratio is the median over the pairs of slices.
#pragma once

#include <string>
#include <vector>

#include <rill/tools/bench/rill_step.hpp>

namespace rill::bench {

struct StepOptions {
  std::vector<Row> rows;
  std::vector<int> threads;
  double seconds = 4;     ///< for each line of the table; more where the least number of pairs takes longer
  bool quick = false;     ///< few, short slices: shows that all works, not how fast
  bool phases = false;    ///< print the parts of a step too
  bool cpu_time = false;  ///< count the calling thread's processor time: for one thread on a busy machine
};

struct StepResult {
  std::string row, activation, data;
  int threads = 1;
  double rill = 0, gemm = 0;            ///< medians, samples/s
  double ratio = 0, low = 0, high = 0;  ///< of rill/gemm: median, 10th and 90th percentile of the pairs
  double gflops = 0;                    ///< of gemm
  int pairs = 0;
};

/// Measures every row with every thread count on every data set, and prints a line of the table for each.
std::vector<StepResult> bench_steps(const StepOptions& options, const std::vector<Data>& data);

/// Replaces the file at `path` by the results as JSON. Throws Error if it cannot be written.
void write_json(const std::vector<StepResult>& results, const std::string& path);

}  // namespace rill::bench
