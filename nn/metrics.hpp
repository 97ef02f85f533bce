// What a trained model is judged by.
#pragma once

#include <rill/core/tensor.hpp>

namespace rill::nn {

/// The number of rows of logits [n, classes] whose largest element stands at the row's label i64 [n]. A row with a
/// NaN counts as wrong. Throws Error for shapes or dtypes that do not fit.
std::int64_t count_correct(const Tensor& logits, const Tensor& labels);

}  // namespace rill::nn
