// nll_loss: the negative log-likelihood of class labels, from log-probabilities.
#pragma once

#include <rill/core/ops/cross_entropy.hpp>

namespace rill {

struct NllLossOptions {
  Reduction reduction = Reduction::mean;
  std::int64_t ignore_index = -100;  ///< rows with this label count for nothing
};

namespace ops {

/// The loss of a row is -w_t x_t, with its label t and the class weights w, or 1; `mean` divides by Σ w_t over the rows
/// that are not ignored. As in PyTorch, but a class of weight 0 has the loss 0 even where x is infinite or NaN.
struct NllLoss {
  static constexpr std::string_view name = "nll_loss";
  static constexpr unsigned optional = 0b100;
  NllLossOptions options;
  Meta infer(const Tensor& x, const Tensor& target, const Tensor& weight) const;
  void forward(const Tensor& x, const Tensor& target, const Tensor& weight, Tensor& y) const;
  std::array<Tensor, 3> gradient(const Incoming& g, Input<1> target, Input<2> weight) const;
  static std::vector<Sample<NllLoss>> samples();
};

/// dx = -g · scale · w_t at the label of each row, 0 elsewhere. The adjoint of NllLoss, which is linear.
struct NllLossBackward {
  static constexpr std::string_view name = "nll_loss_backward";
  static constexpr unsigned optional = 0b100;
  NllLossOptions options;
  Shape shape;
  Meta infer(const Tensor& g, const Tensor&, const Tensor&) const { return {shape, g.dtype()}; }
  void forward(const Tensor& g, const Tensor& target, const Tensor& weight, Tensor& dx) const;
  std::array<Tensor, 3> gradient(const Incoming& v, Input<1> target, Input<2> weight) const;
};

}  // namespace ops

/// The negative log-likelihood of labels target i64 [n] under log-probabilities x [n, classes], as log_softmax() gives
/// them; `weight` [classes] rescales classes. The result is a scalar, or [n] without reduction. Of no rows, and where all
/// are ignored or of weight 0, the mean is NaN and its gradient 0. Throws Error for shapes and dtypes that do not fit, and for a label out of range.
Tensor nll_loss(const Tensor& x, const Tensor& target, const NllLossOptions& options = {},
                const Tensor& weight = {});

}  // namespace rill
