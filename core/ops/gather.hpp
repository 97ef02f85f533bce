// gather: elements picked along an axis, by an index of its own at every place.
#pragma once

#include <rill/core/graph.hpp>
#include <rill/core/sample.hpp>

namespace rill {
namespace ops {

/// y[…, k, …] = x[…, index[…, k, …], …] along `axis`; y has index's shape. Any dtype of x.
struct Gather {
  static constexpr std::string_view name = "gather";
  int axis = 0;
  Meta infer(const Tensor& x, const Tensor& index) const;
  void forward(const Tensor& x, const Tensor& index, Tensor& y) const;
  std::array<Tensor, 2> gradient(const Incoming& g, Input<1> index) const;
  static std::vector<Sample<Gather>> samples();
};

/// dx[…, index[…, k, …], …] += g[…, k, …], from zeros, with k rising: the order of a sum does not depend on threads.
struct GatherBackward {
  static constexpr std::string_view name = "gather_backward";
  int axis = 0;
  Shape shape;  ///< x's
  Meta infer(const Tensor& g, const Tensor&) const { return {shape, g.dtype()}; }
  void forward(const Tensor& g, const Tensor& index, Tensor& dx) const;
  std::array<Tensor, 2> gradient(const Incoming& v, Input<1> index) const;
};

}  // namespace ops

/// y[i][j] = x[index[i][j]][j] for axis 0, x[i][index[i][j]] for axis 1, and so on, as in PyTorch: index i64 of x's
/// rank, no larger than x along other axes; y has index's shape. Throws Error for an index below 0 or beyond the axis.
Tensor gather(const Tensor& x, int axis, const Tensor& index);

}  // namespace rill
