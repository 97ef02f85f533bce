// expand: a tensor repeated to a shape that it broadcasts to; and its adjoint sum_to.
#pragma once

#include <rill/core/graph.hpp>
#include <rill/core/sample.hpp>

namespace rill {
namespace ops {

/// y[..., i, ...] = x[..., i or 0, ...]; the gradient sums over what was repeated.
struct Expand {
  static constexpr std::string_view name = "expand";
  Shape shape;
  Meta infer(const Tensor& x) const;
  void forward(const Tensor& x, Tensor& y) const;
  Tensor gradient(const Incoming& g) const;
  static std::vector<Sample<Expand>> samples();
};

}  // namespace ops

/// x repeated along dimensions of size 1, and new ones at the front. Throws Error unless x broadcasts to `shape`.
Tensor expand(const Tensor& x, const Shape& shape);

/// x summed over the dimensions along which `shape` broadcasts to x's shape: the gradient of such a broadcast.
/// Returns x itself where the shapes are equal.
Tensor sum_to(const Tensor& x, const Shape& shape);

}  // namespace rill
