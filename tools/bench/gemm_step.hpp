// The bound that a training step is compared with: only its matrix products, by plain OpenBLAS.
//
// Nothing here runs rill's kernels: the products are called as a hand-written program would call them, on buffers
// that were made before. One thread at a time.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <rill/core/create.hpp>
#include <rill/tools/bench/rows.hpp>

namespace rill::bench {

/// Lets OpenBLAS use `n` threads while it lives, then puts back what was set: the process-wide count of the pthread
/// build, or the calling thread's OpenMP setting, which the OpenMP build reads. One at a time.
class BlasThreads {
 public:
  explicit BlasThreads(int n);
  ~BlasThreads();
  BlasThreads(const BlasThreads&) = delete;
  BlasThreads& operator=(const BlasThreads&) = delete;

 private:
  int saved_ = 0;
};

/// c[m, n] = op(a) op(b), where op transposes if the flag is set; the inner size is k. Row-major.
struct Product {
  std::string name;  ///< what the product is in its row: "layer 0 forward"
  bool transpose_a, transpose_b;
  std::int64_t m, n, k;

  double flops() const {
    return 2 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
  }
};

/// One call of cblas_sgemm.
void multiply(const Product& product, const float* a, const float* b, float* c);

/// The same for a batch of one sample: cblas_sgemv where one side is a vector. The gradient of a weight stays with sgemm,
/// whose inner size is 1 then.
void multiply_vector(const Product& product, const float* a, const float* b, float* c);

/// The products that one step of a row needs: forward and, in a training, the gradients of the weights and of the
/// inputs of all layers but the first.
class GemmStep {
 public:
  explicit GemmStep(const Row& row);
  void run() {
    const auto call_of = by_vector_ ? multiply_vector : multiply;
    for (const Call& call : calls_) call_of(call.product, call.a, call.b, call.c);
  }
  double flops() const;
  std::vector<Product> products() const;

 private:
  struct Call {
    Product product;
    const float *a, *b;
    float* c;
  };
  void add_gradients(const Row& row, const std::vector<float*>& weight, const std::vector<float*>& input);
  float* buffer(std::int64_t rows, std::int64_t columns, double scale);

  bool by_vector_;
  Generator generator_{1};
  std::vector<Tensor> buffers_;
  std::vector<Call> calls_;
};

}  // namespace rill::bench
