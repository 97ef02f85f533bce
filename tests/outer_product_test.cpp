// Gradients of weights from one sample, which are noted as a column and a row: they are what is computed otherwise, whoever
// reads them and when, and optimizers that take the factors do the same steps.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <thread>

#include <rill/core/bits.hpp>
#include <rill/core/outer_product.hpp>
#include <rill/rill.hpp>

#include "thread_count.hpp"
#include "values.hpp"

namespace {

using namespace rill;
using rill::detail::outer_product;
using rill::detail::same_bits;

constexpr std::int64_t in = 96, out = 64;

Tensor leaf(const Tensor& values) { return values.clone().requires_grad_(); }

struct OneSample {
  Tensor x, w, seed;
};

OneSample sample(std::uint64_t seed = 3) {
  Generator generator(seed);
  return {randn({1, in}, generator), leaf(randn({out, in}, generator)), randn({1, out}, generator)};
}

void backward(const OneSample& s) { linear(s.x, s.w, {}).backward(s.seed); }

// Outside of a walk nothing is noted.
Tensor expected(const OneSample& s) {
  const NoGrad no_grad;
  return matmul(s.seed, s.x, true, false);
}

// A fresh model, three steps of one sample each; with `reading` every gradient is read before it is used.
template <class Optimizer, class Options>
std::vector<Tensor> trained(const Options& options, bool reading) {
  Generator generator(7);
  nn::Sequential model{nn::Dense(in, out, generator), nn::ReLU(), nn::Dense(out, out, generator)};
  Optimizer optimizer(model, options);
  for (int step = 0; step < 3; ++step) {
    optimizer.zero_grad();
    cross_entropy(model(randn({1, in}, generator)), tensor({step}, DType::i64)).backward();
    for (Tensor parameter : model.parameters()) {
      if (parameter.dim() < 2) continue;
      CHECK(outer_product(parameter.grad()) != nullptr);
      if (reading) parameter.set_grad(parameter.grad().clone());
    }
    optimizer.step();
  }
  std::vector<Tensor> result = model.parameters();
  for (const Tensor& parameter : model.parameters())
    for (const auto& state : optimizer.state(parameter).tensors) result.push_back(state.value);
  return result;
}

template <class Optimizer, class Options>
void same_steps(const Options& options) {
  const std::vector<Tensor> a = trained<Optimizer>(options, false), b = trained<Optimizer>(options, true);
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) CHECK(same_bits(a[i], b[i]));
}

}  // namespace

TEST_CASE("outer product: a weight's gradient from one sample is noted, and is what matmul computes") {
  const OneSample s = sample();
  backward(s);
  const auto* product = outer_product(s.w.grad());
  REQUIRE(product != nullptr);
  CHECK(product->rows == out);
  CHECK(product->columns == in);
  CHECK_FALSE(product->computed);
  CHECK(same_bits(s.w.grad(), expected(s)));
  CHECK(product->computed);
  CHECK(outer_product(expected(s)) == nullptr);
}

TEST_CASE("outer product: what was overwritten since does not change it") {
  const OneSample s = sample();
  const Tensor y = expected(s);
  backward(s);
  Tensor x = s.x, seed = s.seed;
  std::ranges::fill(x.mutable_data<float>(), 5.0f);
  std::ranges::fill(seed.mutable_data<float>(), 6.0f);
  CHECK(same_bits(s.w.grad(), y));
}

TEST_CASE("outer product: gradients that are written to have no factors any more") {
  const OneSample s = sample();
  const Tensor y = expected(s);
  backward(s);
  Tensor grad = s.w.grad();
  grad.set({2, 3}, 0.5);
  CHECK(outer_product(grad) == nullptr);
  CHECK(grad.at({2, 3}) == 0.5);
  CHECK(grad.at({5, 7}) == y.at({5, 7}));

  const OneSample again = sample();
  backward(again);
  backward(again);  // added to the first one, in place
  CHECK(outer_product(again.w.grad()) == nullptr);
  CHECK(same_bits(again.w.grad(), y + y));
}

TEST_CASE("outer product: views, copies and hooks see the elements") {
  const OneSample s = sample();
  const Tensor y = expected(s);
  backward(s);
  const Tensor row = s.w.grad()[4], flat = s.w.grad().reshape({out * in});
  CHECK(outer_product(row) == nullptr);
  CHECK(same_bits(row, y[4]));
  CHECK(same_bits(flat, y.reshape({out * in})));

  const OneSample other = sample();
  backward(other);
  CHECK(same_bits(other.w.grad().clone(), y));

  OneSample hooked = sample();
  double seen = 0;
  hooked.w.register_hook([&](const Tensor& grad) {
    seen = grad.at({1, 1});
    return grad * 2.0;
  });
  backward(hooked);
  CHECK(seen == y.at({1, 1}));
  CHECK(same_bits(hooked.w.grad(), y * 2.0));
}

TEST_CASE("outer product: a weight that is used twice gets the sum") {
  const OneSample s = sample();
  (linear(s.x, s.w, {}) * s.seed + linear(s.x * 2.0, s.w, {}) * s.seed).sum().backward();
  CHECK(same_bits(s.w.grad(), expected(s) + expected(s) * 2.0));
}

TEST_CASE("outer product: with a graph of the gradient, in f64, and for small ones nothing is noted") {
  const OneSample s = sample();
  linear(s.x, s.w, {}).backward(s.seed, {.create_graph = true});
  CHECK(outer_product(s.w.grad()) == nullptr);
  Tensor(s.w).set_grad({});
  const Tensor w = leaf(s.w.to(DType::f64).detach());
  linear(s.x.to(DType::f64), w, {}).backward(s.seed.to(DType::f64));
  CHECK(outer_product(w.grad()) == nullptr);
  Generator generator(3);
  const Tensor small = leaf(randn({8, in}, generator));
  linear(s.x, small, {}).sum().backward();
  CHECK(outer_product(small.grad()) == nullptr);
}

TEST_CASE("outer product: of gradients of inputs, and of weights with short rows, nothing is noted") {
  Generator generator(3);
  const Tensor x = leaf(randn({128, 64}, generator)), one_output = leaf(randn({1, 64}, generator));
  linear(x, one_output, {}).sum().backward();
  CHECK(outer_product(x.grad()) == nullptr);
  const Tensor narrow = leaf(randn({2048, 4}, generator));
  linear(randn({1, 4}, generator), narrow, {}).sum().backward();
  CHECK(outer_product(narrow.grad()) == nullptr);
}

TEST_CASE("outer product: a large one of mostly zeros is the same, and is clipped") {
  Generator generator(3);
  Tensor seed = zeros({1, 512});
  seed.set({0, 7}, 2);
  seed.set({0, 300}, -1);
  const OneSample s{randn({1, 600}, generator), leaf(randn({512, 600}, generator)), seed};
  const Tensor y = expected(s);
  backward(s);
  REQUIRE(outer_product(s.w.grad()) != nullptr);
  const double norm = optim::clip_grad_norm_({s.w}, 0.5);
  CHECK(norm == doctest::Approx(y.square().sum().sqrt().item()).epsilon(1e-5));
  CHECK(s.w.grad().square().sum().sqrt().item() == doctest::Approx(0.5).epsilon(1e-5));
  CHECK(outer_product(s.w.grad()) == nullptr);
  CHECK(s.w.grad().at({300, 5}) == doctest::Approx(y.at({300, 5}) * 0.5 / norm).epsilon(1e-5));
}

TEST_CASE("threads: readers of an outer product that nobody has read yet find the same") {
  for (int i = 0; i < 20; ++i) {
    const OneSample s = sample();
    backward(s);
    const Tensor grad = s.w.grad();
    bool first = false, second = false;
    const Tensor y = expected(s);
    std::thread a([&] { first = same_bits(grad, y); });
    std::thread b([&] { second = same_bits(grad, y); });
    a.join();
    b.join();
    CHECK(first);
    CHECK(second);
  }
}

TEST_CASE("outer product: every optimizer's steps are those of gradients that were read") {
  using namespace optim;
  for (const int threads : {1, 2}) {
    const test::ThreadCount count(threads);
    same_steps<SGD>(SGDOptions{.lr = 0.1});
    same_steps<SGD>(SGDOptions{.lr = 0.1, .weight_decay = 0.01});
    same_steps<SGD>(SGDOptions{.lr = 0.1, .momentum = 0.9, .nesterov = true});
    same_steps<SGD>(SGDOptions{.lr = 0.1, .momentum = 0.9, .weight_decay = 0.01});
    same_steps<Adam>(AdamOptions{.lr = 0.01});
    same_steps<Adam>(AdamOptions{.lr = 0.01, .weight_decay = 0.01, .amsgrad = true});
    same_steps<Adam>(AdamOptions{.lr = 0.01, .amsgrad = true});
    same_steps<AdamW>(AdamWOptions{.lr = 0.01});
    same_steps<RMSprop>(RMSpropOptions{.lr = 0.01});
    same_steps<RMSprop>(RMSpropOptions{.lr = 0.01, .momentum = 0.9, .centered = true});
    same_steps<Adagrad>(AdagradOptions{.lr = 0.01});
    same_steps<Adagrad>(AdagradOptions{.lr = 0.01, .weight_decay = 0.01});
    same_steps<Adagrad>(AdagradOptions{.lr = 0.01, .initial_accumulator_value = 0.1, .eps = 0});
  }
}

TEST_CASE("outer product: a plain SGD step does not compute it, and leaves the rows of units that were off") {
  OneSample s = sample();
  s.seed.set({0, 5}, 0);
  s.x.set({0, 3}, -1);
  s.w.mutable_data<float>()[5 * in + 3] = -0.0f;  // which -0 - 0.5 · (0 · -1) would make +0
  const Tensor before = s.w.clone().detach();
  backward(s);
  optim::SGD sgd({s.w}, {.lr = 0.5});
  sgd.step();
  CHECK_FALSE(outer_product(s.w.grad())->computed);
  CHECK(same_bits(s.w.detach()[5], before[5]));
  CHECK(std::signbit(s.w.data<float>()[5 * in + 3]));
  CHECK_FALSE(std::signbit((before - expected(s) * 0.5).to_vector<float>()[5 * in + 3]));
  s.w.mutable_data<float>()[5 * in + 3] = 0.0f;
  CHECK(same_bits(s.w.detach(), before - expected(s) * 0.5));
}

TEST_CASE("outer product: an infinite weight stays what it is where nothing decays") {
  const auto stepped = [](auto make) {
    const OneSample s = sample();
    Tensor(s.w).mutable_data<float>()[40] = INFINITY;
    backward(s);
    auto optimizer = make(s.w);
    optimizer.step();
    return s.w.data<float>()[40];
  };
  using namespace optim;
  CHECK(stepped([](const Tensor& w) { return SGD({w}, {.lr = 0.1}); }) == INFINITY);
  CHECK(stepped([](const Tensor& w) { return SGD({w}, {.lr = 0.1, .momentum = 0.9}); }) == INFINITY);
  CHECK(stepped([](const Tensor& w) { return Adam({w}, {.lr = 0.1}); }) == INFINITY);
  CHECK(stepped([](const Tensor& w) { return RMSprop({w}, {.lr = 0.1}); }) == INFINITY);
  CHECK(stepped([](const Tensor& w) { return Adagrad({w}, {.lr = 0.1}); }) == INFINITY);
}

TEST_CASE("outer product: what is not finite reaches every weight that it should") {
  for (const float bad : {std::numeric_limits<float>::infinity(), std::nanf("")}) {
    OneSample s = sample();
    s.x.set({0, 9}, 1);
    s.x.mutable_data<float>()[9] = bad;
    s.seed.set({0, 5}, 0);  // 0 · inf
    backward(s);
    optim::SGD sgd({s.w}, {.lr = 0.5});
    sgd.step();
    CHECK(std::isnan(s.w.at({5, 9})));
    CHECK_FALSE(std::isfinite(s.w.at({6, 9})));
    CHECK(std::isfinite(s.w.at({5, 8})));
  }
}
