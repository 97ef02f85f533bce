#include <algorithm>
#include <CLI/CLI.hpp>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fmt/format.h>

#include <rill/core/blas.hpp>
#include <rill/core/error.hpp>
#include <rill/core/io/file.hpp>
#include <rill/core/parallel.hpp>
#include <rill/tools/bench/command.hpp>
#include <rill/tools/bench/compare.hpp>
#include <rill/tools/bench/libtorch_process.hpp>
#include <rill/tools/bench/step_bench.hpp>

namespace rill::bench {
namespace {

struct Arguments {
  std::vector<std::string> rows, data;
  std::vector<int> threads;
  std::string filter, markdown, compare;
  double seconds = 3;
  bool ops = false, phases = false, cpu_time = false, quick = false, no_libtorch = false, list = false;
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
  app.add_option("--rows", to.rows, "rows of the step table, of " + row_names() + "; default: all")
      ->delimiter(',')
      ->check(check_row);
  app.add_option(
         "--threads", to.threads,
         "thread counts, such as 1,2; default: 1, and 2 where there are two cores; --ops uses the first")
      ->delimiter(',')
      ->check(CLI::Range(1, 1024));
  app.add_option("--seconds", to.seconds, "time for each line, which has at least 15 rounds")
      ->check(CLI::Range(0.0, 3600.0))
      ->default_str("3");
  app.add_option("--data", to.data,
                 "dense, mnist or both; default: dense, and mnist if RILL_DATA or data/mnist has it")
      ->delimiter(',')
      ->check(check_data);
  app.add_flag("--phases", to.phases, "print the parts of a step in microseconds under each line");
  app.add_flag("--cpu-time", to.cpu_time, "count processor time, for one thread on a busy machine");
  app.add_flag("--no-libtorch", to.no_libtorch, "leave libtorch out where it was built in");
  app.add_flag("--ops", to.ops, "run the benchmarks of single operations instead of the step table");
  app.add_option("--filter", to.filter,
                 "only the operations whose name matches this regular expression; means --ops");
  app.add_option("--markdown", to.markdown,
                 "print the table of a bench.json, and of recipes.csv beside it, in Markdown");
  app.add_option("--compare", to.compare, "print what changed between old-N.json and new-N.json of a folder");
  app.add_flag("--list", to.list, "print the names of the rows");
  app.add_flag("--quick", to.quick, "a few seconds, to see that it works; the numbers mean little");
}

std::vector<Data> load_data(const Arguments& arguments, std::ostream& out) {
  const std::string folder = nn::data::find_mnist();
  std::vector<std::string> names = arguments.data;
  if (names.empty()) {
    names.push_back("dense");
    const bool complete = !folder.empty() && nn::data::has_mnist(folder);
    if (complete) names.push_back("mnist");
    // RILL_DATA may be there for other data: no reason to fail unless mnist was asked for.
    if (!complete) out << "no MNIST in RILL_DATA or data/mnist: only dense data\n";
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

void run_steps(const Arguments& arguments, std::ostream& out) {
  StepOptions options;
  for (const std::string& name : arguments.rows) {
    for (const Row& row : rows_named(name)) options.rows.push_back(row);
  }
  if (arguments.rows.empty()) options.rows = all_rows();
  options.threads = arguments.threads;
  options.seconds = arguments.seconds;
  options.quick = arguments.quick;
  options.phases = arguments.phases;
  options.cpu_time = arguments.cpu_time;
  if (!arguments.no_libtorch) options.libtorch = libtorch_program();
  // Before minutes of measuring, not after.
  const char* variable = std::getenv("RILL_BUILD_DIR");
  const std::string folder = variable && *variable ? variable : "build", path = folder + "/bench.json";
  RILL_CHECK(std::filesystem::is_directory(folder), path, ": there is no folder \"", folder,
             "\", expected one; create it or set RILL_BUILD_DIR");
  out << blas::description() << '\n';
  if (const std::string advice = blas::advice(); !advice.empty())
    out << advice << "; the bounds below are those of the slow ones\n";
  const std::vector<Result> results = bench_steps(options, load_data(arguments, out), out);
  io::write_file_atomically(path, to_json(results));
  out << "wrote " << path << '\n';
}

int run_ops(const Arguments& arguments, const OpBench& ops, std::ostream& err) {
  if (ops(arguments.filter, arguments.threads.front(), arguments.quick) > 0) return 0;
  err << fmt::format("rill_bench: --filter: no benchmark matches \"{}\"; without it --ops runs all\n",
                     arguments.filter);
  return 2;
}

int run_chosen(const Arguments& arguments, const OpBench& ops, std::ostream& out, std::ostream& err) {
  if (arguments.list) {
    out << row_names() << '\n';
  } else if (!arguments.markdown.empty()) {
    print_markdown(read_results(arguments.markdown), out);
    const auto folder = std::filesystem::path(arguments.markdown).parent_path();
    print_csv_markdown(folder / "recipes.csv", out);
  } else if (!arguments.compare.empty()) {
    print_changes(compare(read_rounds(arguments.compare)), out);
  } else if (arguments.ops || !arguments.filter.empty()) {
    return run_ops(arguments, ops, err);
  } else {
    run_steps(arguments, out);
  }
  return 0;
}

}  // namespace

int run_command(std::vector<std::string> arguments, const OpBench& ops, std::ostream& out,
                std::ostream& err) {
  Arguments parsed;
  CLI::App app(
      "Measures rill: training steps, inference and activations beside their bounds, or single operations.",
      "rill_bench");
  declare(app, parsed);
  try {
    std::reverse(arguments.begin(), arguments.end());  // as CLI11 takes them
    app.parse(arguments);
    if (parsed.cpu_time && parsed.threads.empty()) parsed.threads = {1};
    if (parsed.cpu_time && parsed.threads != std::vector<int>{1}) {
      err << "rill_bench: --cpu-time: with --threads other than 1, expected --threads 1\n";
      return 2;
    }
    if (parsed.threads.empty())
      parsed.threads = num_threads() > 1 ? std::vector<int>{1, 2} : std::vector<int>{1};
    return run_chosen(parsed, ops, out, err);
  } catch (const CLI::ParseError& error) {
    return app.exit(error, out, err) == 0 ? 0 : 2;
  } catch (const std::exception& error) {
    err << "rill_bench: " << error.what() << '\n';
    return 1;
  }
}

}  // namespace rill::bench
