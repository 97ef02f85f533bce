// permute: the axes in another order; transpose and t are it for two of them.
#pragma once

#include <rill/core/graph.hpp>
#include <rill/core/sample.hpp>

namespace rill {
namespace ops {

/// y[i_axes[0], i_axes[1], …] = x[i_0, i_1, …]: axis k of y is axis axes[k] of x. A copy; any dtype.
struct Permute {
  static constexpr std::string_view name = "permute";
  std::array<int, Shape::max_rank> axes{};  ///< the first x.dim() count; each axis of x once
  Meta infer(const Tensor& x) const;
  void forward(const Tensor& x, Tensor& y) const;
  Tensor gradient(const Incoming& g) const;
  static std::vector<Sample<Permute>> samples();
};

}  // namespace ops

/// x with axis axes[k] as its axis k; axes may be negative. Throws Error unless `axes` names every axis of x once.
Tensor permute(const Tensor& x, const std::vector<int>& axes);
/// x with two axes exchanged; axes may be negative.
Tensor transpose(const Tensor& x, int axis_a, int axis_b);
/// The matrix x transposed. Throws Error for any other rank than 2.
Tensor t(const Tensor& x);

}  // namespace rill
