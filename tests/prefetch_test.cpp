// Batches prepared in the background: the same ones, and no way to hang or to lose an error.

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <rill/core/error.hpp>
#include <rill/core/memory.hpp>
#include <rill/core/parallel.hpp>
#include <rill/nn/data/loader.hpp>

#include "thread_count.hpp"

namespace {

using namespace rill;
using namespace rill::nn::data;
using rill::test::ThreadCount;
using Indices = std::vector<std::int64_t>;

#define CHECK_ERROR(expression, text) CHECK_THROWS_WITH_AS(expression, std::string(text).c_str(), Error)

// Sample i is the number i, and so is its label. Counts its gathers, and throws in one of them if asked to.
class Counting final : public Dataset {
 public:
  explicit Counting(std::int64_t size, std::int64_t failing = -1) : size_(size), failing_(failing) {}

  std::int64_t size() const override { return size_; }
  Shape sample_shape() const override { return {3}; }
  std::int64_t classes() const override { return size_; }
  void gather(std::span<const std::int64_t> indices, Tensor& x, Tensor& y) const override {
    check_gather("counting", indices, x, y);
    ++gathers;
    last_thread = std::this_thread::get_id();
    for (std::size_t i = 0; i < indices.size(); ++i) {
      if (indices[i] == failing_) throw std::runtime_error("sample " + std::to_string(failing_) + " is torn");
      y.mutable_data<std::int64_t>()[i] = indices[i];
      for (std::size_t k = 0; k < 3; ++k) x.mutable_data<float>()[3 * i + k] = static_cast<float>(indices[i]);
    }
  }

  mutable std::atomic<int> gathers{0};
  mutable std::atomic<std::thread::id> last_thread{};

 private:
  std::int64_t size_, failing_;
};

Indices labels_of(const Batch& batch) {
  const auto y = batch.y.data<std::int64_t>();
  return {y.begin(), y.end()};
}

std::vector<Indices> batches_of(Epoch epoch) {
  std::vector<Indices> all;
  for (const Batch& batch : epoch) {
    CHECK(batch.index == std::ssize(all));
    all.push_back(labels_of(batch));
    for (std::size_t i = 0; i < all.back().size(); ++i)
      CHECK(batch.x.data<float>()[3 * i] == static_cast<float>(all.back()[i]));
  }
  return all;
}

TEST_CASE("threads: batches prepared ahead are those prepared in turn, for several epochs") {
  const auto set = std::make_shared<Counting>(103);
  const Loader plain(set, {.batch_size = 10, .shuffle = true, .seed = 4});
  for (const std::int64_t prefetch : {1, 2, 3, 11, 500}) {
    const Loader ahead(set, {.batch_size = 10, .shuffle = true, .seed = 4, .prefetch = prefetch});
    for (std::int64_t epoch = 0; epoch < 3; ++epoch)
      CHECK(batches_of(ahead.epoch(epoch)) == batches_of(plain.epoch(epoch)));
  }
}

TEST_CASE("threads: preparing ahead is done by another thread, and without it by none") {
  const auto set = std::make_shared<Counting>(4);
  batches_of(Loader(set, {.batch_size = 2}).epoch(0));
  CHECK(set->last_thread.load() == std::this_thread::get_id());
  batches_of(Loader(set, {.batch_size = 2, .prefetch = 1}).epoch(0));
  CHECK(set->last_thread.load() != std::this_thread::get_id());
}

TEST_CASE("threads: drop_last and a last batch that is smaller come through") {
  const auto set = std::make_shared<Counting>(7);
  CHECK(batches_of(Loader(set, {.batch_size = 3, .prefetch = 2}).epoch(0)) ==
        std::vector<Indices>{{0, 1, 2}, {3, 4, 5}, {6}});
  CHECK(batches_of(Loader(set, {.batch_size = 3, .drop_last = true, .prefetch = 2}).epoch(0)) ==
        std::vector<Indices>{{0, 1, 2}, {3, 4, 5}});
}

TEST_CASE("threads: no more batches are prepared than were asked for") {
  const auto set = std::make_shared<Counting>(100);
  Epoch epoch = Loader(set, {.batch_size = 1, .prefetch = 3}).epoch(0);
  auto batch = epoch.begin();
  for (int taken = 1; taken <= 20; ++taken, ++batch) {
    while (set->gathers < taken + 3) std::this_thread::yield();
    CHECK(set->gathers == taken + 3);
  }
}

TEST_CASE("threads: leaving the loop early ends the thread") {
  const auto set = std::make_shared<Counting>(1000);
  const Loader loader(set, {.batch_size = 1, .prefetch = 4});
  for (int stop = 0; stop < 30; ++stop) {
    for (const Batch& batch : loader.epoch(0))
      if (batch.index == stop) break;
    const int gathers = set->gathers;
    CHECK(gathers <= stop + 5);
    set->gathers = 0;
  }
}

TEST_CASE("threads: an epoch that was never begun, or dropped at once, starts and leaves nothing") {
  const auto set = std::make_shared<Counting>(10);
  const Loader loader(set, {.batch_size = 1, .prefetch = 4});
  { const Epoch epoch = loader.epoch(0); }
  CHECK(set->gathers == 0);
  {
    Epoch epoch = loader.epoch(0);
    epoch.begin();
  }
  CHECK(set->gathers <= 5);
}

TEST_CASE("threads: an epoch may be begun again, also half way, and gives all its batches") {
  Epoch epoch = Loader(std::make_shared<Counting>(6), {.batch_size = 2, .prefetch = 2}).epoch(0);
  auto first = epoch.begin();
  ++first;
  Indices seen;
  for (const Batch& batch : epoch) seen.push_back(batch.y.data<std::int64_t>()[0]);
  CHECK(seen == Indices{0, 2, 4});
}

TEST_CASE("threads: an epoch may be moved before and assigned over after it was begun") {
  const Loader loader(std::make_shared<Counting>(6), {.batch_size = 2, .prefetch = 2});
  Epoch epoch = loader.epoch(0);
  epoch.begin();
  epoch = loader.epoch(1);
  Epoch moved = std::move(epoch);
  CHECK(batches_of(std::move(moved)) == std::vector<Indices>{{0, 1}, {2, 3}, {4, 5}});
}

TEST_CASE("threads: an exception comes out at its batch, after those before it") {
  for (const std::int64_t prefetch : {0, 1, 3, 50}) {
    CAPTURE(prefetch);
    const Loader loader(std::make_shared<Counting>(20, 9), {.batch_size = 2, .prefetch = prefetch});
    Indices seen;
    const auto run = [&] {
      for (const Batch& batch : loader.epoch(0)) seen.push_back(batch.index);
    };
    CHECK_THROWS_WITH_AS(run(), "sample 9 is torn", std::runtime_error);
    CHECK(seen == Indices{0, 1, 2, 3});
  }
}

TEST_CASE("threads: after an exception the iterator may go on to the next batch") {
  for (const std::int64_t prefetch : {0, 2}) {
    Epoch epoch = Loader(std::make_shared<Counting>(6, 2), {.batch_size = 2, .prefetch = prefetch}).epoch(0);
    auto batch = epoch.begin();
    CHECK_THROWS_AS(++batch, std::runtime_error);
    ++batch;
    CHECK(labels_of(*batch) == Indices{4, 5});
    ++batch;
    CHECK(batch == epoch.end());
  }
}

TEST_CASE(
    "threads: an exception in the first batch comes out of begin, and one nobody waits for is dropped") {
  Epoch first = Loader(std::make_shared<Counting>(6, 0), {.batch_size = 2, .prefetch = 2}).epoch(0);
  CHECK_THROWS_AS(first.begin(), std::runtime_error);
  Epoch last = Loader(std::make_shared<Counting>(6, 5), {.batch_size = 2, .prefetch = 3}).epoch(0);
  CHECK(labels_of(*last.begin()) == Indices{0, 1});
}

TEST_CASE("threads: batches that were kept are not overwritten by those prepared later") {
  std::vector<Batch> kept;
  for (const Batch& batch : Loader(std::make_shared<Counting>(40), {.batch_size = 4, .prefetch = 2}).epoch(0))
    kept.push_back(batch);
  REQUIRE(kept.size() == 10);
  for (std::int64_t i = 0; i < 10; ++i)
    CHECK(labels_of(kept[static_cast<std::size_t>(i)]) == Indices{4 * i, 4 * i + 1, 4 * i + 2, 4 * i + 3});
}

TEST_CASE("threads: several epochs may be read at once, each by its own thread") {
  const Loader loader(std::make_shared<Counting>(60), {.batch_size = 7, .shuffle = true, .prefetch = 2});
  std::vector<Indices> found(3);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      for (const Batch& batch : loader.epoch(static_cast<std::int64_t>(t)))
        for (const std::int64_t label : labels_of(batch)) found[t].push_back(label);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (std::uint32_t t = 0; t < 3; ++t) CHECK(found[t] == permutation(60, Stream(0, Purpose::shuffle, t)));
}

TEST_CASE("threads: a batch that cannot be allocated throws in its turn, and the next ones come") {
  // Asked for its shape once by the loader, and then for every batch.
  class Torn final : public Dataset {
   public:
    explicit Torn(int failing) : failing_(failing) {}
    std::int64_t size() const override { return 6; }
    Shape sample_shape() const override {
      if (asked_++ == failing_ + 1) throw std::runtime_error("no shape");
      return {3};
    }
    std::int64_t classes() const override { return 6; }
    void gather(std::span<const std::int64_t> indices, Tensor&, Tensor& y) const override {
      std::copy(indices.begin(), indices.end(), y.mutable_data<std::int64_t>().begin());
    }

   private:
    int failing_;
    mutable std::atomic<int> asked_{0};
  };
  for (const std::int64_t prefetch : {0, 1, 2, 4, 6}) {
    for (int failing = 1; failing < 6; ++failing) {
      Epoch epoch = Loader(std::make_shared<Torn>(failing), {.batch_size = 1, .prefetch = prefetch}).epoch(0);
      auto batch = epoch.begin();
      for (int index = 1; index < 6; ++index) {
        if (index == failing) {
          CHECK_THROWS_WITH_AS(++batch, "no shape", std::runtime_error);
        } else {
          ++batch;
          CHECK(labels_of(*batch) == Indices{index});
        }
      }
      ++batch;
      CHECK(batch == epoch.end());
    }
    Epoch epoch = Loader(std::make_shared<Torn>(0), {.batch_size = 1, .prefetch = prefetch}).epoch(0);
    CHECK_THROWS_WITH_AS(epoch.begin(), "no shape", std::runtime_error);
    CHECK(labels_of(*epoch.begin()) == Indices{0});
  }
}

TEST_CASE("threads: the loops of the thread in the background stay on it") {
  class Loops final : public Dataset {
   public:
    std::int64_t size() const override { return 4; }
    Shape sample_shape() const override { return {}; }
    std::int64_t classes() const override { return 1; }
    void gather(std::span<const std::int64_t>, Tensor&, Tensor& y) const override {
      y.mutable_data<std::int64_t>()[0] = 0;
      const auto here = std::this_thread::get_id();
      std::atomic<int> elsewhere{0};
      parallel_tasks(30, [&](std::int64_t) { elsewhere += std::this_thread::get_id() != here; });
      strayed += elsewhere;
    }
    mutable std::atomic<int> strayed{0};
  };
  const ThreadCount threads(3);
  const auto set = std::make_shared<Loops>();
  for (const Batch& batch : Loader(set, {.batch_size = 1, .prefetch = 2}).epoch(0)) CHECK(batch.y.defined());
  CHECK(set->strayed == 0);
}

TEST_CASE("threads: SerialLoops ends with its scope") {
  const ThreadCount threads(2);
  const auto here = std::this_thread::get_id();
  const auto spread = [&] {
    std::atomic<int> elsewhere{0};
    parallel_tasks(20, [&](std::int64_t) { elsewhere += std::this_thread::get_id() != here; });
    return elsewhere > 0;
  };
  {
    const SerialLoops outer;
    { const SerialLoops inner; }
    CHECK_FALSE(spread());
  }
  // Each of the two tasks waits for the other, which only two threads can bring about.
  std::atomic<int> inside{0};
  parallel_tasks(2, [&](std::int64_t) {
    ++inside;
    while (inside < 2) std::this_thread::yield();
  });
  CHECK(inside == 2);
}

TEST_CASE("threads: a warm epoch that is prepared ahead takes nothing from the system for its batches") {
  const auto set = std::make_shared<TensorDataset>(ones({640, 784}), zeros({640}, DType::i64));
  const Loader loader(set, {.batch_size = 64, .shuffle = true, .prefetch = 2});
  const auto run = [&](std::int64_t epoch) {
    float sum = 0;
    for (const Batch& batch : loader.epoch(epoch)) sum += batch.x.data<float>()[0];
    return sum;
  };
  CHECK(run(0) == 10);
  const auto before = memory::stats().system_allocations;
  CHECK(run(1) == 10);
  CHECK(memory::stats().system_allocations == before);
}

TEST_CASE("loader: a prefetch that makes no sense is refused") {
  const auto set = std::make_shared<Counting>(3);
  CHECK_ERROR(Loader(set, {.batch_size = 1, .prefetch = -1}),
              "loader: prefetch is -1, expected 0 to 1000 batches");
  CHECK_ERROR(Loader(set, {.batch_size = 1, .prefetch = 1001}),
              "loader: prefetch is 1001, expected 0 to 1000 batches");
}

}  // namespace
