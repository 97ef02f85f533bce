#include <algorithm>
#include <cmath>
#include <fmt/format.h>

#include <rill/core/parallel.hpp>
#include <rill/tools/bench/libtorch_process.hpp>
#include <rill/tools/bench/side.hpp>
#include <rill/tools/bench/step_bench.hpp>

namespace rill::bench {
namespace {

Seconds clock_for(const StepOptions& options) { return options.cpu_time ? thread_seconds : wall_seconds; }

struct Plan {
  int least_rounds;
  double slice;   // seconds that are measured at a time
  double settle;  // seconds before each slice that are not
};

// With several threads, those of the other side spin for some 30 ms after their last work (OpenBLAS' pthread build)
// and would take a core from the slice that follows.
Plan plan_for(const StepOptions& options, int threads) {
  if (options.quick) return {5, 0.01, 0.002};
  return {15, 0.06, threads > 1 ? 0.04 : 0.005};
}

// Runs steps of one side in slices of a fixed number of steps.
class Sliced {
 public:
  Sliced(std::unique_ptr<Side> side, const Plan& plan, std::int64_t batch)
      : side_(std::move(side)), batch_(static_cast<double>(batch)) {
    side_->run(3);  // pages, pool and caches become warm
    std::int64_t steps = 1;
    double taken = side_->run(steps);
    while (taken < plan.slice / 4) taken = side_->run(steps *= 2);
    const double each = taken / static_cast<double>(steps);
    settle_ = static_cast<std::int64_t>(std::ceil(plan.settle / each));
    steps_ = static_cast<std::int64_t>(std::ceil(plan.slice / each));
  }
  void slice() {
    side_->run(settle_);
    speeds_.push_back(static_cast<double>(steps_) * batch_ / side_->run(steps_));
  }
  void check() const { side_->check(); }
  double median() const { return quantile(speeds_, 0.5); }
  const std::vector<double>& speeds() const { return speeds_; }

 private:
  std::unique_ptr<Side> side_;
  double batch_;
  std::int64_t settle_ = 1, steps_ = 1;
  std::vector<double> speeds_;
};

Ratio ratio_between(const Sliced& a, const Sliced& b) {
  std::vector<double> ratios(a.speeds());
  for (std::size_t i = 0; i < ratios.size(); ++i) ratios[i] /= b.speeds()[i];
  return ratio_of(ratios);
}

std::size_t index_of(const Row& row) {
  const auto same = [&](const Row& other) {
    return other.name == row.name && other.activation == row.activation;
  };
  return static_cast<std::size_t>(std::ranges::find_if(all_rows(), same) - all_rows().begin());
}

// Floors are for one thread; with more of them, rill is compared with itself.
void set_floor(Result& result, const Row& row) {
  const bool dense = result.data == "dense";
  const double of_bound = dense ? row.floor : row.floor_mnist;
  if (result.threads > 1) {
    result.floor = row.floor_two_threads;
    result.floor_of = "beside";
  } else if (of_bound > 0) {
    result.floor = of_bound;
    result.floor_of = "gemm";
  } else if (dense && row.floor_beside > 0) {
    result.floor = row.floor_beside;
    result.floor_of = "beside";
  }
}

class Line {
 public:
  Line(const Row& row, const Data& data, int threads, const StepOptions& options, LibtorchProcess* libtorch)
      : row_(row), options_(options), plan_(plan_for(options, threads)) {
    result_.row = row.name;
    result_.activation = row.activation;
    result_.data = row.work == Work::activation ? "dense" : data.name;
    result_.threads = threads;
    result_.bound = row.bound();
    const Seconds now = clock_for(options);
    add(bound_, bound_side(row, threads, now));
    add(rill_, rill_side(row, data, threads, now));
    const Row* other = row_beside(row);
    if (threads > 1) {
      result_.beside = "1 thread";
      add(beside_, rill_side(row, data, 1, now));
    } else if (other) {
      // ReLU leaves zeros, which products skip: what D is beside C without that says what its activation costs.
      const bool dense = row.work == Work::training;
      result_.beside = (dense ? "dense " : "") + std::string(row.beside);
      add(beside_, (dense ? rill_dense_side : rill_side)(*other, data, 1, now));
    }
    if (libtorch) add(libtorch_, libtorch->side(index_of(row), data.source, threads, options.cpu_time));
  }

  Result measure() {
    const double end = wall_seconds() + (options_.quick ? 0 : options_.seconds);
    while (result_.rounds < plan_.least_rounds || wall_seconds() < end) {
      for (const auto& side : sides_) side->slice();
      ++result_.rounds;
    }
    for (const auto& side : sides_) side->check();
    result_.rill = rill_->median();
    result_.gemm = bound_->median();
    result_.gflops = result_.gemm / static_cast<double>(row_.batch) * bound_flops(row_) * 1e-9;
    result_.rill_gemm = ratio_between(*rill_, *bound_);
    if (beside_) result_.rill_beside = ratio_between(*rill_, *beside_);
    if (libtorch_) {
      result_.libtorch = libtorch_->median();
      result_.rill_libtorch = ratio_between(*rill_, *libtorch_);
    }
    set_floor(result_, row_);
    return result_;
  }

 private:
  void add(Sliced*& to, std::unique_ptr<Side> side) {
    sides_.push_back(std::make_unique<Sliced>(std::move(side), plan_, row_.batch));
    to = sides_.back().get();
  }

  const Row& row_;
  const StepOptions& options_;
  Plan plan_;
  Result result_;
  std::vector<std::unique_ptr<Sliced>> sides_;  // in the order of a round
  Sliced *bound_ = nullptr, *rill_ = nullptr, *beside_ = nullptr, *libtorch_ = nullptr;
};

void print_phases(const Row& row, const Data& data, const StepOptions& options, int threads,
                  std::ostream& out) {
  set_num_threads(threads);
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
  out << line << std::endl;
}

}  // namespace

std::vector<Result> bench_steps(const StepOptions& options, const std::vector<Data>& data,
                                std::ostream& out) {
  const int threads_before = num_threads();
  std::unique_ptr<LibtorchProcess> libtorch;
  if (!options.libtorch.empty()) libtorch = std::make_unique<LibtorchProcess>(options.libtorch);
  std::vector<Result> results;
  out << table_head() << std::endl;
  for (const Row& row : options.rows) {
    for (const Data& set : data) {
      if (row.work == Work::activation && &set != &data.front()) break;  // draws numbers of its own
      for (const int threads : options.threads) {
        results.push_back(Line(row, set, threads, options, libtorch.get()).measure());
        out << table_line(results.back()) << std::endl;
        if (options.phases && row.work == Work::training) print_phases(row, set, options, threads, out);
      }
    }
  }
  set_num_threads(threads_before);
  return results;
}

}  // namespace rill::bench
