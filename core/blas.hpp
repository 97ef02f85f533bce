// Matrix products, bitwise the same for any number of threads: single precision by rill's own kernels
// (core/kernels/sgemm.hpp) where the machine has AVX2 with FMA, everything else by OpenBLAS. With RILL_ISA=naive
// all of them are plain loops: each element is the sum of its terms in rising order of k, in f64, rounded once.
//
// A product for OpenBLAS is cut into tiles by a grid that follows from (m, n, k) alone; OpenBLAS computes each tile on
// one thread, and tiles run in parallel. OpenBLAS is kept serial only while a product runs; what the host program has
// set is put back. Both builds of OpenBLAS, pthread and OpenMP, are supported.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace rill::blas {

/// c[m, n] = op(a) op(b) (+ bias[n] on every row, + c when accumulate), row-major and contiguous.
/// op(a) is [m, k]: a is stored [k, m] if transpose_a; op(b) is [k, n]: b is stored [n, k] if transpose_b.
/// c must not overlap a or b. Any size may be 0; k = 0 gives zeros (plus bias). Throws what check_sizes throws.
template <class T>
void gemm(bool transpose_a, bool transpose_b, std::int64_t m, std::int64_t n, std::int64_t k, const T* a,
          const T* b, T* c, const T* bias = nullptr, bool accumulate = false);

extern template void gemm<float>(bool, bool, std::int64_t, std::int64_t, std::int64_t, const float*,
                                 const float*, float*, const float*, bool);
extern template void gemm<double>(bool, bool, std::int64_t, std::int64_t, std::int64_t, const double*,
                                  const double*, double*, const double*, bool);

/// op(a) [m, k] times op(b) [k, n], as gemm() takes them.
struct Problem {
  bool transpose_a = false, transpose_b = false;
  std::int64_t m = 0, n = 0, k = 0;
};

template <class T>
struct Operands {
  const T* a;
  const T* b;
  T* c;
};

/// c = op(a) op(b) for any number of products of one size, with the bits of as many calls of gemm(). No c may overlap
/// another or an operand.
template <class T>
void gemm_stack(const Problem& problem, std::span<const Operands<T>> products);

extern template void gemm_stack<float>(const Problem&, std::span<const Operands<float>>);
extern template void gemm_stack<double>(const Problem&, std::span<const Operands<double>>);

/// Throws Error naming `where` unless OpenBLAS can take the sizes, at most 2^31 - 1 each.
void check_sizes(std::string_view where, std::int64_t m, std::int64_t n, std::int64_t k);

/// The grid of OpenBLAS for an [m, n] product over k: `rows` by `columns` tiles of at most tile_rows by tile_columns.
struct Grid {
  std::int64_t rows, columns, tile_rows, tile_columns;
};
Grid grid_for(std::int64_t m, std::int64_t n, std::int64_t k);

/// OpenBLAS's own description of itself (version, build, kernel), for `rill info` and bug reports.
const char* description();

/// What makes OpenBLAS faster here, for people; empty where it knows this processor. A version older than a processor runs its
/// kernels for Prescott there, a quarter to half as fast: rill's f64 products, f32 ones without AVX2, and the bounds that
/// benchmarks compare with.
std::string advice();

}  // namespace rill::blas
