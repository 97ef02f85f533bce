#include <cmath>

#include <rill/core/ops/batch_norm.hpp>
#include <rill/core/ops/layer_norm.hpp>
#include <rill/nn/norm.hpp>

namespace rill::nn {
namespace {

void check_norm(const char* layer, double eps, DType dtype) {
  RILL_CHECK(std::isfinite(eps) && eps >= 0, layer, ": eps is ", eps,
             ", expected a finite number, 0 or more");
  RILL_CHECK(is_floating(dtype), layer, ": dtype is ", dtype, ", expected f32 or f64");
}

}  // namespace

BatchNorm1d::BatchNorm1d(std::int64_t num_features, const BatchNormOptions& options)
    : num_features_(num_features),
      eps_(options.eps),
      momentum_(options.momentum),
      frozen_stats_(options.frozen_stats) {
  RILL_CHECK(num_features >= 1, "BatchNorm1d: num_features is ", num_features, ", expected 1 or more");
  check_norm("BatchNorm1d", eps_, options.dtype);
  RILL_CHECK(!momentum_ || (*momentum_ >= 0 && *momentum_ <= 1), "BatchNorm1d: momentum is ", *momentum_,
             ", expected 0 to 1");
  RILL_CHECK(!options.frozen_stats || options.track_running_stats,
             "BatchNorm1d: frozen_stats is true without track_running_stats, expected both");
  if (options.affine) {
    weight = ones({num_features}, options.dtype).requires_grad_();
    bias = zeros({num_features}, options.dtype).requires_grad_();
  }
  if (options.track_running_stats) {
    running_mean = zeros({num_features}, options.dtype);
    running_var = ones({num_features}, options.dtype);
    num_batches_tracked = zeros({}, DType::i64);
  }
}

Tensor BatchNorm1d::forward(const Tensor& x) {
  const bool tracks = running_mean.defined();
  RILL_CHECK((x.dim() == 2 || x.dim() == 3) && x.shape()[1] == num_features_, "BatchNorm1d: x is ", x.shape(),
             ", expected [n, ", num_features_, "] or [n, ", num_features_, ", length]");
  if (!training() || !tracks || frozen_stats_)
    return batch_norm(x, running_mean, running_var, weight, bias, !tracks, 0, eps_);
  std::int64_t& batches = num_batches_tracked.mutable_data<std::int64_t>()[0];
  const double share = momentum_.value_or(1 / (static_cast<double>(batches) + 1));
  Tensor y = batch_norm(x, running_mean, running_var, weight, bias, true, share, eps_);
  ++batches;
  return y;
}

void BatchNorm1d::visit(Visitor& visitor) {
  if (weight.defined()) visitor.parameter("weight", weight);
  if (bias.defined()) visitor.parameter("bias", bias);
  if (!running_mean.defined()) return;
  visitor.buffer("running_mean", running_mean);
  visitor.buffer("running_var", running_var);
  visitor.buffer("num_batches_tracked", num_batches_tracked);
}

LayerNorm::LayerNorm(const Shape& normalized_shape, const LayerNormOptions& options)
    : normalized_shape_(normalized_shape), eps_(options.eps) {
  RILL_CHECK(normalized_shape.rank() >= 1 && normalized_shape.numel() >= 1, "LayerNorm: normalized_shape is ",
             normalized_shape, ", expected at least one axis and one element");
  check_norm("LayerNorm", eps_, options.dtype);
  if (options.elementwise_affine) {
    weight = ones(normalized_shape, options.dtype).requires_grad_();
    bias = zeros(normalized_shape, options.dtype).requires_grad_();
  }
}

LayerNorm::LayerNorm(std::int64_t features, const LayerNormOptions& options)
    : LayerNorm(Shape{features}, options) {}

Tensor LayerNorm::forward(const Tensor& x) { return layer_norm(x, normalized_shape_, weight, bias, eps_); }

void LayerNorm::visit(Visitor& visitor) {
  if (weight.defined()) visitor.parameter("weight", weight);
  if (bias.defined()) visitor.parameter("bias", bias);
}

}  // namespace rill::nn
