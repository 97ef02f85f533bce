// one_hot: class labels as rows of zeros with a one.
#pragma once

#include <rill/core/graph.hpp>
#include <rill/core/sample.hpp>

namespace rill {
namespace ops {

/// y[…, c] = 1 where labels[…] = c, else 0. Has no gradient: labels are i64.
struct OneHot {
  static constexpr std::string_view name = "one_hot";
  std::int64_t classes = 0;
  DType dtype = DType::f32;
  Meta infer(const Tensor& labels) const;
  void forward(const Tensor& labels, Tensor& y) const;
  static std::vector<Sample<OneHot>> samples();
};

}  // namespace ops

/// labels i64 of any shape as [..., classes]; -1 means one class more than the largest label. Throws Error for a label
/// below 0 or beyond the classes, where there are no labels to count the classes of, and for 2^40 elements or more.
Tensor one_hot(const Tensor& labels, std::int64_t classes = -1, DType dtype = DType::f32);

}  // namespace rill
