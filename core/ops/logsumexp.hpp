// logsumexp over axes.
#pragma once

#include <rill/core/ops/groups.hpp>
#include <rill/core/sample.hpp>

namespace rill {
namespace ops {

/// y = m + log Σ exp(x - m) over the axes, where m is the maximum, or 0 where that is infinite. Of no elements, and where
/// all are -inf: -inf.
struct LogSumExp {
  static constexpr std::string_view name = "logsumexp";
  Axes axes;
  Meta infer(const Tensor& x) const;
  void forward(const Tensor& x, Tensor& y) const;
  Tensor gradient(const Incoming& g, Input<0> x, Output<0> y) const;
  static std::vector<Sample<LogSumExp>> samples();
};

/// p = exp(a - b), 0 where a is -inf; the shape is a's, to which b broadcasts: a softmax from its logsumexp.
struct ExpOfDifference {
  static constexpr std::string_view name = "logsumexp_backward";
  Meta infer(const Tensor& a, const Tensor&) const { return {a.shape(), a.dtype()}; }
  void forward(const Tensor& a, const Tensor& b, Tensor& p) const;
  std::array<Tensor, 2> gradient(const Incoming& g, Output<0> p) const;
};

}  // namespace ops

/// log Σ exp x over `axes` (all of them if none are given), without overflow; axes may be negative. The gradient at -inf
/// is 0. Throws Error for i64.
Tensor logsumexp(const Tensor& x, const AxisList& axes = {}, bool keepdim = false);

}  // namespace rill
