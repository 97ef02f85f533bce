// batch_norm: every channel shifted and scaled to mean 0 and variance 1 over the batch (Ioffe, Szegedy, arXiv 1502.03167).
#pragma once

#include <rill/core/graph.hpp>
#include <rill/core/sample.hpp>

namespace rill {
namespace ops {

/// y = h · w_c + b_c with h = (x - mean_c) · rstd_c and rstd = 1/√(var + eps); mean and the biased var of channel c are
/// over all of x [n, c] or [n, c, l] but axis 1, w and b are [c] or absent. Results: y, and in f64 mean and rstd, [1, c]
/// or [1, c, 1].
struct BatchNorm {
  static constexpr std::string_view name = "batch_norm";
  static constexpr int outputs = 3;
  static constexpr unsigned optional = 0b110;
  double eps = 1e-5;
  std::array<Meta, 3> infer(const Tensor& x, const Tensor& w, const Tensor& b) const;
  void forward(const Tensor& x, const Tensor& w, const Tensor& b, Tensor& y, Tensor& mean,
               Tensor& rstd) const;
  std::array<Tensor, 3> gradient(const Incoming& g, Input<0> x, Input<1> w, Output<1> mean,
                                 Output<2> rstd) const;
  static std::vector<Sample<BatchNorm>> samples();
};

/// All gradients in two passes: db = Σ g, dw = Σ g · h, dx = w · rstd · (g - mean(g) - h · mean(g · h)), each channel for
/// itself. mean and rstd count as functions of x, which has their gradients too.
struct BatchNormBackward {
  static constexpr std::string_view name = "batch_norm_backward";
  static constexpr int outputs = 3;
  static constexpr unsigned optional = 0b100;
  double eps;
  std::array<Meta, 3> infer(const Tensor& g, const Tensor& x, const Tensor& w, const Tensor& mean,
                            const Tensor& rstd) const;
  void forward(const Tensor& g, const Tensor& x, const Tensor& w, const Tensor& mean, const Tensor& rstd,
               Tensor& dx, Tensor& dw, Tensor& db) const;
  std::array<Tensor, 5> gradient(const Incoming& v, Input<0> g, Input<1> x, Input<2> w) const;
};

}  // namespace ops

/// (x - mean) / √(var + eps) · weight + bias, channel by channel; x is [n, channels] or [n, channels, length], weight and
/// bias are [channels] or undefined. As PyTorch's function of that name:
///   - in training, mean and biased variance are the batch's; the running ones, where defined, are moved towards them:
///     running = (1 - momentum) · running + momentum · batch's, with the unbiased variance;
///   - otherwise they are the running ones, which must be defined then.
/// Throws Error, and leaves the running ones alone, for shapes and dtypes that do not fit, for a channel of fewer than two
/// elements in training, for an eps below 0 and a momentum outside of [0, 1].
Tensor batch_norm(const Tensor& x, Tensor running_mean, Tensor running_var, const Tensor& weight = {},
                  const Tensor& bias = {}, bool training = false, double momentum = 0.1, double eps = 1e-5);

}  // namespace rill
