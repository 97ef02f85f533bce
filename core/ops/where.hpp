// where: a choice between two tensors, element by element.
#pragma once

#include <rill/core/graph.hpp>
#include <rill/core/sample.hpp>

namespace rill {
namespace ops {

/// y = a where the condition is not 0 (NaN is not), else b; the gradient goes where the value came from.
struct Where {
  static constexpr std::string_view name = "where";
  Meta infer(const Tensor& condition, const Tensor& a, const Tensor& b) const;
  void forward(const Tensor& condition, const Tensor& a, const Tensor& b, Tensor& y) const;
  std::array<Tensor, 3> gradient(const Incoming& g, Input<0> condition) const;
  static std::vector<Sample<Where>> samples();
};

}  // namespace ops

/// a where `condition` is not 0, else b. All three broadcast; a and b have one dtype, the condition may have any and gets
/// no gradient. Throws Error for shapes or dtypes that do not fit.
Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b);
Tensor where(const Tensor& condition, const Tensor& a, double b);
Tensor where(const Tensor& condition, double a, const Tensor& b);

}  // namespace rill
