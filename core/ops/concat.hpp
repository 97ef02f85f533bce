// concat and stack: tensors one after another, along an axis that they have or along a new one.
#pragma once

#include <initializer_list>

#include <rill/core/graph.hpp>
#include <rill/core/sample.hpp>

namespace rill {
namespace ops {

/// y = the inputs one after another along `axis`; each gets its slice of the gradient. Any dtype.
struct Concat {
  using Sizes = std::vector<std::int64_t, memory::Allocator<std::int64_t>>;
  static constexpr std::string_view name = "concat";
  int axis = 0;
  Sizes sizes;  ///< of the inputs along the axis: the gradient is told of those inputs only that require one
  Meta infer(std::span<const Tensor> inputs) const;
  void forward(std::span<const Tensor> inputs, Tensor& y) const;
  TensorList gradient(const Incoming& g) const;
  static std::vector<Sample<Concat>> samples();
};

}  // namespace ops

/// The tensors one after another along `axis` (may be negative): one dtype, and equal sizes along all other axes.
/// Throws Error, naming the first that does not fit, and for no tensors.
Tensor concat(std::span<const Tensor> tensors, int axis = 0);
Tensor concat(std::initializer_list<Tensor> tensors, int axis = 0);

/// The tensors, of one shape and dtype, along a new axis: stack({x, y})[0] is x. `axis` counts in the result.
/// Throws Error, naming the first that does not fit, and for no tensors.
Tensor stack(std::span<const Tensor> tensors, int axis = 0);
Tensor stack(std::initializer_list<Tensor> tensors, int axis = 0);

}  // namespace rill
