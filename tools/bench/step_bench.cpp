#include <algorithm>
#include <chrono>
#include <cmath>
#include <ctime>
#include <fmt/core.h>

#include <rill/core/io/file.hpp>
#include <rill/core/parallel.hpp>
#include <rill/tools/bench/gemm_step.hpp>
#include <rill/tools/bench/step_bench.hpp>

namespace rill::bench {
namespace {

double wall_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// What the calling thread has run, whatever else ran between.
double thread_seconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

using Seconds = double (*)();

Seconds clock_for(const StepOptions& options) { return options.cpu_time ? thread_seconds : wall_seconds; }

// `share` of the values are smaller, with linear interpolation.
double quantile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  const double at = share * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  const std::size_t above = std::min(below + 1, values.size() - 1);
  return values[below] + (at - std::floor(at)) * (values[above] - values[below]);
}

struct Plan {
  int least_pairs;
  double slice;   // seconds that are measured at a time
  double settle;  // seconds before each slice that are not
  Seconds now;
};

// With several threads, those of the other side spin for some 30 ms after their last work (OpenBLAS' pthread build)
// and would take a core from the slice that follows.
Plan plan_for(const StepOptions& options, int threads) {
  if (options.quick) return {5, 0.01, 0.002, clock_for(options)};
  return {15, 0.06, threads > 1 ? 0.04 : 0.005, clock_for(options)};
}

// Runs steps of one side in slices of a fixed number of steps.
template <class Step>
class Side {
 public:
  Side(Step& step, const Plan& plan) : step_(step), now_(plan.now) {
    run(3);  // pages, pool and caches become warm
    std::int64_t steps = 1;
    double taken = run(steps);
    while (taken < plan.slice / 4) taken = run(steps *= 2);
    const double each = taken / static_cast<double>(steps);
    settle_ = static_cast<std::int64_t>(std::ceil(plan.settle / each));
    steps_ = static_cast<std::int64_t>(std::ceil(plan.slice / each));
  }
  /// Steps a second.
  double slice() {
    run(settle_);
    return static_cast<double>(steps_) / run(steps_);
  }

 private:
  double run(std::int64_t steps) {
    const double start = now_();
    for (std::int64_t i = 0; i < steps; ++i) step_.run();
    return now_() - start;
  }
  Step& step_;
  Seconds now_;
  std::int64_t settle_ = 1, steps_ = 1;
};

StepResult measure(const Row& row, const Data& data, int threads, const StepOptions& options) {
  const Plan plan = plan_for(options, threads);
  set_num_threads(threads);
  GemmStep gemm_step(row);
  RillStep rill_step(row, data);
  auto gemm_side = [&] {
    const BlasThreads pinned(threads);
    return Side(gemm_step, plan);
  }();
  Side rill_side(rill_step, plan);
  std::vector<double> gemm, rill, ratio;
  const double budget = options.quick ? 0 : options.seconds;
  const double end = wall_seconds() + budget;
  while (std::ssize(ratio) < plan.least_pairs || wall_seconds() < end) {
    {
      const BlasThreads pinned(threads);
      gemm.push_back(gemm_side.slice() * static_cast<double>(row.batch));
    }
    rill.push_back(rill_side.slice() * static_cast<double>(row.batch));
    ratio.push_back(rill.back() / gemm.back());
  }
  rill_step.check();
  StepResult result{std::string(row.name), std::string(row.activation), data.name, threads};
  result.rill = quantile(rill, 0.5);
  result.gemm = quantile(gemm, 0.5);
  result.ratio = quantile(ratio, 0.5);
  result.low = quantile(ratio, 0.1);
  result.high = quantile(ratio, 0.9);
  result.gflops = result.gemm / static_cast<double>(row.batch) * gemm_step.flops() * 1e-9;
  result.pairs = static_cast<int>(ratio.size());
  return result;
}

void print_phases(const Row& row, const Data& data, const StepOptions& options) {
  RillStep step(row, data);
  for (int i = 0; i < 20; ++i) step.run();
  std::array<std::vector<double>, phase_names.size()> taken;
  std::vector<double> whole;
  const double budget = options.quick ? 0.1 : std::min(options.seconds, 2.0);
  const Seconds now = clock_for(options);
  const double end = wall_seconds() + budget;
  while (whole.size() < 5 || wall_seconds() < end) {
    const double begin = now();
    double last = begin;
    std::size_t phase = 0;
    step.run([&] {
      const double reached = now();
      taken[phase++].push_back(1e6 * (reached - last));
      last = reached;
    });
    whole.push_back(1e6 * (last - begin));
  }
  std::string line = fmt::format("     step {:.0f} us:", quantile(whole, 0.5));
  for (std::size_t i = 0; i < taken.size(); ++i) {
    line += fmt::format("{} {} {:.1f}", i > 0 ? "," : "", phase_names[i], quantile(taken[i], 0.5));
  }
  fmt::print("{}\n", line);
}

std::string title(const StepResult& result) {
  return result.row == "D" ? result.row + " " + result.activation : result.row;
}

void print_head() {
  fmt::print("{:<12} {:<6} {:>7} {:>11} {:>9} {:>11} {:>9} {:>13} {:>6}\n", "row", "data", "threads",
             "gemm 1/s", "GFLOP/s", "rill 1/s", "rill/gemm", "10-90 %", "pairs");
}

void print_line(const StepResult& r) {
  fmt::print("{:<12} {:<6} {:>7} {:>11.0f} {:>9.1f} {:>11.0f} {:>9.3f} {:>13} {:>6}\n", title(r), r.data,
             r.threads, r.gemm, r.gflops, r.rill, r.ratio, fmt::format("{:.3f}-{:.3f}", r.low, r.high),
             r.pairs);
  std::fflush(stdout);
}

}  // namespace

std::vector<StepResult> bench_steps(const StepOptions& options, const std::vector<Data>& data) {
  const int threads_before = num_threads();
  std::vector<StepResult> results;
  print_head();
  for (const Row& row : options.rows) {
    for (const Data& set : data) {
      for (const int threads : options.threads) {
        results.push_back(measure(row, set, threads, options));
        print_line(results.back());
        if (options.phases) print_phases(row, set, options);
      }
    }
  }
  set_num_threads(threads_before);
  return results;
}

void write_json(const std::vector<StepResult>& results, const std::string& path) {
  std::string text = "[";
  for (const StepResult& r : results) {
    text += text.size() > 1 ? ",\n " : "\n ";
    // D is three entries that only their activation tells apart.
    const std::string activation =
        r.row == "D" ? fmt::format("\"activation\": \"{}\", ", r.activation) : std::string();
    text += fmt::format(
        "{{\"row\": \"{}\", {}\"data\": \"{}\", \"threads\": {}, \"rill\": {:.1f}, \"gemm\": {:.1f}, "
        "\"libtorch\": null}}",
        r.row, activation, r.data, r.threads, r.rill, r.gemm);
  }
  io::write_file_atomically(path, text + "\n]\n");
}

}  // namespace rill::bench
