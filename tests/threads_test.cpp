// Threads: the same bits for any number of them, several models at once, and the loops of core/parallel.
//
// These cases also run under ThreadSanitizer (make tsan).

#include <omp.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <rill/core/create.hpp>
#include <rill/core/ops/cross_entropy.hpp>
#include <rill/core/parallel.hpp>
#include <rill/nn/layers.hpp>
#include <rill/optim/adam.hpp>
#include <rill/optim/sgd.hpp>

#include "subprocess.hpp"
#include "thread_count.hpp"

namespace {

using namespace rill;
using rill::test::ThreadCount;

using Weights = std::vector<float>;

Weights weights_of(nn::Module& model) {
  Weights all;
  for (const Tensor& parameter : model.parameters()) {
    const auto data = parameter.data<float>();
    all.insert(all.end(), data.begin(), data.end());
  }
  return all;
}

bool same_bits(const Weights& a, const Weights& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

// Products of more than 12e6 multiply-adds and activations of more than 65536 elements, so every kernel that can run
// in parallel does.
nn::Sequential all_activations(std::uint64_t seed) {
  Generator generator(seed);
  return nn::Sequential(nn::Dense(130, 1040, generator), nn::ELU(), nn::PReLU(1040),
                        nn::Dense(1040, 130, generator), nn::PReLU(), nn::Dense(130, 1040, generator),
                        nn::LeakyReLU(), nn::ReLU(), nn::Dense(1040, 10, generator));
}

enum class Kind { adam, sgd };

Weights train(std::uint64_t seed, Kind kind, int steps = 30) {
  nn::Sequential model = all_activations(seed);
  std::unique_ptr<optim::Optimizer> optimizer;
  if (kind == Kind::adam) {
    optimizer = std::make_unique<optim::Adam>(model, optim::AdamOptions{.weight_decay = 0.01});
  } else {
    optimizer = std::make_unique<optim::SGD>(
        model, optim::SGDOptions{.lr = 0.01, .momentum = 0.9, .weight_decay = 0.01, .nesterov = true});
  }
  Generator generator(seed + 1);
  constexpr std::int64_t batch = 96;
  const Tensor x = randn({batch, 130}, generator);
  Tensor y = empty({batch}, DType::i64);
  for (std::size_t i = 0; i < batch; ++i)
    y.mutable_data<std::int64_t>()[i] = static_cast<std::int64_t>(i * 7 % 10);
  for (int step = 0; step < steps; ++step) {
    const Tensor loss = cross_entropy(model(x), y);
    optimizer->zero_grad();
    loss.backward();
    optimizer->step();
  }
  return weights_of(model);
}

void check_training(Kind kind) {
  Weights one;
  {
    const ThreadCount threads(1);
    one = train(5, kind);
  }
  nn::Sequential untrained = all_activations(5);
  CHECK_FALSE(same_bits(one, weights_of(untrained)));
  for (const float weight : one) {
    if (!std::isfinite(weight)) FAIL("a weight is not finite");
  }
  for (const int n : {2, 3, 8}) {
    CAPTURE(n);
    const ThreadCount threads(n);
    CHECK(same_bits(train(5, kind), one));
  }
}

TEST_CASE("threads: training with Adam gives the same bits for 1, 2, 3 and 8 threads") {
  check_training(Kind::adam);
}
TEST_CASE("threads: training with SGD gives the same bits for 1, 2, 3 and 8 threads") {
  check_training(Kind::sgd);
}

TEST_CASE("threads: sums of all kinds have the same bits for 1, 2, 3 and 8 threads") {
  Generator generator(3);
  const Tensor x = randn({300, 1000}, generator), weight = full({1000}, 0.25);
  const auto sums = [&] {
    Tensor leaf = x.detach().requires_grad_(), slope = weight.detach().requires_grad_();
    Weights all;
    const auto keep = [&](const Tensor& t) {
      const auto data = t.data<float>();
      all.insert(all.end(), data.begin(), data.end());
    };
    for (const Tensor& t : {x.sum(), x.mean(), x.sum({0}), x.sum({1}), x.mean({0}), x.mean({1}, true)})
      keep(t);
    leaf.prelu(slope).sum().backward();
    keep(slope.grad());
    keep(leaf.grad());
    return all;
  };
  Weights one;
  {
    const ThreadCount threads(1);
    one = sums();
  }
  for (const int n : {2, 3, 8}) {
    CAPTURE(n);
    const ThreadCount threads(n);
    for (int repeat = 0; repeat < 5; ++repeat) CHECK(same_bits(sums(), one));
  }
}

TEST_CASE("threads: large copies of one run and of many are whole, for 1, 2, 3 and 8 threads") {
  Generator generator(4);
  const Tensor x = randn({3, 100001}, generator), y = randn({1, 300000}, generator);
  for (const int n : {1, 2, 3, 8}) {
    const ThreadCount threads(n);
    CAPTURE(n);
    const Tensor both = concat({y, y}, 1), part = both.slice(1, 5, 400005);
    bool same = true;
    for (std::int64_t i = 0; i < 400000; ++i)
      same = same && part.data<float>()[static_cast<std::size_t>(i)] ==
                         y.data<float>()[static_cast<std::size_t>((i + 5) % 300000)];
    CHECK(same);
    const Tensor columns = x.slice(1, 1, 100001);
    for (std::int64_t row = 0; row < 3; ++row)
      CHECK(std::ranges::equal(columns.data<float>().subspan(static_cast<std::size_t>(row * 100000), 100000),
                               x.data<float>().subspan(static_cast<std::size_t>(row * 100001 + 1), 100000)));
  }
}

TEST_CASE("threads: two models trained at once get the bits that they get one after the other") {
  const ThreadCount threads(2);
  const Weights first = train(11, Kind::adam, 10), second = train(22, Kind::sgd, 10);
  Weights first_beside, second_beside;
  std::thread a([&] { first_beside = train(11, Kind::adam, 10); });
  std::thread b([&] { second_beside = train(22, Kind::sgd, 10); });
  a.join();
  b.join();
  CHECK(same_bits(first, first_beside));
  CHECK(same_bits(second, second_beside));
}

TEST_CASE("threads: several threads may run inference on one model") {
  const ThreadCount threads(2);
  nn::Sequential model = all_activations(5);
  Generator generator(6);
  std::vector<Tensor> inputs, expected;
  for (int i = 0; i < 4; ++i) inputs.push_back(randn({96, 130}, generator));
  {
    const NoGrad guard;
    for (const Tensor& x : inputs) expected.push_back(model(x));
  }
  std::vector<std::thread> running;
  std::atomic<int> wrong{0};
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    running.emplace_back([&, i] {
      const NoGrad guard;
      for (int repeat = 0; repeat < 5; ++repeat) {
        const Tensor y = model(inputs[i]);
        const auto data = y.data<float>(), right = expected[i].data<float>();
        wrong += y.requires_grad() || std::memcmp(data.data(), right.data(), right.size_bytes()) != 0;
      }
    });
  }
  for (std::thread& thread : running) thread.join();
  CHECK(wrong == 0);
}

TEST_CASE("threads: handles on one graph may be dropped on several threads") {
  for (int round = 0; round < 50; ++round) {
    Tensor x = ones({10}).requires_grad_();
    std::vector<Tensor> all;
    Tensor y = x;
    for (int i = 0; i < 40; ++i) all.push_back(y = (y * 1.0).relu());
    y = Tensor();
    x = Tensor();
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < 4; ++t) {
      threads.emplace_back([handles = all]() mutable {
        while (!handles.empty()) handles.pop_back();
      });
    }
    all.clear();
    for (std::thread& thread : threads) thread.join();
  }
}

TEST_CASE("threads: a tensor made on one thread is read and dropped on another") {
  Tensor x = full({1000}, 3);
  double sum = 0;
  std::thread([handle = std::move(x), &sum]() mutable {
    sum = handle.sum().item();
    handle = Tensor();
  }).join();
  CHECK(sum == 3000);
}

// --- core/parallel ---------------------------------------------------------------------------------------------------

TEST_CASE("threads: parallel_for covers every index once, for any count, grain and number of threads") {
  for (const int n : {1, 2, 3, 8}) {
    const ThreadCount threads(n);
    for (const std::int64_t count : {0, 1, 15, 16, 17, 100, 1000, 1001}) {
      for (const std::int64_t grain : {1, 7, 16, 400, 5000}) {
        std::vector<std::atomic<int>> seen(static_cast<std::size_t>(count));
        std::atomic<int> outside{0};
        parallel_for(
            count,
            [&](std::int64_t begin, std::int64_t end) {
              if (begin < 0 || begin >= end || end > count) ++outside;
              for (std::int64_t i = begin; i < end; ++i) ++seen[static_cast<std::size_t>(i)];
            },
            grain);
        CHECK(outside == 0);
        CHECK(std::all_of(seen.begin(), seen.end(), [](const auto& times) { return times == 1; }));
      }
    }
  }
}

TEST_CASE("threads: parallel_for stays on the calling thread below its grain") {
  const ThreadCount threads(8);
  const auto caller = std::this_thread::get_id();
  int calls = 0;
  parallel_for(
      1000,
      [&](std::int64_t begin, std::int64_t end) {
        ++calls;
        CHECK(std::this_thread::get_id() == caller);
        CHECK(end - begin == 1000);
      },
      1000);
  CHECK(calls == 1);
}

TEST_CASE("threads: parallel_tasks runs every task once") {
  for (const int n : {1, 2, 3, 8}) {
    const ThreadCount threads(n);
    for (const std::int64_t count : {0, 1, 2, 3, 100}) {
      std::vector<std::atomic<int>> seen(static_cast<std::size_t>(count));
      parallel_tasks(count, [&](std::int64_t i) { ++seen[static_cast<std::size_t>(i)]; });
      CHECK(std::all_of(seen.begin(), seen.end(), [](const auto& times) { return times == 1; }));
    }
  }
}

TEST_CASE("threads: parallel_tasks uses as many threads as were set, and no more") {
  const ThreadCount threads(3);
  std::atomic<int> inside{0};
  std::mutex mutex;
  std::set<std::thread::id> used;
  parallel_tasks(30, [&](std::int64_t) {
    {
      const std::lock_guard lock(mutex);
      used.insert(std::this_thread::get_id());
    }
    // Each task waits until three are here, which only three threads can bring about.
    ++inside;
    while (inside.load() < 3) std::this_thread::yield();
  });
  CHECK(inside == 30);
  CHECK(used.size() == 3);
}

TEST_CASE("threads: parallel_tasks passes on an exception, after all tasks have ended") {
  for (const int n : {1, 2, 3, 8}) {
    CAPTURE(n);
    const ThreadCount threads(n);
    std::atomic<int> running{0};
    CHECK_THROWS_WITH_AS(parallel_tasks(10,
                                        [&](std::int64_t i) {
                                          ++running;
                                          if (i == 3) {
                                            --running;
                                            throw std::runtime_error("task 3");
                                          }
                                          --running;
                                        }),
                         "task 3", std::runtime_error);
    CHECK(running == 0);
    CHECK_THROWS_AS(parallel_tasks(10, [](std::int64_t) { throw Error("every one"); }), Error);
    CHECK_THROWS_AS(parallel_tasks(1, [](std::int64_t) { throw Error("the only one"); }), Error);
  }
}

TEST_CASE("threads: a task that throws keeps no other from running, whatever the number of threads") {
  for (const int n : {1, 2, 3, 8}) {
    CAPTURE(n);
    const ThreadCount threads(n);
    std::atomic<int> ran{0};
    CHECK_THROWS_AS(parallel_tasks(10,
                                   [&](std::int64_t i) {
                                     ++ran;
                                     if (i == 0) throw Error("the first");
                                   }),
                    Error);
    CHECK(ran == 10);
  }
}

TEST_CASE("threads: a task may run parallel loops of its own") {
  const ThreadCount threads(3);
  std::atomic<int> sum{0};
  parallel_tasks(5, [&](std::int64_t) { parallel_tasks(7, [&](std::int64_t) { ++sum; }); });
  CHECK(sum == 35);
}

TEST_CASE("threads: training inside a host's OpenMP region gives the same bits") {
  const ThreadCount threads(2);
  const Weights expected = train(5, Kind::adam, 5);
  std::vector<Weights> found(2);
  const int before = omp_get_max_threads();
#pragma omp parallel for num_threads(2) schedule(static, 1)
  for (std::size_t i = 0; i < found.size(); ++i) found[i] = train(5, Kind::adam, 5);
  for (const Weights& weights : found) CHECK(same_bits(weights, expected));
  CHECK(omp_get_max_threads() == before);
}

TEST_CASE("threads: a training run leaves the host's OpenMP settings as they were") {
  const int before = omp_get_max_threads();
  const int dynamic = omp_get_dynamic(), levels = omp_get_max_active_levels();
  omp_set_num_threads(3);
  {
    const ThreadCount threads(2);
    train(5, Kind::adam, 2);
  }
  CHECK(omp_get_max_threads() == 3);
  CHECK(omp_get_dynamic() == dynamic);
  CHECK(omp_get_max_active_levels() == levels);
  omp_set_num_threads(before);
}

// --- the number of threads -------------------------------------------------------------------------------------------

TEST_CASE("threads: set_num_threads sets the number, and refuses what is out of range") {
  const ThreadCount threads(5);
  CHECK(num_threads() == 5);
  CHECK_THROWS_WITH_AS(set_num_threads(0), "set_num_threads: n is 0, expected 1 to 1024", Error);
  CHECK_THROWS_WITH_AS(set_num_threads(-1), "set_num_threads: n is -1, expected 1 to 1024", Error);
  CHECK_THROWS_WITH_AS(set_num_threads(1025), "set_num_threads: n is 1025, expected 1 to 1024", Error);
  CHECK(num_threads() == 5);
  set_num_threads(1024);
  CHECK(num_threads() == 1024);
}

TEST_CASE("threads: the number is the host's OpenMP setting's only at the start") {
  const int before = num_threads(), openmp = omp_get_max_threads();
  omp_set_num_threads(before + 1);
  CHECK(num_threads() == before);
  omp_set_num_threads(openmp);
}

TEST_CASE("threads: child that prints the number of threads" * doctest::skip()) {
  std::printf("number of threads: %d.\n", num_threads());
}

TEST_CASE("threads: the environment decides the number at the start") {
  cpu_set_t set;
  REQUIRE(sched_getaffinity(0, sizeof(set), &set) == 0);
  const int cores = CPU_COUNT(&set);
  struct Case {
    std::optional<std::string> rill, openmp;
    int expected;
  };
  const Case cases[] = {
      {"3", std::nullopt, 3},
      {"3", "5", 3},
      {std::nullopt, "5", 5},
      {std::nullopt, "4,2", 4},
      {"", "5", 5},
      {"1024", std::nullopt, 1024},
#ifndef __clang__  // LLVM 14's OpenMP itself ends any program with that value
      {std::nullopt, "many", cores},
#endif
      {std::nullopt, "0", cores},
      {std::nullopt, std::nullopt, cores},
  };
  for (const Case& each : cases) {
    const std::string rill = each.rill.value_or("(absent)"), openmp = each.openmp.value_or("(absent)");
    const test::Outcome outcome =
        test::run_case("threads: child that prints the number of threads",
                       {{"RILL_NUM_THREADS", each.rill}, {"OMP_NUM_THREADS", each.openmp}});
    CAPTURE(rill);
    CAPTURE(openmp);
    CAPTURE(outcome.output);
    CHECK(outcome.status == 0);
    CHECK(outcome.says("number of threads: " + std::to_string(each.expected) + ".\n"));
  }
}

TEST_CASE("threads: a number in RILL_NUM_THREADS that is none is refused by name, at the first use") {
  for (const std::string text : {"0", "-2", "many", "3x", "4,2", " 3", "1025", "99999999999"}) {
    const test::Outcome outcome = test::run_case("threads: child that prints the number of threads",
                                                 {{"RILL_NUM_THREADS", text}, {"OMP_NUM_THREADS", "5"}});
    CAPTURE(outcome.output);
    CHECK(outcome.status != 0);
    CHECK(outcome.says("RILL_NUM_THREADS: \"" + text + "\", expected 1 to 1024"));
  }
}

TEST_CASE("threads: child that sets the number of threads" * doctest::skip()) {
  set_num_threads(3);
  std::printf("number of threads: %d.\n", num_threads());
}

TEST_CASE("threads: after set_num_threads, nobody asks RILL_NUM_THREADS") {
  const test::Outcome outcome =
      test::run_case("threads: child that sets the number of threads", {{"RILL_NUM_THREADS", "many"}});
  CAPTURE(outcome.output);
  CHECK(outcome.status == 0);
  CHECK(outcome.says("number of threads: 3.\n"));
}

}  // namespace
