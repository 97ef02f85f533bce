// A warm training step makes no call of the allocator.
//
// Counted by standing in for malloc and its kin in the whole process, OpenBLAS, OpenMP and operator new included.
// Sanitizers have allocators of their own; there the pool's own count of what it took from the system has to do.

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <functional>
#include <memory>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <rill/core/bits.hpp>
#include <rill/core/create.hpp>
#include <rill/core/memory.hpp>
#include <rill/core/ops/cross_entropy.hpp>
#include <rill/core/ops/extreme.hpp>
#include <rill/core/ops/nll_loss.hpp>
#include <rill/core/ops/softmax.hpp>
#include <rill/core/ops/topk.hpp>
#include <rill/core/ops/var.hpp>
#include <rill/core/parallel.hpp>
#include <rill/nn/data/loader.hpp>
#include <rill/nn/layers.hpp>
#include <rill/optim/adam.hpp>
#include <rill/optim/callbacks.hpp>
#include <rill/optim/sgd.hpp>

#include "sanitized.hpp"

#if defined(__GLIBC__) && !defined(RILL_TEST_SANITIZED)
#define RILL_TEST_COUNTS_MALLOC 1
#endif

namespace {
std::atomic<std::uint64_t> allocator_calls{0};
#ifdef RILL_TEST_COUNTS_MALLOC
// Of what the pool asks for: how many it is still given; below 0 for all.
thread_local constinit int aligned_pieces_left = -1;
#endif
}  // namespace

#ifdef RILL_TEST_COUNTS_MALLOC
extern "C" {
void* __libc_malloc(std::size_t bytes);
void* __libc_calloc(std::size_t count, std::size_t bytes);
void* __libc_realloc(void* piece, std::size_t bytes);
void* __libc_memalign(std::size_t alignment, std::size_t bytes);
void __libc_free(void* piece);

void* malloc(std::size_t bytes) noexcept {
  allocator_calls.fetch_add(1, std::memory_order_relaxed);
  return __libc_malloc(bytes);
}
void* calloc(std::size_t count, std::size_t bytes) noexcept {
  allocator_calls.fetch_add(1, std::memory_order_relaxed);
  return __libc_calloc(count, bytes);
}
void* realloc(void* piece, std::size_t bytes) noexcept {
  allocator_calls.fetch_add(1, std::memory_order_relaxed);
  return __libc_realloc(piece, bytes);
}
void* memalign(std::size_t alignment, std::size_t bytes) noexcept {
  allocator_calls.fetch_add(1, std::memory_order_relaxed);
  if (aligned_pieces_left >= 0 && aligned_pieces_left-- == 0) return aligned_pieces_left = 0, nullptr;
  return __libc_memalign(alignment, bytes);
}
void* aligned_alloc(std::size_t alignment, std::size_t bytes) noexcept { return memalign(alignment, bytes); }
int posix_memalign(void** piece, std::size_t alignment, std::size_t bytes) noexcept {
  *piece = memalign(alignment, bytes);
  return *piece ? 0 : ENOMEM;
}
void free(void* piece) noexcept {
  if (piece) allocator_calls.fetch_add(1, std::memory_order_relaxed);
  __libc_free(piece);
}
}
#endif

namespace {

using namespace rill;

// What `steps` calls of `step` ask of the allocator (or, under a sanitizer, what the pool asks of the system).
std::uint64_t calls_of(int steps, const std::function<void()>& step) {
  const auto pool_before = memory::stats().system_allocations;
  const auto before = allocator_calls.load();
  for (int i = 0; i < steps; ++i) step();
  return allocator_calls.load() - before + (memory::stats().system_allocations - pool_before);
}

void check_warm(const std::function<void()>& step) {
  calls_of(10, step);
  CHECK(calls_of(20, step) == 0);
}

// A model, its optimizer and a batch, trained by step().
struct Training {
  nn::Sequential model;
  std::unique_ptr<optim::Optimizer> optimizer;
  Tensor x, y;

  void step() {
    const Tensor loss = cross_entropy(model(x), y);
    optimizer->zero_grad();
    loss.backward();
    optimizer->step();
  }
};

template <class Activation>
Training training(Activation activation, bool adam, std::int64_t batch = 32, std::int64_t width = 40,
                  std::int64_t features = 20) {
  Generator generator(1);
  Training t;
  t.model.add(nn::Dense(features, width, generator));
  t.model.add(std::move(activation));
  t.model.add(nn::Dense(width, 10, generator));
  if (adam) {
    t.optimizer = std::make_unique<optim::Adam>(t.model, optim::AdamOptions{.weight_decay = 0.1});
  } else {
    t.optimizer = std::make_unique<optim::SGD>(
        t.model, optim::SGDOptions{.lr = 0.01, .momentum = 0.9, .weight_decay = 0.1});
  }
  t.x = randn({batch, features}, generator);
  t.y = empty({batch}, DType::i64);
  for (std::int64_t i = 0; i < batch; ++i)
    t.y.mutable_data<std::int64_t>()[static_cast<std::size_t>(i)] = i % 10;
  return t;
}

TEST_CASE("allocation: the counter sees every way to allocate") {
#ifdef RILL_TEST_COUNTS_MALLOC
  const auto seen = [](const std::function<void()>& body) { return calls_of(1, body) > 0; };
  CHECK(seen([] { ::operator delete(::operator new(10)); }));
  CHECK(seen([] { ::operator delete[](::operator new[](10)); }));
  CHECK(seen([] { ::operator delete (::operator new (10, std::align_val_t{64}), std::align_val_t{64}); }));
  void* volatile piece = nullptr;
  CHECK(seen([&] { piece = std::malloc(10); }));
  CHECK(seen([&] { piece = std::realloc(piece, 1000); }));
  CHECK(seen([&] { std::free(piece); }));
  CHECK(seen([&] { piece = std::calloc(10, 10); }));
  std::free(piece);
  CHECK(seen([&] { piece = std::aligned_alloc(64, 64); }));
  std::free(piece);
  CHECK(seen([&] {
    void* aligned = nullptr;
    if (::posix_memalign(&aligned, 64, 64) == 0) piece = aligned;
  }));
  std::free(piece);
  std::string text;
  CHECK(seen([&] { text.assign(100, 'x'); }));
#endif
  memory::trim();
  CHECK(calls_of(1, [] { const Tensor x = empty({100}); }) > 0);
}

TEST_CASE("allocation: a warm step with Adam makes no call of the allocator, whatever the activation") {
  SUBCASE("relu") {
    check_warm([t = std::make_shared<Training>(training(nn::ReLU(), true))] { t->step(); });
  }
  SUBCASE("leaky_relu") {
    check_warm([t = std::make_shared<Training>(training(nn::LeakyReLU(), true))] { t->step(); });
  }
  SUBCASE("elu") {
    check_warm([t = std::make_shared<Training>(training(nn::ELU(), true))] { t->step(); });
  }
  SUBCASE("prelu") {
    check_warm([t = std::make_shared<Training>(training(nn::PReLU(), true))] { t->step(); });
  }
  SUBCASE("prelu, one slope a channel") {
    check_warm([t = std::make_shared<Training>(training(nn::PReLU(40), true))] { t->step(); });
  }
}

TEST_CASE("allocation: a warm step with SGD makes no call of the allocator, whatever the activation") {
  SUBCASE("relu") {
    check_warm([t = std::make_shared<Training>(training(nn::ReLU(), false))] { t->step(); });
  }
  SUBCASE("leaky_relu") {
    check_warm([t = std::make_shared<Training>(training(nn::LeakyReLU(), false))] { t->step(); });
  }
  SUBCASE("elu") {
    check_warm([t = std::make_shared<Training>(training(nn::ELU(), false))] { t->step(); });
  }
  SUBCASE("prelu") {
    check_warm([t = std::make_shared<Training>(training(nn::PReLU(), false))] { t->step(); });
  }
}

TEST_CASE("allocation: a warm step whose kernels run in parallel makes no call of the allocator") {
  const int before = num_threads();
  for (const int threads : {1, 2, 3, 8}) {
    CAPTURE(threads);
    set_num_threads(threads);
    // Products of two strips beside elementwise loops of more parts: teams of changing size.
    Training t = training(nn::ELU(), true, 128, 2000, 40);
    // Each task waits for all, so that every thread is there and has what it needs.
    std::atomic<int> inside{0};
    parallel_tasks(threads, [&](std::int64_t) {
      ++inside;
      while (inside < threads) std::this_thread::yield();
    });
    check_warm([&] { t.step(); });
  }
  set_num_threads(before);
}

#ifdef RILL_TEST_COUNTS_MALLOC
TEST_CASE("allocation: a first step without memory for what the optimizer keeps changes no parameter") {
  for (int given = 0; given < 1000; ++given) {
    Training t = training(nn::ReLU(), true);
    const Tensor loss = cross_entropy(t.model(t.x), t.y);
    loss.backward();
    std::vector<Tensor> before;
    for (const Tensor& parameter : t.model.parameters()) before.push_back(parameter.detach().clone());
    memory::trim();
    aligned_pieces_left = given;
    bool failed = false;
    try {
      t.optimizer->step();
    } catch (const std::bad_alloc&) {
      failed = true;
    }
    aligned_pieces_left = -1;
    if (!failed) {
      CHECK(given > 4);
      return;
    }
    CAPTURE(given);
    for (std::size_t i = 0; i < before.size(); ++i) {
      const Tensor parameter = t.model.parameters()[i];
      CHECK(rill::detail::same_bits(parameter, before[i]));
      CHECK(t.optimizer->state(parameter).steps == 0);
      CHECK(t.optimizer->state(parameter).tensors.empty());
    }
  }
}
#endif

TEST_CASE("allocation: warm broadcasting expressions make no call of the allocator") {
  Generator generator(1);
  Tensor scale = ones({1, 30}).requires_grad_(), shift = zeros({20, 1}).requires_grad_();
  Tensor slope = full({1}, 0.25).requires_grad_();
  const Tensor x = randn({20, 30}, generator);
  check_warm([&] {
    Tensor h = (x * scale + shift) / 3.0 - 0.5;
    h = h.leaky_relu(0.1) * h.elu() + h.prelu(slope) - h.relu();
    h.leaky_relu_(0.2);
    const Tensor loss = (h.reshape({60, 10}).matmul(ones({10, 7})) * 2.0).mean() + scale.sum() * shift.mean();
    scale.zero_grad();
    loss.backward();
    shift.zero_grad();
    slope.zero_grad();
  });
}

TEST_CASE("allocation: a warm step of reductions, topk and nll_loss makes no call of the allocator") {
  Generator generator(1);
  const Tensor x = randn({6, 5, 4}, generator).requires_grad_();
  const Tensor labels = zeros({6}, DType::i64);
  const std::vector<int> outer{0, 2};
  Tensor leaf = x;
  check_warm([&] {
    const Tensor loss = nll_loss(log_softmax(x.reshape({6, 20})), labels) + topk(x, 3, 1).values.sum() +
                        var(x, outer).sum() + max(x, outer).sum();
    leaf.zero_grad();
    loss.backward();
  });
}

TEST_CASE("allocation: gradients that accumulate make no call of the allocator") {
  Tensor x = ones({30}).requires_grad_();
  check_warm([&] { (x * x + x).sum().backward(); });
}

TEST_CASE("allocation: warm inference makes no call of the allocator") {
  Training t = training(nn::PReLU(), true);
  const NoGrad guard;
  check_warm([&] { t.model(t.x); });
}

TEST_CASE("allocation: warm steps on the loader's batches make no call of the allocator within an epoch") {
  Generator generator(1);
  Training t = training(nn::ELU(), true);
  constexpr std::int64_t samples = 32 * 40;
  Tensor labels = empty({samples}, DType::i64);
  for (std::int64_t i = 0; i < samples; ++i) {
    labels.mutable_data<std::int64_t>()[static_cast<std::size_t>(i)] = i % 10;
  }
  const auto dataset = std::make_shared<nn::data::TensorDataset>(randn({samples, 20}, generator), labels);
  const nn::data::Loader loader(dataset, {.batch_size = 32, .shuffle = true});
  nn::data::Epoch epoch = loader.epoch(0);
  auto batch = epoch.begin();
  check_warm([&] {
    t.x = batch->x;
    t.y = batch->y;
    ++batch;
    t.step();
  });
  CHECK(batch->index == 30);
}

TEST_CASE("allocation: warm steps of fit() make no call of the allocator within an epoch") {
  Generator generator(1);
  Training t = training(nn::ELU(), true);
  constexpr std::int64_t samples = 32 * 40;
  const auto dataset = std::make_shared<nn::data::TensorDataset>(randn({samples, 20}, generator),
                                                                 zeros({samples}, DType::i64));
  std::uint64_t first = 0, last = 0;
  const auto counting = std::make_shared<optim::callbacks::LambdaCallback>(
      optim::callbacks::LambdaCallbackOptions{.on_train_batch_end = [&](optim::Run& run) {
        const auto calls = allocator_calls.load() + memory::stats().system_allocations;
        (run.step == 10 ? first : last) = calls;
      }});
  optim::Trainer trainer(t.model, *t.optimizer, [](const Tensor& logits, const Tensor& labels) {
    return cross_entropy(logits, labels);
  });
  trainer.metrics({optim::accuracy(), optim::mean_metric("a name that is too long to be kept in place",
                                                         [](const Tensor& logits, const Tensor&) {
                                                           return logits.data<float>()[0];
                                                         })});
  trainer.fit(
      nn::data::Loader(dataset, {.batch_size = 32, .shuffle = true}),
      {.clip_grad_norm = 1, .callbacks = {std::make_shared<optim::callbacks::TerminateOnNaN>(), counting}});
  CHECK(first > 0);
  CHECK(last == first);
}

}  // namespace
