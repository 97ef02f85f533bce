#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <exception>
#include <omp.h>
#include <pthread.h>
#include <thread>

#include <rill/core/parallel_pool.hpp>

namespace rill::detail {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int most_workers = 1023;

// A ticket holds the number of the job (40 bits) and how many of its tasks nobody has taken (24 bits).
constexpr int left_bits = 24;
constexpr std::uint64_t left_mask = (std::uint64_t{1} << left_bits) - 1;

constexpr std::uint32_t caller_sleeps = std::uint32_t{1} << 31;

struct alignas(64) Bed {
  std::atomic<std::uint32_t> asleep{0};
};

// All of it is constant-initialised and has no destructors: loops run before main and after it.
struct Pool {
  std::atomic<bool> taken{false};
  int started = 0, wanted = 0;  // belong to whoever has taken the pool

  alignas(64) std::atomic<std::uint64_t> ticket{0};
  // Written before the ticket is. Whoever read them and then takes a task by exchanging the ticket that it saw before
  // has read those of that task's job, as a later job has another ticket.
  std::atomic<void (*)(void*, std::int64_t)> function{nullptr};
  std::atomic<void*> context{nullptr};
  std::atomic<std::int64_t> end{0};
  std::atomic<int> helpers{0};

  alignas(64) std::atomic<std::uint32_t> unfinished{0};  // tasks, and caller_sleeps
  std::array<Bed, most_workers> beds;
};

constinit Pool pool;

constexpr int caller = -1;

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

bool has_work(int worker) {
  return (pool.ticket.load() & left_mask) != 0 && worker < pool.helpers.load(std::memory_order_relaxed);
}

// Takes and runs tasks until none is left; how many.
std::uint32_t run_tasks_as(int worker) {
  std::uint32_t done = 0;
  std::uint64_t ticket = pool.ticket.load(std::memory_order_acquire);
  while (const auto left = static_cast<std::int64_t>(ticket & left_mask)) {
    const auto function = pool.function.load(std::memory_order_acquire);
    void* const context = pool.context.load(std::memory_order_acquire);
    const std::int64_t index = pool.end.load(std::memory_order_acquire) - left;
    if (worker >= pool.helpers.load(std::memory_order_acquire)) break;
    if (!pool.ticket.compare_exchange_weak(ticket, ticket - 1, std::memory_order_acq_rel,
                                           std::memory_order_acquire)) {
      continue;
    }
    function(context, index);
    ++done;
    ticket = pool.ticket.load(std::memory_order_acquire);
  }
  return done;
}

// Waking a thread costs its waker 10 us on a virtual machine, and as much again until it runs; while nobody else needs
// the cores it is cheaper to spin through the serial parts of a training step.
constexpr std::chrono::microseconds longest_spin{1000}, crowded_spin{10};
// No look at the clock takes that long, unless the system gave the core to another thread.
constexpr std::chrono::microseconds interruption{200};
constexpr std::chrono::milliseconds crowded_for{50};

constinit std::atomic<Clock::rep> crowded_until{0};

// Spins until ready(), but not for long; whether it is ready. Whoever was interrupted while it spun shared its core with a
// thread that had work: for a while, all spin only for moments.
template <class Ready>
bool spin(const Ready& ready) {
  const Clock::time_point start = Clock::now();
  const bool crowded = start.time_since_epoch().count() < crowded_until.load(std::memory_order_relaxed);
  const Clock::time_point stop = start + (crowded ? crowded_spin : longest_spin);
  for (Clock::time_point last = start; last < stop;) {
    for (int i = 0; i < 16; ++i) {
      if (ready()) return true;
      relax();
    }
    const Clock::time_point now = Clock::now();
    if (now - last >= interruption) {
      crowded_until.store((now + crowded_for).time_since_epoch().count(), std::memory_order_relaxed);
      break;
    }
    last = now;
  }
  return ready();
}

void sleep_until_woken(int worker) {
  std::atomic<std::uint32_t>& asleep = pool.beds[static_cast<std::size_t>(worker)].asleep;
  asleep.store(1);
  // Either this sees the job, or the job's caller sees who sleeps.
  if (!has_work(worker)) asleep.wait(1);
  asleep.store(0);
}

// dlclose() leaves in place what a living thread will call.
struct KeepsLoaded {
  KeepsLoaded() {}
  ~KeepsLoaded() {}
};

void work(int worker) {
  static thread_local const KeepsLoaded keeps_loaded;
  // OpenBLAS' OpenMP build takes its number of threads from the thread that calls it.
  omp_set_num_threads(1);
  for (;;) {
    if (const std::uint32_t done = run_tasks_as(worker)) {
      // Once the caller has seen this, the pool may have its next job.
      if (pool.unfinished.fetch_sub(done) == (caller_sleeps | done)) pool.unfinished.notify_one();
    }
    if (!spin([=] { return has_work(worker); })) sleep_until_woken(worker);
  }
}

void wake(int helpers) {
  for (int i = 0; i < helpers; ++i) {
    std::atomic<std::uint32_t>& asleep = pool.beds[static_cast<std::size_t>(i)].asleep;
    if (asleep.load() != 0 && asleep.exchange(0) != 0) asleep.notify_one();
  }
}

void wait_for_others() {
  if (spin([] { return pool.unfinished.load(std::memory_order_acquire) == 0; })) return;
  std::uint32_t now = pool.unfinished.fetch_or(caller_sleeps) | caller_sleeps;
  while (now != caller_sleeps) {
    pool.unfinished.wait(now);
    now = pool.unfinished.load(std::memory_order_acquire);
  }
}

void run_job(int helpers, std::int64_t begin, std::int64_t count, void (*function)(void*, std::int64_t),
             void* context) {
  pool.function.store(function, std::memory_order_release);
  pool.context.store(context, std::memory_order_release);
  pool.end.store(begin + count, std::memory_order_release);
  pool.helpers.store(helpers, std::memory_order_release);
  pool.unfinished.store(static_cast<std::uint32_t>(count), std::memory_order_release);
  const std::uint64_t job = (pool.ticket.load(std::memory_order_relaxed) >> left_bits) + 1;
  pool.ticket.store(job << left_bits | static_cast<std::uint64_t>(count));
  wake(helpers);
  const std::uint32_t done = run_tasks_as(caller);
  if (pool.unfinished.fetch_sub(done, std::memory_order_acq_rel) != done) wait_for_others();
}

void forget_workers() {
  pool.started = pool.wanted = 0;
  pool.ticket.store(pool.ticket.load() & ~left_mask);
  for (Bed& bed : pool.beds) bed.asleep.store(0);
  pool.taken.store(false);
}

// The user's signals are for the user's threads; those that a fault raises are handled where it happens.
sigset_t signals_of_workers() {
  sigset_t all;
  sigfillset(&all);
  for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS}) sigdelset(&all, fault);
  return all;
}

// Where the system gives no more threads, there are as many as it gave.
void start_workers(int wanted) {
  if (wanted <= pool.wanted) return;
  pool.wanted = wanted;
  [[maybe_unused]] static const int registered = pthread_atfork(nullptr, nullptr, forget_workers);
  const sigset_t blocked = signals_of_workers();
  sigset_t before;
  pthread_sigmask(SIG_SETMASK, &blocked, &before);
  try {
    for (; pool.started < wanted; ++pool.started) std::thread(work, pool.started).detach();
  } catch (const std::exception&) {
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

}  // namespace

bool run_on_pool(int helpers, std::int64_t count, void (*function)(void*, std::int64_t), void* context) {
  if (pool.taken.load(std::memory_order_relaxed) || pool.taken.exchange(true)) return false;
  start_workers(std::min(helpers, most_workers));
  constexpr auto at_once = static_cast<std::int64_t>(left_mask);
  for (std::int64_t begin = 0; begin < count; begin += at_once) {
    const std::int64_t part = std::min(count - begin, at_once);
    run_job(static_cast<int>(std::min<std::int64_t>({helpers, pool.started, part - 1})), begin, part,
            function, context);
  }
  pool.taken.store(false, std::memory_order_release);
  return true;
}

}  // namespace rill::detail
