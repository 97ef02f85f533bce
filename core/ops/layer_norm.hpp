// layer_norm: every row shifted and scaled to mean 0 and variance 1 (Ba, Kiros, Hinton, arXiv 1607.06450).
#pragma once

#include <rill/core/graph.hpp>
#include <rill/core/sample.hpp>

namespace rill {
namespace ops {

/// y = h · w + b with h = (x - mean) · rstd and rstd = 1/√(var + eps); mean and the biased var are of the last `axes`
/// axes of x together, w and b are shaped as those or absent. Results: y, and in f64 mean and rstd, with size 1 there.
struct LayerNorm {
  static constexpr std::string_view name = "layer_norm";
  static constexpr int outputs = 3;
  static constexpr unsigned optional = 0b110;
  int axes = 1;
  double eps = 1e-5;
  std::array<Meta, 3> infer(const Tensor& x, const Tensor& w, const Tensor& b) const;
  void forward(const Tensor& x, const Tensor& w, const Tensor& b, Tensor& y, Tensor& mean,
               Tensor& rstd) const;
  std::array<Tensor, 3> gradient(const Incoming& g, Input<0> x, Input<1> w, Output<1> mean,
                                 Output<2> rstd) const;
  static std::vector<Sample<LayerNorm>> samples();
};

/// All gradients in one pass, with gw = g · w: dx = rstd · (gw - mean(gw) - h · mean(gw · h)), dw = Σ g · h, db = Σ g;
/// dw and db are empty without `parameters`. mean and rstd count as functions of x, which has their gradients too.
struct LayerNormBackward {
  static constexpr std::string_view name = "layer_norm_backward";
  static constexpr int outputs = 3;
  static constexpr unsigned optional = 0b100;
  int axes;
  double eps;
  bool parameters;
  std::array<Meta, 3> infer(const Tensor& g, const Tensor& x, const Tensor& w, const Tensor& mean,
                            const Tensor& rstd) const;
  void forward(const Tensor& g, const Tensor& x, const Tensor& w, const Tensor& mean, const Tensor& rstd,
               Tensor& dx, Tensor& dw, Tensor& db) const;
  std::array<Tensor, 5> gradient(const Incoming& v, Input<0> g, Input<1> x, Input<2> w) const;
};

}  // namespace ops

/// (x - mean) / √(var + eps) · weight + bias, with mean and biased variance over the last axes of x, whose sizes are
/// `normalized_shape`; weight and bias have that shape or are undefined. As PyTorch's function of that name.
/// Throws Error for shapes and dtypes that do not fit, for no elements, and for an eps below 0.
Tensor layer_norm(const Tensor& x, const Shape& normalized_shape, const Tensor& weight = {},
                  const Tensor& bias = {}, double eps = 1e-5);
/// The same over the axes that the weight has.
Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias = {}, double eps = 1e-5);

}  // namespace rill
