#include <benchmark/benchmark.h>
#include <functional>
#include <string>
#include <vector>

#include <rill/core/blas.hpp>
#include <rill/core/kernels/sparse_product.hpp>
#include <rill/core/parallel.hpp>
#include <rill/rill.hpp>
#include <rill/tools/bench/gemm_step.hpp>
#include <rill/tools/bench/sparse_bench.hpp>

namespace rill::bench {
namespace {

struct Layer {
  std::int64_t in, out, batch;
};
constexpr Layer layers[] = {
    {784, 128, 32}, {784, 128, 128}, {784, 512, 128}, {784, 2048, 256}, {784, 64, 64}};

using MakeInput = std::function<Tensor(std::int64_t batch, std::int64_t features)>;

void run(benchmark::State& state, const Product& p, const Tensor& a, const Tensor& b, bool plain) {
  Tensor c = empty({p.m, p.n});
  const float *in_a = a.data<float>().data(), *in_b = b.data<float>().data();
  float* out = c.mutable_data<float>().data();
  const BlasThreads pinned(num_threads());
  for ([[maybe_unused]] auto _ : state) {
    if (plain) {
      multiply(p, in_a, in_b, out);
    } else {
      blas::gemm<float>(p.transpose_a, p.transpose_b, p.m, p.n, p.k, in_a, in_b, out);
    }
  }
}

void add(const std::string& data, const Layer& layer, const MakeInput& input) {
  const std::string name = "sparse/" + data + "/" + std::to_string(layer.in) + "-" +
                           std::to_string(layer.out) + "-b" + std::to_string(layer.batch);
  for (const bool plain : {true, false}) {
    const std::string who = plain ? "/openblas" : "/rill";
    benchmark::RegisterBenchmark((name + "/forward" + who).c_str(), [=](benchmark::State& state) {
      Generator generator(1);
      run(state, {"", false, true, layer.batch, layer.out, layer.in}, input(layer.batch, layer.in),
          randn({layer.out, layer.in}, generator), plain);
    })->UseRealTime();
    benchmark::RegisterBenchmark((name + "/weight" + who).c_str(), [=](benchmark::State& state) {
      Generator generator(1);
      run(state, {"", true, false, layer.out, layer.in, layer.batch},
          randn({layer.batch, layer.out}, generator), input(layer.batch, layer.in), plain);
    })->UseRealTime();
  }
}

Tensor mostly_zeros(std::int64_t batch, std::int64_t features) {
  constexpr double share = 0.01;
  Tensor x = zeros({batch, features});
  Stream stream = Generator(1).stream(Purpose::user);
  for (float& value : x.mutable_data<float>()) value = stream.uniform(0, 1) < share ? 1.0f : 0.0f;
  return x;
}

void ask_dense(benchmark::State& state) {
  Generator generator(1);
  const Tensor x = randn({32, 784}, generator), w = randn({128, 784}, generator);
  Tensor y = empty({32, 128});
  for ([[maybe_unused]] auto _ : state) {
    const bool taken =
        kernels::multiply_sparse({false, true, 32, 128, 784}, x.data<float>().data(), w.data<float>().data(),
                                 y.mutable_data<float>().data(), nullptr, false);
    RILL_CHECK(!taken, "bench: normal numbers were taken for sparse ones, expected the dense product");
  }
}

}  // namespace

void add_sparse_products() {
  if (const std::string folder = nn::data::find_mnist(); !folder.empty() && nn::data::has_mnist(folder)) {
    for (const Layer& layer : layers) {
      add("mnist", layer, [folder](std::int64_t batch, std::int64_t) {
        const nn::data::Loader loader(nn::data::load_mnist(folder, true),
                                      {.batch_size = batch, .shuffle = true, .seed = 1});
        auto epoch = loader.epoch(0);
        return nn::Flatten()((*epoch.begin()).x);
      });
    }
  }
  for (const Layer& layer : layers) add("one_hot", layer, mostly_zeros);
  benchmark::RegisterBenchmark("sparse/ask_dense", ask_dense);
}

}  // namespace rill::bench
