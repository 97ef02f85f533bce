// The workers behind parallel loops: when they start, what they leave to the caller, and what becomes of them in a child
// process, under signals and after main.

#include <omp.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <iterator>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <rill/core/parallel.hpp>

#include "sanitized.hpp"
#include "skip.hpp"
#include "subprocess.hpp"
#include "thread_count.hpp"

namespace {

using namespace rill;
using rill::test::ThreadCount;

// Each of `n` tasks waits until all are here, which only n threads can bring about.
void meet(int n) {
  std::atomic<int> inside{0};
  parallel_tasks(n, [&](std::int64_t) {
    ++inside;
    while (inside < n) std::this_thread::yield();
  });
}

std::int64_t threads_of_process() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/task"), {});
}

// The wait status of a child that runs `body` and exits with 0 if that is true. One that hangs ends by a signal.
int status_of_child(::pid_t child, const std::function<bool()>& body) {
  if (child == 0) {
    ::alarm(60);
    ::_exit(body() ? 0 : 1);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  return status;
}

bool all_run(std::int64_t count) {
  std::vector<std::atomic<int>> seen(static_cast<std::size_t>(count));
  parallel_tasks(count, [&](std::int64_t i) { ++seen[static_cast<std::size_t>(i)]; });
  return std::all_of(seen.begin(), seen.end(), [](const auto& times) { return times == 1; });
}

// --- who runs the tasks ----------------------------------------------------------------------------------------------

TEST_CASE("parallel_for: a grain below 1 is one of 1") {
  std::vector<int> seen(10);
  parallel_for(
      10,
      [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) ++seen[static_cast<std::size_t>(i)];
      },
      0);
  CHECK(seen == std::vector<int>(10, 1));
}

TEST_CASE("parallel: the caller runs all tasks itself where no worker comes") {
  const ThreadCount threads(3);
  meet(3);
  // A child that was not made by fork() takes its workers for alive, and has none: they hang for good.
  const auto child = static_cast<::pid_t>(::syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
  CHECK(status_of_child(child, [] {
          bool all = true;
          for (const std::int64_t count : {2, 3, 100, 100000}) all = all && all_run(count);
          return all;
        }) == 0);
}

TEST_CASE("parallel: where the system gives no threads, the caller runs all tasks itself") {
#ifdef RILL_TEST_SANITIZED
  return test::skip("a sanitizer needs address space of its own");
#endif
  const test::Outcome outcome = test::run_case("parallel: child that may start no threads");
  CAPTURE(outcome.output);
  CHECK(outcome.status == 0);
}

TEST_CASE("parallel: child that may start no threads" * doctest::skip()) {
  const auto before = threads_of_process();
  ::rlimit limit{};
  REQUIRE(::getrlimit(RLIMIT_AS, &limit) == 0);
  const ThreadCount threads(3);
  // Room for no further stack; and soon undone, as OpenBLAS' own thread asks for memory until it gets some.
  const ::rlimit none{1 << 20, limit.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_AS, &none) == 0);
  const bool first = all_run(100), second = all_run(100);
  ::setrlimit(RLIMIT_AS, &limit);
  CHECK(first);
  CHECK(second);
  CHECK(threads_of_process() == before);
}

TEST_CASE("parallel: one thread, serial loops and loops of one task start no worker") {
  const test::Outcome outcome = test::run_case("parallel: child that counts its threads");
  CAPTURE(outcome.output);
  CHECK(outcome.status == 0);
}

TEST_CASE("parallel: child that counts its threads" * doctest::skip()) {
  const auto before = threads_of_process();
  {
    const ThreadCount threads(1);
    CHECK(all_run(100));
  }
  const ThreadCount threads(4);
  CHECK(all_run(1));
  {
    const SerialLoops serial;
    CHECK(all_run(100));
  }
  CHECK(threads_of_process() == before);
  CHECK(all_run(100));
  CHECK(threads_of_process() == before + 3);
  CHECK(all_run(100));
  set_num_threads(2);
  CHECK(all_run(100));
  CHECK(threads_of_process() == before + 3);
  set_num_threads(6);
  CHECK(all_run(100));
  CHECK(threads_of_process() == before + 5);
}

TEST_CASE("threads: the number may grow and shrink between loops") {
  for (const int n : {2, 5, 3, 1, 8, 2}) {
    CAPTURE(n);
    const ThreadCount threads(n);
    for (int repeat = 0; repeat < 20; ++repeat) meet(n);
    std::mutex mutex;
    std::set<std::thread::id> used;
    parallel_tasks(1000, [&](std::int64_t) {
      const std::lock_guard lock(mutex);
      used.insert(std::this_thread::get_id());
    });
    CHECK(std::ssize(used) <= n);
  }
}

TEST_CASE("threads: loops of several threads at once each run all of their tasks") {
  const ThreadCount threads(3);
  std::atomic<int> wrong{0};
  std::vector<std::thread> callers;
  for (int t = 0; t < 4; ++t) {
    callers.emplace_back([&, t] {
      for (int i = 0; i < 300; ++i) {
        // Plain memory: one thread writes each place, and the caller reads it afterwards.
        std::vector<int> values(static_cast<std::size_t>(2 + (i + t) % 7), 0);
        parallel_tasks(std::ssize(values), [&](std::int64_t k) { values[static_cast<std::size_t>(k)] += i; });
        wrong += std::any_of(values.begin(), values.end(), [&](int value) { return value != i; });
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  CHECK(wrong == 0);
}

TEST_CASE("threads: loops that follow each other at any pace wake the workers they need") {
  const ThreadCount threads(3);
  for (const int gap : {0, 1, 10, 100, 3000}) {  // microseconds: workers that spin, and workers that sleep
    for (int i = 0; i < 20; ++i) {
      meet(3);
      ::usleep(static_cast<::useconds_t>(gap));
    }
  }
}

TEST_CASE("threads: a loop inside of a task stays on the thread of the task") {
  const ThreadCount threads(3);
  std::atomic<int> elsewhere{0};
  parallel_tasks(6, [&](std::int64_t) {
    const auto here = std::this_thread::get_id();
    parallel_tasks(50, [&](std::int64_t) { elsewhere += std::this_thread::get_id() != here; });
  });
  CHECK(elsewhere == 0);
}

TEST_CASE("threads: a worker's own OpenMP count is 1, so that OpenBLAS starts no team there") {
  const ThreadCount threads(3);
  const auto caller = std::this_thread::get_id();
  std::atomic<int> inside{0}, workers_with_one{0};
  parallel_tasks(3, [&](std::int64_t) {
    ++inside;
    while (inside < 3) std::this_thread::yield();
    workers_with_one += std::this_thread::get_id() != caller && omp_get_max_threads() == 1;
  });
  CHECK(workers_with_one == 2);
}

// --- the process -----------------------------------------------------------------------------------------------------

TEST_CASE("parallel: a forked child has workers of its own") {
  const ThreadCount threads(3);
  meet(3);
  for (const int n : {2, 3, 4}) {
    CAPTURE(n);
    CHECK(status_of_child(::fork(), [n] {
            set_num_threads(n);
            meet(n);
            return all_run(100);
          }) == 0);
  }
  meet(3);
}

TEST_CASE("parallel: a child forked while another thread's loop runs has workers of its own") {
  const ThreadCount threads(3);
  std::atomic<bool> inside{false}, stop{false};
  std::thread other([&] {
    parallel_tasks(3, [&](std::int64_t) {
      inside = true;
      while (!stop) std::this_thread::yield();
    });
  });
  while (!inside) std::this_thread::yield();
  const int status = status_of_child(::fork(), [] {
    meet(3);
    return all_run(100);
  });
  stop = true;
  other.join();
  CHECK(status == 0);
}

TEST_CASE("parallel: workers handle faults, and leave all other signals to the program's threads") {
  const ThreadCount threads(3);
  const auto caller = std::this_thread::get_id();
  std::atomic<int> inside{0}, workers{0}, wrong{0};
  parallel_tasks(3, [&](std::int64_t) {
    ++inside;
    while (inside < 3) std::this_thread::yield();
    if (std::this_thread::get_id() == caller) return;
    ++workers;
    sigset_t blocked;
    pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGALRM, SIGCHLD, SIGUSR1, SIGWINCH})
      wrong += sigismember(&blocked, signal) != 1;
    for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL}) wrong += sigismember(&blocked, signal) != 0;
  });
  CHECK(workers == 2);
  CHECK(wrong == 0);
  sigset_t blocked;
  pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
  CHECK(sigismember(&blocked, SIGINT) == 0);
}

// Destroyed after main; it lives in this file from the start, so the library's own statics may be gone before it.
struct LoopsAfterMain {
  bool armed = false;
  ~LoopsAfterMain() {
    if (!armed) return;
    meet(3);
    std::printf("after main: %s.\n", all_run(100) ? "all" : "not all");
  }
};
LoopsAfterMain loops_after_main;

TEST_CASE("parallel: child that runs loops after main" * doctest::skip()) {
  set_num_threads(3);
  meet(3);
  loops_after_main.armed = true;
}

TEST_CASE("parallel: loops run after main, beside workers that sleep or spin") {
  const test::Outcome outcome = test::run_case("parallel: child that runs loops after main");
  CAPTURE(outcome.output);
  CHECK(outcome.status == 0);
  CHECK(outcome.says("after main: all.\n"));
}

}  // namespace
