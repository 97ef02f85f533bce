// Products of a column and a row that are noted, not computed: the gradient of a weight from a single sample.
//
// m + n numbers stand for m · n. Inside of a backward walk without create_graph, matmul notes such a product in the block of
// its result. Whoever reads the elements finds them computed, once, as if they had been there; optimizers take the factors
// instead, so that a step on one sample reads and writes the weights and never a gradient. The numbers are the same, but that a
// weight of -0 may stay so where a gradient of 0 would make it +0. Several threads may read at the same time, as they may any tensor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>

#include <rill/core/memory.hpp>

namespace rill {

class Tensor;

namespace detail {

/// Copies of the factors, which lie behind it. It belongs to a block, and goes with it.
struct OuterProduct {
  std::int64_t rows, columns;
  std::atomic<bool> computed{false}, overwritten{false};
  std::mutex mutex{};  ///< of who computes it

  const float* column() const { return reinterpret_cast<const float*>(this + 1); }
  const float* row() const { return column() + rows; }
};

/// Results with fewer elements, or with shorter rows, which optimizers take one by one, are not worth a note.
inline constexpr std::int64_t least_noted = 4096, least_noted_columns = 64;

/// Notes column · row in the block of `y`, which is f32 [rows, columns], fresh, and has not been written to.
void note_outer_product(Tensor& y, const float* column, const float* row);

/// The factors of the elements of `x`; null where they are not known.
const OuterProduct* outer_product(const Tensor& x);

}  // namespace detail
}  // namespace rill
