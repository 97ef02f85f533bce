// Walks over groups: which blocks are worth threads, and sums that do not depend on them.
#include <doctest/doctest.h>

#include <thread>

#include <rill/core/ops/groups.hpp>
#include <rill/rill.hpp>

#include "gradcheck.hpp"
#include "thread_count.hpp"

using namespace rill;

TEST_CASE("groups: two blocks of plain elements stay on the calling thread, in order") {
  const test::ThreadCount count(4);
  const auto self = std::this_thread::get_id();
  std::int64_t calls = 0, elsewhere = 0, out_of_order = 0;
  // A region of threads would let another one take a block now and then.
  for (int round = 0; round < 300; ++round) {
    std::thread::id ran[2];
    std::int64_t at[2] = {};
    std::int64_t next = 0;
    ops::for_blocks(2, 1, [&](std::int64_t block) {
      ran[block] = std::this_thread::get_id();
      if (ran[block] == self) at[block] = next++;
    });
    calls += next;
    for (const auto& id : ran) elsewhere += id != self;
    out_of_order += at[0] != 0 || at[1] != 1;
  }
  CHECK(calls == 600);
  CHECK(elsewhere == 0);
  CHECK(out_of_order == 0);
}

TEST_CASE("groups: long sums and extremes are the same bits for any number of threads") {
  Generator generator(1);
  for (const std::int64_t size : {16385, 32768, 32769, 49152, 70001}) {
    const Tensor x = randn({3, size}, generator);
    const auto run = [&](int threads) {
      const test::ThreadCount count(threads);
      return std::vector<Tensor>{x.sum({1}), x.mean({1}), x.max({1}), x.min({1}), x.sum()};
    };
    const std::vector<Tensor> one = run(1);
    for (const int threads : {2, 3, 7}) {
      const std::vector<Tensor> several = run(threads);
      for (std::size_t i = 0; i < one.size(); ++i) CHECK(test::same_bits(one[i], several[i]));
    }
  }
}
