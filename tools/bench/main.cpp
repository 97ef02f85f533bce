// rill_bench: `make bench`. By default the table of training steps beside OpenBLAS, which it also writes to bench.json
// in the folder that RILL_BUILD_DIR names; with --ops the single operations instead.
#include <CLI/CLI.hpp>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fmt/core.h>

#include <rill/core/blas.hpp>
#include <rill/core/error.hpp>
#include <rill/tools/bench/op_bench.hpp>
#include <rill/tools/bench/step_bench.hpp>

namespace {

using namespace rill::bench;

struct Arguments {
  std::vector<std::string> rows{"A", "C"}, data;
  std::vector<int> threads{1};
  std::string filter;
  double seconds = 4;
  bool ops = false, phases = false, cpu_time = false, quick = false;
};

// CLI11 calls a check with one word and takes what it returns as the error.
std::string check_row(const std::string& name) {
  if (!rows_named(name).empty()) return {};
  return fmt::format("unknown row \"{}\", expected some of {}", name, row_names());
}

std::string check_data(const std::string& name) {
  if (name == "dense" || name == "mnist") return {};
  return fmt::format("unknown data \"{}\", expected dense or mnist", name);
}

void declare(CLI::App& app, Arguments& to) {
  app.add_option("--rows", to.rows, "rows of the step table, of " + row_names())
      ->delimiter(',')
      ->check(check_row)
      ->default_str("A,C");
  app.add_option("--threads", to.threads, "thread counts, such as 1,2; --ops uses the first")
      ->delimiter(',')
      ->check(CLI::Range(1, 1024))
      ->default_str("1");
  app.add_option("--seconds", to.seconds, "time for each line, which has at least 15 pairs of slices")
      ->check(CLI::Range(0.0, 3600.0))
      ->default_str("4");
  app.add_option("--data", to.data,
                 "dense, mnist or both; default: dense, and mnist if RILL_DATA or data/mnist has it")
      ->delimiter(',')
      ->check(check_data);
  app.add_flag("--phases", to.phases, "print the parts of a step in microseconds under each line");
  app.add_flag("--cpu-time", to.cpu_time, "count processor time, for one thread on a busy machine");
  app.add_flag("--ops", to.ops, "run the benchmarks of single operations instead of the step table");
  app.add_option("--filter", to.filter,
                 "only the operations whose name matches this regular expression; means --ops");
  app.add_flag("--quick", to.quick, "a few seconds, to see that it works; the numbers mean little");
}

std::vector<Data> load_data(const Arguments& arguments) {
  const std::string folder = rill::nn::data::find_mnist();
  std::vector<std::string> names = arguments.data;
  if (names.empty()) {
    names.push_back("dense");
    const bool complete = !folder.empty() && rill::nn::data::has_mnist(folder);
    if (complete) names.push_back("mnist");
    // RILL_DATA may be there for other data: no reason to fail unless mnist was asked for.
    if (!folder.empty() && !complete) fmt::print("no MNIST in {}: only dense data\n", folder);
  }
  std::vector<Data> sets;
  for (const std::string& name : names) {
    if (name == "dense") {
      sets.push_back(dense_data(arguments.quick ? 4096 : 60000));
    } else {
      RILL_CHECK(!folder.empty(), "bench: no folder with MNIST is known, expected RILL_DATA to name it");
      sets.push_back(mnist_data(folder));
    }
  }
  return sets;
}

int run_steps(const Arguments& arguments) {
  StepOptions options;
  for (const std::string& name : arguments.rows) {
    for (const Row& row : rows_named(name)) options.rows.push_back(row);
  }
  options.threads = arguments.threads;
  options.seconds = arguments.seconds;
  options.quick = arguments.quick;
  options.phases = arguments.phases;
  options.cpu_time = arguments.cpu_time;
  // Before minutes of measuring, not after.
  const char* variable = std::getenv("RILL_BUILD_DIR");
  const std::string folder = variable && *variable ? variable : "build", path = folder + "/bench.json";
  RILL_CHECK(std::filesystem::is_directory(folder), path, ": there is no folder \"", folder,
             "\", expected one; create it or set RILL_BUILD_DIR");
  fmt::print("{}\n", rill::blas::description());
  write_json(bench_steps(options, load_data(arguments)), path);
  fmt::print("wrote {}\n", path);
  return 0;
}

int run_ops(const Arguments& arguments) {
  if (bench_ops(arguments.filter, arguments.threads.front(), arguments.quick) > 0) return 0;
  fmt::print(stderr, "rill_bench: --filter: no benchmark matches \"{}\"; without it --ops runs all\n",
             arguments.filter);
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  CLI::App app("Measures rill: training steps beside the bare matrix products, or single operations.");
  declare(app, arguments);
  try {
    app.parse(argc, argv);
    if (arguments.cpu_time && arguments.threads != std::vector<int>{1}) {
      fmt::print(stderr, "rill_bench: --cpu-time: with --threads other than 1, expected --threads 1\n");
      return 2;
    }
    return arguments.ops || !arguments.filter.empty() ? run_ops(arguments) : run_steps(arguments);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  } catch (const std::exception& error) {
    fmt::print(stderr, "rill_bench: {}\n", error.what());
    return 1;
  }
}
