// slice and select: a range of one axis, and one index of it. Along the first axis they share the block.
#pragma once

#include <rill/core/graph.hpp>
#include <rill/core/sample.hpp>

namespace rill {
namespace ops {

/// y[…, i, …] = x[…, start + i, …] for start + i < stop, with 0 ≤ start ≤ stop ≤ the size of the axis. Along axis 0
/// y shares x's block; along others it is a copy. Any dtype.
struct Slice {
  static constexpr std::string_view name = "slice";
  int axis = 0;
  std::int64_t start = 0, stop = 0;
  Meta infer(const Tensor& x) const;
  Tensor view(const Tensor& x) const;
  Tensor gradient(const Incoming& g) const;
  static std::vector<Sample<Slice>> samples();
};

/// dx = g at [start, start + g's size) of the axis, else 0.
struct SliceBackward {
  static constexpr std::string_view name = "slice_backward";
  int axis = 0;
  std::int64_t start = 0;
  Shape shape;  ///< x's
  Meta infer(const Tensor& g) const { return {shape, g.dtype()}; }
  void forward(const Tensor& g, Tensor& dx) const;
  Tensor gradient(const Incoming& v) const;
};

}  // namespace ops

/// The indices [start, stop) of `axis`, which stays; all three may be negative and count from the end then. As in NumPy
/// and PyTorch, bounds beyond the axis mean its ends, and an empty range gives an axis of size 0.
Tensor slice(const Tensor& x, int axis, std::int64_t start, std::int64_t stop);
/// What lies at `index` of `axis`, without that axis; both may be negative. Throws Error for an index out of range.
Tensor select(const Tensor& x, int axis, std::int64_t index);

}  // namespace rill
