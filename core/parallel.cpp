#include <atomic>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <omp.h>
#include <utility>

#include <rill/core/error.hpp>
#include <rill/core/parallel.hpp>
#include <rill/core/parallel_pool.hpp>

namespace rill {
namespace {

constexpr int max_threads = 1024;

// 0 unless `text` begins with a sensible count that `ends` follows, or nothing.
int count_in(const char* text, char ends) {
  int count = 0;
  const auto [end, error] = std::from_chars(text, text + std::strlen(text), count);
  const bool valid =
      error == std::errc{} && (*end == '\0' || *end == ends) && count >= 1 && count <= max_threads;
  return valid ? count : 0;
}

int default_count() {
  if (const char* text = std::getenv("RILL_NUM_THREADS"); text && *text) {
    const int count = count_in(text, '\0');
    RILL_CHECK(count > 0, "RILL_NUM_THREADS: \"", text, "\", expected 1 to ", max_threads);
    return count;
  }
  // A list ("4,2") has a number for each level of nesting. What is no count is OpenMP's to complain about.
  if (const char* text = std::getenv("OMP_NUM_THREADS")) {
    if (const int count = count_in(text, ',')) return count;
  }
  return omp_get_num_procs();  // those that this process may run on
}

constinit std::atomic<int> thread_count{0};  // 0 until somebody asks or says

thread_local constinit bool serial_loops = false;

}  // namespace

void set_num_threads(int n) {
  RILL_CHECK(n >= 1 && n <= max_threads, "set_num_threads: n is ", n, ", expected 1 to ", max_threads);
  thread_count.store(n, std::memory_order_relaxed);
}

int num_threads() {
  const int count = thread_count.load(std::memory_order_relaxed);
  if (count > 0) return count;
  int before = 0;
  const int first = default_count();
  return thread_count.compare_exchange_strong(before, first, std::memory_order_relaxed) ? first : before;
}

SerialLoops::SerialLoops() noexcept : before_(std::exchange(serial_loops, true)) {}
SerialLoops::~SerialLoops() { serial_loops = before_; }

namespace detail {

namespace {

struct Guarded {
  TaskFunction function;
  void* context;
  std::exception_ptr first;
  std::atomic_flag failed = ATOMIC_FLAG_INIT;

  static void run(void* guarded, std::int64_t index) noexcept {
    auto& self = *static_cast<Guarded*>(guarded);
    try {
      self.function(self.context, index);
    } catch (...) {
      if (!self.failed.test_and_set()) self.first = std::current_exception();
    }
  }
};

}  // namespace

void run_tasks(std::int64_t count, TaskFunction function, void* context) {
  Guarded guarded{function, context, {}};
  const int helpers = count <= 1 || serial_loops ? 0 : num_threads() - 1;
  // A host that computes in parallel itself has given every thread something to do.
  if (helpers == 0 || omp_in_parallel() || !run_on_pool(helpers, count, Guarded::run, &guarded)) {
    for (std::int64_t i = 0; i < count; ++i) Guarded::run(&guarded, i);
  }
  if (guarded.first) std::rethrow_exception(guarded.first);
}

}  // namespace detail
}  // namespace rill
