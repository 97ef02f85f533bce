// max and min over axes, and where they stand: argmax and argmin.
#pragma once

#include <rill/core/ops/groups.hpp>
#include <rill/core/sample.hpp>

namespace rill {
namespace ops {

Meta infer_extreme(std::string_view name, const Tensor& x, const Axes& axes);
Tensor gradient_of_extreme(const Axes& axes, const Incoming& g, const Tensor& x, const Tensor& y);
std::vector<std::pair<Axes, SampleInput>> extreme_samples();

template <class Op>
std::vector<Sample<Op>> samples_of_extreme() {
  std::vector<Sample<Op>> all;
  for (const auto& [axes, input] : extreme_samples()) all.push_back({Op{axes}, {input}});
  return all;
}

/// y = the largest x over the axes; NaN where there is one. The gradient is shared evenly among equal ones, as for
/// PyTorch's amax.
struct Max {
  static constexpr std::string_view name = "max";
  Axes axes;
  Meta infer(const Tensor& x) const { return infer_extreme(name, x, axes); }
  void forward(const Tensor& x, Tensor& y) const;
  Tensor gradient(const Incoming& g, Input<0> x, Output<0> y) const {
    return gradient_of_extreme(axes, g, x(), y());
  }
  static std::vector<Sample<Max>> samples() { return samples_of_extreme<Max>(); }
};

/// y = the smallest x over the axes, as Max.
struct Min {
  static constexpr std::string_view name = "min";
  Axes axes;
  Meta infer(const Tensor& x) const { return infer_extreme(name, x, axes); }
  void forward(const Tensor& x, Tensor& y) const;
  Tensor gradient(const Incoming& g, Input<0> x, Output<0> y) const {
    return gradient_of_extreme(axes, g, x(), y());
  }
  static std::vector<Sample<Min>> samples() { return samples_of_extreme<Min>(); }
};

/// y = the index i64 along one axis, or in all of x row by row, of the first largest element; NaN is the largest.
struct ArgMax {
  static constexpr std::string_view name = "argmax";
  Axes axes;
  Meta infer(const Tensor& x) const;
  void forward(const Tensor& x, Tensor& y) const;
  static std::vector<Sample<ArgMax>> samples();
};

/// y = the index of the first smallest element, as ArgMax; NaN is the smallest.
struct ArgMin {
  static constexpr std::string_view name = "argmin";
  Axes axes;
  Meta infer(const Tensor& x) const;
  void forward(const Tensor& x, Tensor& y) const;
  static std::vector<Sample<ArgMin>> samples();
};

}  // namespace ops

/// The largest element over `axes` (all of them if none are given); axes may be negative. NaN wins, and equal ones share
/// the gradient. Throws Error where a maximum would be of no elements.
Tensor max(const Tensor& x, const AxisList& axes = {}, bool keepdim = false);
/// The smallest element, as max().
Tensor min(const Tensor& x, const AxisList& axes = {}, bool keepdim = false);

/// The index i64 of the largest element: of the first one if several are equal; NaN counts as the largest. Without an axis,
/// the index in the elements of x row by row. Throws Error where it would be of no elements.
Tensor argmax(const Tensor& x);
Tensor argmax(const Tensor& x, int axis, bool keepdim = false);
/// The index of the smallest element, as argmax(); NaN counts as the smallest.
Tensor argmin(const Tensor& x);
Tensor argmin(const Tensor& x, int axis, bool keepdim = false);

}  // namespace rill
