#include <cblas.h>
#include <cmath>
#include <omp.h>

#include <rill/tools/bench/gemm_step.hpp>

namespace rill::bench {
namespace {

constexpr int pthread_build = 1, openmp_build = 2;

CBLAS_TRANSPOSE flag(bool transposed) { return transposed ? CblasTrans : CblasNoTrans; }

}  // namespace

BlasThreads::BlasThreads(int n) {
  if (openblas_get_parallel() == openmp_build) {
    saved_ = omp_get_max_threads();
    omp_set_num_threads(n);
  } else if (openblas_get_parallel() == pthread_build) {
    saved_ = openblas_get_num_threads();
    openblas_set_num_threads(n);
  }
}

BlasThreads::~BlasThreads() {
  if (openblas_get_parallel() == openmp_build) {
    omp_set_num_threads(saved_);
  } else if (openblas_get_parallel() == pthread_build) {
    openblas_set_num_threads(saved_);
  }
}

void multiply(const Product& p, const float* a, const float* b, float* c) {
  const int m = static_cast<int>(p.m), n = static_cast<int>(p.n), k = static_cast<int>(p.k);
  cblas_sgemm(CblasRowMajor, flag(p.transpose_a), flag(p.transpose_b), m, n, k, 1.0f, a,
              p.transpose_a ? m : k, b, p.transpose_b ? k : n, 0.0f, c, n);
}

void multiply_vector(const Product& p, const float* a, const float* b, float* c) {
  const int n = static_cast<int>(p.n), k = static_cast<int>(p.k);
  if (p.transpose_a) {
    multiply(p, a, b, c);
  } else if (p.transpose_b) {
    cblas_sgemv(CblasRowMajor, CblasNoTrans, n, k, 1.0f, b, k, a, 1, 0.0f, c, 1);
  } else {
    cblas_sgemv(CblasRowMajor, CblasTrans, k, n, 1.0f, b, n, a, 1, 0.0f, c, 1);
  }
}

GemmStep::GemmStep(const Row& row) : by_vector_(row.by_vector()) {
  const std::size_t layers = row.sizes.size() - 1;
  std::vector<float*> weight(layers), input(layers + 1);
  input[0] = buffer(row.batch, row.sizes[0], 1);
  for (std::size_t i = 0; i < layers; ++i) {
    const std::int64_t in = row.sizes[i], out = row.sizes[i + 1];
    // So that numbers stay near 1 through any depth, as in a real step.
    weight[i] = buffer(out, in, 1 / std::sqrt(static_cast<double>(in)));
    input[i + 1] = buffer(row.batch, out, 1);
    const Product forward{"forward " + std::to_string(i), false, true, row.batch, out, in};
    calls_.push_back({forward, input[i], weight[i], input[i + 1]});
  }
  if (row.work == Work::training) add_gradients(row, weight, input);
}

void GemmStep::add_gradients(const Row& row, const std::vector<float*>& weight,
                             const std::vector<float*>& input) {
  float* gradient = buffer(row.batch, row.sizes.back(), 1);
  for (std::size_t i = weight.size(); i-- > 0;) {
    const std::int64_t in = row.sizes[i], out = row.sizes[i + 1];
    const Product to_weight{"weight " + std::to_string(i), true, false, out, in, row.batch};
    calls_.push_back({to_weight, gradient, input[i], buffer(out, in, 0)});
    if (i == 0) break;
    float* below = buffer(row.batch, in, 1);
    const Product to_input{"input " + std::to_string(i), false, false, row.batch, in, out};
    calls_.push_back({to_input, gradient, weight[i], below});
    gradient = below;
  }
}

double GemmStep::flops() const {
  double sum = 0;
  for (const Call& call : calls_) sum += call.product.flops();
  return sum;
}

std::vector<Product> GemmStep::products() const {
  std::vector<Product> all;
  for (const Call& call : calls_) all.push_back(call.product);
  return all;
}

float* GemmStep::buffer(std::int64_t rows, std::int64_t columns, double scale) {
  buffers_.push_back(randn({rows, columns}, generator_) * scale);
  return buffers_.back().mutable_data<float>().data();
}

}  // namespace rill::bench
