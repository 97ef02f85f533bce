// reshape: the same elements under another shape, on the same block; flatten, squeeze and unsqueeze are it.
#pragma once

#include <rill/core/graph.hpp>
#include <rill/core/sample.hpp>

namespace rill {
namespace ops {

/// y = x with another shape of the same number of elements.
struct Reshape {
  static constexpr std::string_view name = "reshape";
  Shape shape;
  Meta infer(const Tensor& x) const;
  Tensor view(const Tensor& x) const;
  Tensor gradient(const Incoming& g) const { return apply(Reshape{g.input_shape(0)}, g[0]); }
  static std::vector<Sample<Reshape>> samples() {
    return {{{{6, 4}}, {{{2, 3, 4}}}}, {{{1}}, {{{}}}}, {{{}}, {{{1, 1}}}}, {{{3, 0}}, {{{0, 2}}}}};
  }
};

}  // namespace ops

/// The elements of x under `shape`; shares x's block. Throws Error unless the number of elements is the same.
Tensor reshape(const Tensor& x, const Shape& shape);

// The same with one axis more or less; axes may be negative.

/// The axes first_axis to last_axis of x as one; a scalar as [1]. Throws Error if first_axis comes after last_axis.
Tensor flatten(const Tensor& x, int first_axis = 0, int last_axis = -1);
/// x without an axis. Throws Error unless its size is 1 (as NumPy; PyTorch would return x).
Tensor squeeze(const Tensor& x, int axis);
/// x with a new axis of size 1; `axis` counts in the result.
Tensor unsqueeze(const Tensor& x, int axis);

}  // namespace rill
