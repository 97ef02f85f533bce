// Elements of two tensors: copied from one to the other, and compared bit by bit.
#pragma once

#include <rill/core/tensor.hpp>

namespace rill::detail {

/// Overwrites the elements of `to` with those of `from`, which has its shape and dtype.
void copy_values(const Tensor& from, Tensor& to);

/// Both undefined, or of one shape and dtype and the same bits.
bool same_bits(const Tensor& a, const Tensor& b);

}  // namespace rill::detail
