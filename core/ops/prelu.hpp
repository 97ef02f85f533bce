// prelu: leaky_relu with a learned slope (He, Zhang, Ren, Sun, arXiv 1502.01852).
#pragma once

#include <rill/core/graph.hpp>
#include <rill/core/sample.hpp>

namespace rill {
namespace ops {

/// y = x for x > 0, else w_c · x, where c runs over axis 1 of x, or w has one element. w_c = 0 equals relu everywhere.
struct Prelu {
  static constexpr std::string_view name = "prelu";
  ActivationInfo activation() const { return {}; }
  Meta infer(const Tensor& x, const Tensor& w) const;
  void forward(const Tensor& x, const Tensor& w, Tensor& y) const;
  std::array<Tensor, 2> gradient(const Incoming& g, Input<0> x, Input<1> w) const;
  static std::vector<Sample<Prelu>> samples();
};

/// Both gradients in one pass: dx = g · (1 for x > 0, else w_c); dw_c = Σ g · x over x <= 0.
struct PreluBackward {
  static constexpr std::string_view name = "prelu_backward";
  static constexpr int outputs = 2;
  ActivationInfo activation() const { return {}; }
  std::array<Meta, 2> infer(const Tensor&, const Tensor& x, const Tensor& w) const {
    return {{{x.shape(), x.dtype()}, {w.shape(), w.dtype()}}};
  }
  void forward(const Tensor& g, const Tensor& x, const Tensor& w, Tensor& dx, Tensor& dw) const;
  std::array<Tensor, 3> gradient(const Incoming& v, Input<0> g, Input<1> x, Input<2> w) const;
};

/// The second order in one pass, for cotangents u of dx and v of dw (m = 1 where x <= 0, else 0):
/// to g: u · (1 - m + m w_c) + m v_c x; to x: m v_c g; to w_c: Σ m u g.
struct PreluCurvature {
  static constexpr std::string_view name = "prelu_backward_backward";
  static constexpr int outputs = 3;
  std::array<Meta, 3> infer(const Tensor&, const Tensor&, const Tensor& g, const Tensor& x,
                            const Tensor& w) const {
    return {{{g.shape(), g.dtype()}, {x.shape(), x.dtype()}, {w.shape(), w.dtype()}}};
  }
  void forward(const Tensor& u, const Tensor& v, const Tensor& g, const Tensor& x, const Tensor& w,
               Tensor& to_g, Tensor& to_x, Tensor& to_w) const;
};

}  // namespace ops

/// x where x > 0, else weight · x. weight is [1], or [channels] for x [n, channels, ...]; one floating dtype.
Tensor prelu(const Tensor& x, const Tensor& weight);

}  // namespace rill
