// rill's own single-precision matrix product.
//
// Three kinds of product, chosen by the transposes and sizes alone: blocked (packed panels, tiles in registers), dots (one operand has few rows, both
// run along k), and lines (one row, or k = 1). Each sums over k in one order for given sizes, so the bits do not depend on the number of threads.
#pragma once

#include <cstdint>

#include <rill/core/isa.hpp>

namespace rill::kernels {

/// c[m, n] = op(a) op(b) (+ bias[n] on every row, + c when accumulate), as blas::gemm() takes it; m, n, k > 0.
struct Sgemm {
  bool transpose_a, transpose_b;
  std::int64_t m, n, k;
  const float *a, *b;
  float* c;
  const float* bias = nullptr;
  bool accumulate = false;
};

void sgemm(const Sgemm& product, Isa isa);

}  // namespace rill::kernels
