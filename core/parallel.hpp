// Threads: our own thread count, and loops over our own workers with it.
//
// The count belongs to rill alone: a host program's OpenMP and OpenBLAS settings are neither read after the start nor
// changed. How work is cut never changes a result: elementwise loops do not care, and everything that sums runs over a
// grid of blocks that follows from the sizes alone (parallel_tasks).
//
// Workers (core/parallel_pool.hpp) serve one loop at a time. A loop inside of a task, one beside another thread's, and one
// in a host's OpenMP region stays on the thread that calls it. Nobody waits for a worker that has not begun: on two
// cores, training with two threads took 1.7 to 2.6 times its quiet time beside two busy processes (tools/bench/README.md).
// A region costs 1 us where workers spin, 10 where they sleep.
#pragma once

#include <cstdint>
#include <type_traits>

namespace rill {

/// Threads used by kernels; n in [1, 1024], else throws Error. Process-wide, at any time. The default is
/// RILL_NUM_THREADS, else OMP_NUM_THREADS, else the cores that this process may use; the first use of a RILL_NUM_THREADS
/// that is no number from 1 to 1024 throws Error.
void set_num_threads(int n);
int num_threads();

/// While it lives, loops on this thread stay on this thread: for one that works beside others, where a second team of
/// threads would only fight with theirs. Results are the same.
class [[nodiscard]] SerialLoops {
 public:
  SerialLoops() noexcept;
  ~SerialLoops();
  SerialLoops(const SerialLoops&) = delete;
  SerialLoops& operator=(const SerialLoops&) = delete;

 private:
  bool before_;
};

namespace detail {

using TaskFunction = void (*)(void* context, std::int64_t index);

void run_tasks(std::int64_t count, TaskFunction function, void* context);

// The least a thread gets of a loop over elements. A loop alone pays off from 4096 on where its workers are awake, and from
// 32768 where it wakes them; but what one core has just written the other has to fetch. Measured in whole steps of
// benchmark rows A, B, F and G: with 16384 the second thread made G 12 % slower, with 65536 it does not slow G down.
constexpr std::int64_t parallel_grain = 65536;

}  // namespace detail

/// Calls `task(i)` for i in [0, count) from several threads, in any order; tasks must write disjoint data.
/// The first exception that a task throws is thrown again, after all have ended.
template <class Task>
void parallel_tasks(std::int64_t count, Task&& task) {
  if (count == 1) return task(std::int64_t{0});
  using Plain = std::remove_reference_t<Task>;
  detail::run_tasks(
      count, [](void* context, std::int64_t index) { (*static_cast<Plain*>(context))(index); },
      const_cast<void*>(static_cast<const void*>(&task)));
}

/// Calls `body(begin, end)` on disjoint ranges that cover [0, count), of at least `grain` (below 1: of 1) and a multiple of `unit`.
template <class Body>
void parallel_ranges(std::int64_t count, std::int64_t grain, std::int64_t unit, Body&& body) {
  const std::int64_t most = grain > 1 ? count / grain : count;
  const std::int64_t parts = most < num_threads() ? most : num_threads();
  if (parts <= 1) {
    if (count > 0) body(std::int64_t{0}, count);
    return;
  }
  const std::int64_t step = ((count + parts - 1) / parts + unit - 1) / unit * unit;
  parallel_tasks(parts, [&](std::int64_t part) {
    const std::int64_t begin = part * step, end = begin + step < count ? begin + step : count;
    if (begin < end) body(begin, end);
  });
}

/// For loops over elements: ranges are whole cache lines, so that two threads never write to the same one.
template <class Body>
void parallel_for(std::int64_t count, Body&& body) {
  parallel_ranges(count, detail::parallel_grain, 16, body);
}

/// For loops over rows or blocks, of which `grain` are worth a thread.
template <class Body>
void parallel_for(std::int64_t count, Body&& body, std::int64_t grain) {
  parallel_ranges(count, grain, 1, body);
}

}  // namespace rill
