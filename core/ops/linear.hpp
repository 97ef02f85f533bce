// linear: the affine map of a dense layer.
#pragma once

#include <rill/core/graph.hpp>
#include <rill/core/sample.hpp>

namespace rill {
namespace ops {

/// y = x wᵀ + b; x [n, in], w [out, in], b [out] or absent.
struct Linear {
  static constexpr std::string_view name = "linear";
  static constexpr unsigned optional = 0b100;
  Meta infer(const Tensor& x, const Tensor& w, const Tensor& b) const;
  void forward(const Tensor& x, const Tensor& w, const Tensor& b, Tensor& y) const;
  std::array<Tensor, 3> gradient(const Incoming& g, Input<0> x, Input<1> w) const;
  static std::vector<Sample<Linear>> samples();
};

}  // namespace ops

/// x weightᵀ + bias: x [..., in], weight [out, in], bias [out] or undefined; the result is [..., out]. One floating
/// dtype. Bitwise the same for any number of threads. Throws Error for sizes that do not fit.
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias = {});

}  // namespace rill
