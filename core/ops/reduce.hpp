// sum and mean over axes.
#pragma once

#include <rill/core/ops/groups.hpp>
#include <rill/core/sample.hpp>

namespace rill {
namespace ops {

/// y = Σ x over the axes; sums are made in f64, in an order that follows from the shape alone. Of no elements: 0.
struct Sum {
  static constexpr std::string_view name = "sum";
  Axes axes;
  Meta infer(const Tensor& x) const;
  void forward(const Tensor& x, Tensor& y) const;
  Tensor gradient(const Incoming& g) const;
  static std::vector<Sample<Sum>> samples();
};

/// y = Σ x / count over the axes. Of no elements: NaN, as in PyTorch.
struct Mean {
  static constexpr std::string_view name = "mean";
  Axes axes;
  Meta infer(const Tensor& x) const;
  void forward(const Tensor& x, Tensor& y) const;
  Tensor gradient(const Incoming& g) const;
  static std::vector<Sample<Mean>> samples();
};

}  // namespace ops

/// Σ x over `axes` (all of them if none are given); axes may be negative.
Tensor sum(const Tensor& x, const AxisList& axes = {}, bool keepdim = false);
/// The mean of x over `axes` (all of them if none are given); axes may be negative.
Tensor mean(const Tensor& x, const AxisList& axes = {}, bool keepdim = false);

}  // namespace rill
