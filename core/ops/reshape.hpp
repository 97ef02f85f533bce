// reshape: the same elements under another shape, on the same block.
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

}  // namespace rill
