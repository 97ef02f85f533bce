// Matrix products that skip zeros: for inputs such as scaled images, bags of words, one-hot rows and what a ReLU leaves.
//
// The operand with the zeros is compressed to lists of its non-zeros, once a call; each row of the result is then a sum
// over a list of rows of the other operand, held in registers. 0 · NaN is NaN: where the other operand is not finite,
// nothing is skipped, and the dense product has the word. -0 counts as zero. Which way is taken follows from the sizes
// and the numbers alone; so do the bits of the result, which are the same for any number of threads, and by AVX-512 those of AVX2:
// every element sums its list in rising order.
#pragma once

#include <cstdint>

#include <rill/core/isa.hpp>

namespace rill::blas {
struct Problem;
}

namespace rill::kernels {

/// c = op(a) op(b) (+ bias), as blas::gemm() has it, if that is worth while: false where it is not, and c then holds
/// anything. Never with `accumulate`.
bool multiply_sparse(const blas::Problem& problem, const float* a, const float* b, float* c,
                     const float* bias, bool accumulate, Isa use = isa());

/// Whether the sizes alone leave multiply_sparse() a chance.
bool may_multiply_sparse(const blas::Problem& problem);

}  // namespace rill::kernels
