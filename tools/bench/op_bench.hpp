// Single operations under Google Benchmark: what an op costs beside its arithmetic, activations over much memory,
// matrix products beside plain OpenBLAS, and the optimizers.
#pragma once

#include <string>

namespace rill::bench {

/// Runs the benchmarks whose name matches the regular expression, all of them for an empty one, with `threads`
/// threads; `quick` shortens them. Returns how many matched.
int bench_ops(const std::string& filter, int threads, bool quick);

}  // namespace rill::bench
