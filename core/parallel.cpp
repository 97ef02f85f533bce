#include <atomic>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <omp.h>
#include <utility>

#include <rill/core/error.hpp>
#include <rill/core/parallel.hpp>

namespace rill {
namespace {

constexpr int max_threads = 1024;

// 0 when the variable is unset or not a sensible count. OMP_NUM_THREADS may be a list ("4,2"): the first counts.
int count_from_environment(const char* variable) {
  const char* text = std::getenv(variable);
  if (!text) return 0;
  int count = 0;
  const auto [end, error] = std::from_chars(text, text + std::strlen(text), count);
  const bool valid =
      error == std::errc{} && (*end == '\0' || *end == ',') && count >= 1 && count <= max_threads;
  return valid ? count : 0;
}

int default_count() {
  if (const int count = count_from_environment("RILL_NUM_THREADS")) return count;
  if (const int count = count_from_environment("OMP_NUM_THREADS")) return count;
  return omp_get_num_procs();  // those that this process may run on
}

std::atomic<int>& thread_count() {
  static std::atomic<int> count{default_count()};
  return count;
}

thread_local constinit bool serial_loops = false;

}  // namespace

void set_num_threads(int n) {
  RILL_CHECK(n >= 1 && n <= max_threads, "set_num_threads: n is ", n, ", expected 1 to ", max_threads);
  thread_count().store(n, std::memory_order_relaxed);
}

int num_threads() { return thread_count().load(std::memory_order_relaxed); }

SerialLoops::SerialLoops() noexcept : before_(std::exchange(serial_loops, true)) {}
SerialLoops::~SerialLoops() { serial_loops = before_; }

namespace detail {

void run_tasks(std::int64_t count, TaskFunction function, void* context) {
  std::exception_ptr first;
  std::atomic_flag failed = ATOMIC_FLAG_INIT;
  const auto run = [&](std::int64_t i) {
    try {
      function(context, i);
    } catch (...) {
      if (!failed.test_and_set()) first = std::current_exception();
    }
  };
  // The team has one size, whatever there is to do: libgomp allocates when it changes.
  const int threads = num_threads();
  if (count <= 1 || threads == 1 || serial_loops || omp_in_parallel()) {
    for (std::int64_t i = 0; i < count; ++i) run(i);
  } else {
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1)
    for (std::int64_t i = 0; i < count; ++i) run(i);
  }
  if (first) std::rethrow_exception(first);
}

}  // namespace detail
}  // namespace rill
