// core/memory: recycling, giving back, and tensors that die in odd places.

#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <deque>
#include <mutex>
#include <new>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <rill/core/create.hpp>
#include <rill/core/memory.hpp>

#include "subprocess.hpp"

#if defined(__SANITIZE_ADDRESS__)
#define RILL_TEST_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define RILL_TEST_ASAN 1
#endif
#endif

namespace {

using namespace rill;

std::uint64_t system_allocations() { return memory::stats().system_allocations; }
std::int64_t bytes_held() { return memory::stats().bytes_held; }

TEST_CASE("memory: a freed piece of the same size is handed out again") {
  void* first = memory::allocate(1000);
  memory::release(first, 1000);
  void* second = memory::allocate(1000);
  CHECK(second == first);
  memory::release(second, 1000);
}

TEST_CASE("memory: pieces are aligned and large enough, whatever their size") {
  for (std::size_t bytes = 1; bytes < 5000; bytes += 7) {
    auto* piece = static_cast<unsigned char*>(memory::allocate(bytes));
    CHECK(reinterpret_cast<std::uintptr_t>(piece) % memory::alignment == 0);
    std::fill_n(piece, bytes, static_cast<unsigned char>(bytes));
    memory::release(piece, bytes);
  }
}

TEST_CASE("memory: large pieces begin with a huge page, and are handed out again as others are") {
  constexpr std::size_t huge_page = std::size_t{2} << 20, large = std::size_t{40} << 20;
  void* const piece = memory::allocate(large);
  CHECK(reinterpret_cast<std::uintptr_t>(piece) % huge_page == 0);
  static_cast<char*>(piece)[0] = static_cast<char*>(piece)[large - 1] = 1;
  memory::release(piece, large);
  void* const again = memory::allocate(large);
  CHECK(again == piece);
  memory::release(again, large);
  const std::int64_t held = memory::stats().bytes_held;
  CHECK(memory::trim() >= large);
  CHECK(memory::stats().bytes_held <= held - static_cast<std::int64_t>(large));
}

TEST_CASE("memory: large pieces of ever other sizes are given back, those that come again are not") {
  memory::trim();
  const std::int64_t before = bytes_held();
  constexpr std::size_t step = 10'000'000, sizes = 60;
  const auto pass = [&](std::int64_t& most) {
    const std::uint64_t calls = system_allocations();
    for (std::size_t i = 1; i <= sizes; ++i) {
      void *first = memory::allocate(i * step), *second = memory::allocate(i * step);
      memory::release(first, i * step);
      memory::release(second, i * step);
      most = std::max(most, bytes_held() - before);
    }
    return system_allocations() - calls;
  };
  // 1.3 GB are in use at once; one piece of each size class, and a second one, take 7.9.
  std::int64_t most = 0;
  pass(most);
  CHECK(most < 5'500'000'000);
  CHECK(most > 1'200'000'000);
  for (int i = 0; i < 5; ++i) pass(most);
  CHECK(pass(most) == 0);
  memory::trim();
}

TEST_CASE("memory: at most a fifth of a piece is unused") {
  for (std::size_t bytes = 65; bytes < 5000000; bytes += bytes / 7 + 1) {
    memory::trim();
    const std::int64_t before = bytes_held();
    void* piece = memory::allocate(bytes);
    CAPTURE(bytes);
    CHECK(4 * (bytes_held() - before) <= 5 * static_cast<std::int64_t>(bytes) + 4);
    memory::release(piece, bytes);
  }
}

TEST_CASE("memory: pieces in use do not overlap") {
  struct Piece {
    unsigned char* at;
    std::size_t bytes;
  };
  std::vector<Piece> pieces;
  for (std::size_t i = 0; i < 1000; ++i) {
    const std::size_t bytes = 1 + i * 37 % 3000;
    auto* at = static_cast<unsigned char*>(memory::allocate(bytes));
    std::fill_n(at, bytes, static_cast<unsigned char>(i));
    pieces.push_back({at, bytes});
  }
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    for (std::size_t k = 0; k < pieces[i].bytes; ++k)
      wrong += pieces[i].at[k] != static_cast<unsigned char>(i);
    memory::release(pieces[i].at, pieces[i].bytes);
  }
  CHECK(wrong == 0);
}

TEST_CASE("memory: a size that no machine has is refused with bad_alloc") {
  CHECK_THROWS_AS(memory::allocate(std::size_t{1} << 62), std::bad_alloc);
  CHECK_THROWS_AS(memory::allocate(~std::size_t{0}), std::bad_alloc);
  CHECK_THROWS_WITH_AS(zeros({1'000'000, 1'000'000'000}),
                       "out of memory: 4000000000000064 bytes (4e+06 GB) in one piece", std::bad_alloc);
  CHECK_THROWS_WITH(memory::allocate(~std::size_t{0}),
                    "out of memory: 18446744073709551615 bytes (1.84e+10 GB) in one piece");
}

TEST_CASE("memory: a warm loop of tensors asks the system for nothing") {
  const auto step = [] {
    Tensor x = ones({50, 40}).requires_grad_();
    ((x * 2.0).relu() + x).sum().backward();
  };
  for (int i = 0; i < 3; ++i) step();
  const auto before = system_allocations();
  const auto held = bytes_held();
  for (int i = 0; i < 1000; ++i) step();
  CHECK(system_allocations() == before);
  CHECK(bytes_held() == held);
}

TEST_CASE("memory: the statistics count what is taken from the system") {
  memory::trim();
  const auto before = memory::stats();
  const Tensor x = zeros({1 << 20});
  CHECK(memory::stats().system_allocations > before.system_allocations);
  CHECK(memory::stats().bytes_held >= before.bytes_held + (4 << 20));
  CHECK(memory::stats().bytes_held <= before.bytes_held + (6 << 20));
}

TEST_CASE("memory: trim returns what is cached, and says how much") {
  { const Tensor x = zeros({1 << 20}); }
  const auto held = bytes_held();
  const std::size_t freed = memory::trim();
  CHECK(freed >= std::size_t{4} << 20);
  CHECK(bytes_held() == held - static_cast<std::int64_t>(freed));
  CHECK(memory::trim() == 0);
}

TEST_CASE("memory: tensors in use survive trim, and the library works on") {
  Tensor x = full({100}, 3).requires_grad_();
  const Tensor y = (x * x).sum();
  memory::trim();
  CHECK(y.item() == 900);
  y.backward();
  CHECK(x.grad().to_vector<float>()[99] == 6);
  memory::trim();
  CHECK((x * 2.0).sum().item() == 600);
}

TEST_CASE("memory: what is cached on a thread that has ended is reused by others") {
  constexpr std::int64_t elements = 3 << 18;
  memory::trim();
  std::thread([] { const Tensor x = zeros({elements}); }).join();
  const auto before = system_allocations();
  const Tensor x = empty({elements});
  CHECK(system_allocations() <= before + 1);  // the record's; the block is the other thread's
  CHECK(bytes_held() < std::int64_t{8} * elements + (std::int64_t{64} << 20));
}

// One thread makes tensors, another drops them; what the process holds may grow by the caches, not by the number.
void produce_and_consume(int count, std::int64_t elements) {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<Tensor> queue;
  bool done = false;
  std::thread consumer([&] {
    for (;;) {
      Tensor taken;
      {
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return done || !queue.empty(); });
        if (queue.empty()) return;
        taken = std::move(queue.front());
        queue.pop_front();
      }
      changed.notify_all();
    }
  });
  for (int i = 0; i < count; ++i) {
    Tensor fresh = empty({elements});
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return queue.size() < 4; });
    queue.push_back(std::move(fresh));
    lock.unlock();
    changed.notify_all();
  }
  {
    const std::lock_guard lock(mutex);
    done = true;
  }
  changed.notify_all();
  consumer.join();
}

TEST_CASE("memory: ten thousand blocks freed on another thread come back") {
  memory::trim();
  const auto held = bytes_held();
  produce_and_consume(10'000, 1000);
  // Two caches of 64 pieces, and what is on its way; ten thousand would be 40 MB.
  CHECK(bytes_held() - held < 2'000'000);
}

TEST_CASE("memory: large blocks freed on another thread are not hoarded") {
  memory::trim();
  const auto held = bytes_held();
  produce_and_consume(500, 1 << 19);
  // Two caches of 8 pieces of 2 MB, and what is on its way; five hundred would be 1 GB.
  CHECK(bytes_held() - held < (std::int64_t{60} << 20));
  memory::trim();
}

// --- odd places to die in --------------------------------------------------------------------------------------------

struct DiesLate {
  Tensor tensor;
  const char* says = nullptr;
  DiesLate() = default;
  DiesLate(const DiesLate&) = delete;
  DiesLate& operator=(const DiesLate&) = delete;
  ~DiesLate() {
    if (!says) return;
    const double sum = (tensor.detach() + 1.0).sum().item();  // the pool still serves
    tensor = Tensor();
    std::printf("%s %g\n", says, sum);
    std::fflush(stdout);
  }
};

// In every run of the tests: dies after main and after this thread's cache, with the graph that it holds.
DiesLate static_tensor;

TEST_CASE("memory: child of the case below" * doctest::skip()) {
  Tensor x = ones({100}).requires_grad_();
  static_tensor.tensor = (x * 2.0).relu();
  static_tensor.says = "static tensor released, sum";
  static DiesLate local;
  local.tensor = ones({10});
  local.says = "local static tensor released, sum";
}

TEST_CASE("memory: static tensors may be used and destroyed after main") {
  const test::Outcome outcome = test::run_case("memory: child of the case below");
  CAPTURE(outcome.output);
  CHECK(outcome.status == 0);
  CHECK(outcome.says("1 passed, 0 failed\n"));
  CHECK(outcome.says("\nstatic tensor released, sum 300\n"));
  CHECK(outcome.says("local static tensor released, sum 20\n"));
}

TEST_CASE("memory: thread-local tensors may outlive their thread's cache, and leak nothing") {
  const auto run = [] {
    std::thread([] {
      // Constructed before the thread's cache, so destroyed after it.
      static thread_local DiesLate late;
      late.tensor = ones({1000}).requires_grad_() * 2.0;
    }).join();
  };
  run();
  const auto held = bytes_held();
  for (int i = 0; i < 200; ++i) run();
  CHECK(bytes_held() == held);
}

#ifdef RILL_TEST_ASAN
TEST_CASE("memory: child that reads through a dangling span" * doctest::skip()) {
  Tensor x = ones({1000});
  const auto elements = x.data<float>();
  x = Tensor();
  std::printf("read %g\n", static_cast<double>(elements[500]));
}

TEST_CASE("memory: AddressSanitizer sees a read through a dangling span") {
  const test::Outcome outcome = test::run_case("memory: child that reads through a dangling span");
  CAPTURE(outcome.output);
  CHECK(outcome.status != 0);
  CHECK(outcome.says("AddressSanitizer: use-after-poison"));
  CHECK_FALSE(outcome.says("read 1"));
}

TEST_CASE("memory: child that reads behind a tensor" * doctest::skip()) {
  const Tensor x =
      ones({5});  // the piece has room for more; poison covers it from the next multiple of 8 bytes on
  std::printf("read %g\n", static_cast<double>(x.data<float>().data()[6]));
}

TEST_CASE("memory: AddressSanitizer sees a read behind a tensor's last element") {
  const test::Outcome outcome = test::run_case("memory: child that reads behind a tensor");
  CAPTURE(outcome.output);
  CHECK(outcome.status != 0);
  CHECK(outcome.says("AddressSanitizer: use-after-poison"));
}
#endif

}  // namespace
