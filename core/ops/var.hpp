// var: the variance over axes.
#pragma once

#include <rill/core/ops/groups.hpp>
#include <rill/core/sample.hpp>

namespace rill {
namespace ops {

/// y = Σ (x - mean x)² / max(n - correction, 0) over the axes, of n elements each; in two passes, in f64.
struct Var {
  static constexpr std::string_view name = "var";
  Axes axes;
  double correction = 1;
  Meta infer(const Tensor& x) const;
  void forward(const Tensor& x, Tensor& y) const;
  Tensor gradient(const Incoming& g, Input<0> x) const;
  static std::vector<Sample<Var>> samples();
};

}  // namespace ops

/// The variance over `axes` (all of them if none are given), with the divisor n - correction: unbiased for 1, PyTorch's
/// default. A divisor below 0 counts as 0; where it is 0, the variance is NaN of equal elements, else inf, as in PyTorch.
/// Throws Error for i64.
Tensor var(const Tensor& x, const AxisList& axes = {}, bool keepdim = false, double correction = 1);

}  // namespace rill
