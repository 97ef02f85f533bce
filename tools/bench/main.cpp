// rill_bench: `make bench`. By default the table of training steps, inference and activations beside their bounds, which
// it also writes to bench.json in the folder that RILL_BUILD_DIR names; with --ops the single operations instead.
#include <iostream>

#include <rill/tools/bench/command.hpp>
#include <rill/tools/bench/op_bench.hpp>

int main(int argc, char** argv) {
  return rill::bench::run_command({argv + 1, argv + argc}, rill::bench::bench_ops, std::cout, std::cerr);
}
