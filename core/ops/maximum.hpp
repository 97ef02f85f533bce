// maximum and minimum of two tensors that broadcast.
#pragma once

#include <rill/core/ops/binary.hpp>

namespace rill {
namespace ops {

/// y = max(a, b); NaN where either is. The gradient goes to the larger, half to each where they are equal, and to both
/// where one is NaN, as in PyTorch.
struct Maximum {
  static constexpr std::string_view name = "maximum";
  Meta infer(const Tensor& a, const Tensor& b) const { return infer_binary(name, a, b); }
  void forward(const Tensor& a, const Tensor& b, Tensor& y) const;
  std::array<Tensor, 2> gradient(const Incoming& g, Input<0> a, Input<1> b) const;
  static std::vector<Sample<Maximum>> samples() { return samples_of_binary<Maximum>(); }
};

/// y = min(a, b), as Maximum.
struct Minimum {
  static constexpr std::string_view name = "minimum";
  Meta infer(const Tensor& a, const Tensor& b) const { return infer_binary(name, a, b); }
  void forward(const Tensor& a, const Tensor& b, Tensor& y) const;
  std::array<Tensor, 2> gradient(const Incoming& g, Input<0> a, Input<1> b) const;
  static std::vector<Sample<Minimum>> samples() { return samples_of_binary<Minimum>(); }
};

/// What of g goes to x, of x and the other operand: g where x is the larger (the smaller, for a minimum), g / 2 where
/// both are equal, 0 where it is not. Linear in g, and its own adjoint there.
struct ShareOfWinner {
  static constexpr std::string_view name = "maximum_backward";
  bool larger = true;
  Meta infer(const Tensor& g, const Tensor&, const Tensor&) const { return {g.shape(), g.dtype()}; }
  void forward(const Tensor& g, const Tensor& x, const Tensor& other, Tensor& dx) const;
  std::array<Tensor, 3> gradient(const Incoming& v, Input<1> x, Input<2> other) const;
};

}  // namespace ops

/// The larger of a and b, element by element, with broadcasting; NaN wins. Throws Error for shapes or dtypes that do not
/// fit, and for i64.
Tensor maximum(const Tensor& a, const Tensor& b);
/// The smaller of a and b, as maximum().
Tensor minimum(const Tensor& a, const Tensor& b);

}  // namespace rill
