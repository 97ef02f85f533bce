// rill_bench as a function: its command line, and what each form of it does.
#pragma once

#include <functional>
#include <ostream>
#include <string>
#include <vector>

namespace rill::bench {

/// The benchmarks of single operations: a regular expression, threads, quick; how many ran (op_bench.hpp).
using OpBench = std::function<int(const std::string&, int, bool)>;

/// Runs rill_bench with `arguments`; the exit status: 0 done, 1 the work failed, 2 wrong usage.
int run_command(std::vector<std::string> arguments, const OpBench& ops, std::ostream& out, std::ostream& err);

}  // namespace rill::bench
