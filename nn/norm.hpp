// BatchNorm1d and LayerNorm: layers that shift and scale to mean 0 and variance 1.
#pragma once

#include <optional>

#include <rill/nn/module.hpp>

namespace rill::nn {

struct BatchNormOptions {
  double eps = 1e-5;  ///< added to the variance; PyTorch's, Keras has 1e-3
  /// Weight of the batch in the running statistics; PyTorch's, Keras' 0.99 is the weight of the old. None: they are the
  /// mean over all batches so far, batch number k having weight 1/k.
  std::optional<double> momentum = 0.1;
  bool affine = true;               ///< with weight and bias
  bool track_running_stats = true;  ///< else the batch's statistics are used in evaluation too
  bool frozen_stats = false;  ///< the running ones are used in training too, and stay; Keras' not trainable
  DType dtype = DType::f32;
};

/// (x - mean) / √(var + eps) · weight + bias, channel by channel, for x [n, channels] or [n, channels, length]. In training
/// mean and biased variance are the batch's, and move the running ones (with the unbiased variance); in evaluation they
/// are the running ones. Parameters weight (ones) and bias (zeros), buffers running_mean (zeros), running_var (ones) and
/// num_batches_tracked i64 [], as in PyTorch; Keras' running variance is biased (Ioffe, Szegedy, arXiv 1502.03167).
class BatchNorm1d final : public Module {
 public:
  static constexpr std::string_view type_name = "batch_norm";
  /// Throws Error for fewer than 1 feature, an eps below 0, a momentum outside of [0, 1], statistics that are frozen but not
  /// tracked, or a dtype that is not floating.
  explicit BatchNorm1d(std::int64_t num_features, const BatchNormOptions& options = {});
  /// Throws Error for other shapes, and in training for fewer than two elements a channel.
  Tensor forward(const Tensor& x) override;
  void visit(Visitor& visitor) override;
  std::string_view type() const override { return type_name; }
  std::int64_t num_features() const { return num_features_; }
  double eps() const { return eps_; }
  std::optional<double> momentum() const { return momentum_; }
  bool frozen_stats() const { return frozen_stats_; }

  Tensor weight, bias;                                    ///< undefined without `affine`
  Tensor running_mean, running_var, num_batches_tracked;  ///< undefined without `track_running_stats`

 private:
  std::int64_t num_features_;
  double eps_;
  std::optional<double> momentum_;
  bool frozen_stats_;
};

struct LayerNormOptions {
  double eps = 1e-5;               ///< PyTorch's; Keras has 1e-3
  bool elementwise_affine = true;  ///< with weight and bias
  DType dtype = DType::f32;
};

/// (x - mean) / √(var + eps) · weight + bias, with mean and biased variance over the last axes of x, whose sizes are
/// `normalized_shape`. Parameters weight (ones) and bias (zeros) of that shape, as in PyTorch (Ba, Kiros, Hinton, arXiv
/// 1607.06450).
class LayerNorm final : public Module {
 public:
  static constexpr std::string_view type_name = "layer_norm";
  /// Throws Error for a shape without axes or elements, an eps below 0, or a dtype that is not floating.
  explicit LayerNorm(const Shape& normalized_shape, const LayerNormOptions& options = {});
  explicit LayerNorm(std::int64_t features, const LayerNormOptions& options = {});
  Tensor forward(const Tensor& x) override;
  void visit(Visitor& visitor) override;
  std::string_view type() const override { return type_name; }
  const Shape& normalized_shape() const { return normalized_shape_; }
  double eps() const { return eps_; }

  Tensor weight, bias;  ///< undefined without `elementwise_affine`

 private:
  Shape normalized_shape_;
  double eps_;
};

}  // namespace rill::nn
