#include <array>
#include <benchmark/benchmark.h>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include <rill/core/blas.hpp>
#include <rill/core/parallel.hpp>
#include <rill/rill.hpp>
#include <rill/tools/bench/gemm_step.hpp>
#include <rill/tools/bench/op_bench.hpp>
#include <rill/tools/bench/sparse_bench.hpp>

namespace rill::bench {
namespace {

using benchmark::State;

template <class Body>
void add(const std::string& name, Body&& body) {
  benchmark::RegisterBenchmark(name.c_str(), std::forward<Body>(body))->UseRealTime();
}

// --- every op on a handful of elements: bookkeeping ------------------------------------------------------------------

// Ops on any number of inputs.
template <class Op>
constexpr bool variadic = requires(const Op& op, std::span<const Tensor> inputs) {
  op.infer(inputs);
};

template <class Op>
Tensor apply_to(const Op& op, const std::vector<Tensor>& inputs) {
  if constexpr (variadic<Op>) {
    return apply_list(op, inputs);
  } else {
    return [&]<class Result, class... Inputs>(Result (Op::*)(const Inputs&...) const) {
      return [&]<std::size_t... I>(std::index_sequence<I...>) {
        auto results = apply(op, inputs[I]...);
        if constexpr (std::is_same_v<decltype(results), Tensor>) {
          return results;
        } else {
          return std::move(results[0]);
        }
      }
      (std::index_sequence_for<Inputs...>());
    }(&Op::infer);
  }
}

Tensor draw(const SampleInput& input, Generator& generator) {
  switch (input.kind) {
    case SampleInput::Kind::absent:
      return {};
    case SampleInput::Kind::labels:
      return zeros(input.shape, DType::i64);
    case SampleInput::Kind::positive:
      return (rand(input.shape, generator) + 0.5).detach().requires_grad_();
    case SampleInput::Kind::real:
      break;
  }
  return randn(input.shape, generator).requires_grad_();
}

template <class Op>
void run_op(State& state, const Sample<Op>& sample, bool with_gradient) {
  Generator generator(1);
  std::vector<Tensor> inputs;
  for (const SampleInput& input : sample.inputs) inputs.push_back(draw(input, generator));
  const GradMode recording(with_gradient);
  const Tensor first = apply_to(sample.op, inputs);
  const Tensor g = ones(first.shape(), first.dtype());
  for ([[maybe_unused]] auto _ : state) {
    const Tensor y = apply_to(sample.op, inputs);
    if (!with_gradient) continue;
    y.backward(g);
    for (Tensor& input : inputs) {
      if (input.defined() && input.requires_grad()) input.zero_grad();
    }
  }
}

template <class Op>
void add_op() {
  const Sample<Op> sample = Op::samples().front();
  const std::string name = "op/" + std::string(Op::name);
  add(name + "/forward", [=](State& state) { run_op(state, sample, false); });
  add(name + "/forward_backward", [=](State& state) { run_op(state, sample, true); });
}

template <class... Ops>
void add_all_ops(std::type_identity<std::tuple<Ops...>>) {
  (add_op<Ops>(), ...);
}

// --- activations over 1024² floats: bandwidth ------------------------------------------------------------------------

constexpr std::int64_t side = 1024;

template <class Activation>
void run_activation(State& state, Activation activation, bool with_gradient) {
  Generator generator(1);
  Tensor x = randn({side, side}, generator).requires_grad_();
  const Tensor g = randn({side, side}, generator);
  const GradMode recording(with_gradient);
  for ([[maybe_unused]] auto _ : state) {
    const Tensor y = activation(x);
    if (!with_gradient) continue;
    y.backward(g);
    x.zero_grad();
  }
  // x and y; for the gradient dy, dx, and x or y again.
  const std::int64_t passes = with_gradient ? 5 : 2;
  state.SetBytesProcessed(state.iterations() * passes * side * side *
                          static_cast<std::int64_t>(sizeof(float)));
}

template <class Activation>
void add_activation(const std::string& name, Activation activation) {
  add("activation/" + name + "/forward", [=](State& state) { run_activation(state, activation, false); });
  add("activation/" + name + "/forward_backward",
      [=](State& state) { run_activation(state, activation, true); });
}

void add_activations() {
  add_activation("relu", [](const Tensor& x) { return x.relu(); });
  add_activation("leaky_relu", [](const Tensor& x) { return x.leaky_relu(); });
  add_activation("elu", [](const Tensor& x) { return x.elu(); });
  const Tensor slope = full({1}, 0.25).requires_grad_();
  add_activation("prelu", [slope](const Tensor& x) {
    const Tensor y = x.prelu(slope);
    return y;
  });
}

// --- matrix products: rill's tiles beside one call of OpenBLAS ------------------------------------------------------

void run_product(State& state, const Product& p, bool plain) {
  Generator generator(1);
  const Tensor a = randn({p.m, p.k}, generator), b = randn({p.k, p.n}, generator);
  Tensor c = empty({p.m, p.n});
  const float *in_a = a.data<float>().data(), *in_b = b.data<float>().data();
  float* out = c.mutable_data<float>().data();
  if (plain) {
    const BlasThreads pinned(num_threads());
    for ([[maybe_unused]] auto _ : state) multiply(p, in_a, in_b, out);
  } else {
    for ([[maybe_unused]] auto _ : state) {
      blas::gemm<float>(p.transpose_a, p.transpose_b, p.m, p.n, p.k, in_a, in_b, out);
    }
  }
  state.counters["FLOP/s"] = benchmark::Counter(p.flops(), benchmark::Counter::kIsIterationInvariantRate,
                                                benchmark::Counter::kIs1000);
}

void add_products() {
  for (const char* row : {"A", "C"}) {
    for (const Product& product : GemmStep(rows_named(row).front()).products()) {
      const std::string name = std::string("gemm/") + row + "/" + product.name;
      add(name + "/openblas", [=](State& state) { run_product(state, product, true); });
      add(name + "/rill", [=](State& state) { run_product(state, product, false); });
    }
  }
}

// --- optimizers on the 670 thousand parameters of row C -------------------------------------------------------------

template <class Optimizer, class Options>
void run_optimizer(State& state, const Options& options) {
  Generator generator(1);
  std::vector<Tensor> params;
  std::int64_t count = 0;
  for (const Shape& shape :
       {Shape{512, 784}, Shape{512}, Shape{512, 512}, Shape{512}, Shape{10, 512}, Shape{10}}) {
    params.push_back(randn(shape, generator).requires_grad_());
    params.back().set_grad(randn(shape, generator));
    count += shape.numel();
  }
  Optimizer optimizer(params, options);
  for ([[maybe_unused]] auto _ : state) optimizer.step();
  state.SetItemsProcessed(state.iterations() * count);
}

void add_optimizers() {
  add("optimizer/sgd", [](State& state) { run_optimizer<optim::SGD>(state, optim::SGDOptions{.lr = 1e-6}); });
  add("optimizer/sgd_momentum",
      [](State& state) { run_optimizer<optim::SGD>(state, optim::SGDOptions{.lr = 1e-6, .momentum = 0.9}); });
  add("optimizer/adam", [](State& state) { run_optimizer<optim::Adam>(state, optim::AdamOptions{}); });
}

}  // namespace

int bench_ops(const std::string& filter, int threads, bool quick) {
  set_num_threads(threads);
  add_all_ops(std::type_identity<ops::OpList>());
  add_activations();
  add_products();
  add_sparse_products();
  add_optimizers();
  // Google Benchmark takes its settings as a command line of its own.
  std::string program = "rill_bench", chosen = "--benchmark_filter=" + (filter.empty() ? "." : filter);
  std::string least = quick ? "--benchmark_min_time=0.001" : "--benchmark_min_time=0.2";
  std::array<char*, 4> arguments{program.data(), chosen.data(), least.data(), nullptr};
  int count = 3;
  benchmark::Initialize(&count, arguments.data());
  const auto run = benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return static_cast<int>(run);
}

}  // namespace rill::bench
