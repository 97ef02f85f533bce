// topk: the k largest or smallest elements along an axis, in order.
#pragma once

#include <rill/core/graph.hpp>
#include <rill/core/sample.hpp>

namespace rill {
namespace ops {

/// values, indices = the first k elements along the axis in falling (rising) order; equal ones by rising index, NaN as the
/// largest.
struct TopK {
  static constexpr std::string_view name = "topk";
  static constexpr int outputs = 2;
  int axis = 0;
  std::int64_t k = 1;
  bool largest = true;
  std::array<Meta, 2> infer(const Tensor& x) const;
  void forward(const Tensor& x, Tensor& values, Tensor& indices) const;
  Tensor gradient(const Incoming& g, Output<1> indices) const;
  static std::vector<Sample<TopK>> samples();
};

/// dx = g at the indices along the axis, 0 elsewhere.
struct TopKBackward {
  static constexpr std::string_view name = "topk_backward";
  int axis;
  Shape shape;
  Meta infer(const Tensor& g, const Tensor&) const { return {shape, g.dtype()}; }
  void forward(const Tensor& g, const Tensor& indices, Tensor& dx) const;
  std::array<Tensor, 2> gradient(const Incoming& v, Input<1> indices) const;
};

/// The adjoint of TopKBackward: y = v at the indices along the axis.
struct TopKBackwardBackward {
  static constexpr std::string_view name = "topk_backward_backward";
  int axis;
  Meta infer(const Tensor& v, const Tensor& indices) const { return {indices.shape(), v.dtype()}; }
  void forward(const Tensor& v, const Tensor& indices, Tensor& y) const;
  std::array<Tensor, 2> gradient(const Incoming& u, Input<1> indices) const;
};

}  // namespace ops

struct TopK {
  Tensor values;   ///< as x, with k elements along the axis; differentiable
  Tensor indices;  ///< i64, of the same shape: where along the axis they stood
};

/// The k largest (or smallest) elements of x along `axis`, the largest (smallest) first. Equal ones come in the order of
/// their indices; NaN counts as the largest. Throws Error unless 0 <= k <= x.size(axis).
TopK topk(const Tensor& x, std::int64_t k, int axis = -1, bool largest = true);

}  // namespace rill
