// index_select: whole slices picked along an axis.
#pragma once

#include <rill/core/graph.hpp>
#include <rill/core/sample.hpp>

namespace rill {
namespace ops {

/// y[…, k, …] = x[…, index[k], …] along `axis`. Any dtype of x.
struct IndexSelect {
  static constexpr std::string_view name = "index_select";
  int axis = 0;
  Meta infer(const Tensor& x, const Tensor& index) const;
  void forward(const Tensor& x, const Tensor& index, Tensor& y) const;
  std::array<Tensor, 2> gradient(const Incoming& g, Input<1> index) const;
  static std::vector<Sample<IndexSelect>> samples();
};

/// dx[…, index[k], …] += g[…, k, …], from zeros, with k rising: the order of a sum does not depend on threads.
struct IndexSelectBackward {
  static constexpr std::string_view name = "index_select_backward";
  int axis = 0;
  Shape shape;  ///< x's
  Meta infer(const Tensor& g, const Tensor&) const { return {shape, g.dtype()}; }
  void forward(const Tensor& g, const Tensor& index, Tensor& dx) const;
  std::array<Tensor, 2> gradient(const Incoming& v, Input<1> index) const;
};

}  // namespace ops

/// The slices index[0], index[1], … of x along `axis`, with repetitions; index i64 [n]. Throws Error for an index below
/// 0 or beyond the axis.
Tensor index_select(const Tensor& x, int axis, const Tensor& index);

}  // namespace rill
