// Whether skipping the zeros of a matrix is worth while: a rule of sizes and numbers alone.
#pragma once

#include <cstdint>

namespace rill::kernels {

/// A product whose one operand has zeros: `rows` lists of `depth` numbers times [depth, width].
struct SparseSizes {
  std::int64_t rows, width, depth;
  bool turned;  ///< the lists are the columns of the operand as it is stored
};

/// The share of non-zeros up to which skipping the others is faster than the dense product, by a model of both with
/// measured constants; 0 or less where it never is.
double density_limit(const SparseSizes& sizes);

/// While one lives, no zeros are skipped in this process: for measuring one thing at a time.
class [[nodiscard]] DenseProducts {
 public:
  DenseProducts() noexcept;
  ~DenseProducts();
  DenseProducts(const DenseProducts&) = delete;
  DenseProducts& operator=(const DenseProducts&) = delete;
};

/// Whether of a sample of 1024 elements, at fixed places of the [rows, columns] matrix `x`, at most the share `limit` are
/// no zeros. Gives up after 64 or 128 of a matrix that is far from it.
bool may_be_sparse(const float* x, std::int64_t rows, std::int64_t columns, double limit);

}  // namespace rill::kernels
