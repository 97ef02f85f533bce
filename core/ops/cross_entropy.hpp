// cross_entropy: softmax and negative log-likelihood in one, from logits and class labels.
#pragma once

#include <rill/core/graph.hpp>
#include <rill/core/sample.hpp>

namespace rill {

enum class Reduction { mean, sum, none };

struct CrossEntropyOptions {
  Reduction reduction = Reduction::mean;
  double label_smoothing = 0;        ///< in [0, 1]: the share of the target that is spread over all classes
  std::int64_t ignore_index = -100;  ///< rows with this label count for nothing
};

namespace ops {

/// The checks of losses of class labels: x [n, classes], which a message calls `what`; target i64 [n] with labels in
/// range or ignored; weight, where defined, [classes] and constant. Throws Error.
void check_class_loss(std::string_view name, const char* what, const Tensor& x, const Tensor& target,
                      const Tensor& weight, std::int64_t ignore_index);

/// With p = softmax(x) and q_c = (1 - e) w_t [c = t] + (e / classes) w_c, the loss of a row is -Σ_c q_c log p_c
/// (e is label_smoothing, t the row's label, w the class weights or 1). `mean` divides by Σ w_t over the rows that
/// are not ignored. All as in PyTorch.
struct CrossEntropy {
  static constexpr std::string_view name = "cross_entropy";
  static constexpr unsigned optional = 0b100;
  CrossEntropyOptions options;
  Meta infer(const Tensor& x, const Tensor& target, const Tensor& weight) const;
  void forward(const Tensor& x, const Tensor& target, const Tensor& weight, Tensor& y) const;
  std::array<Tensor, 3> gradient(const Incoming& g, Input<0> x, Input<1> target, Input<2> weight) const;
  static std::vector<Sample<CrossEntropy>> samples();
};

/// dx = g · scale · (p Σ q - q) for each row, where scale is 1, or 1 / Σ w_t for `mean`.
struct CrossEntropyBackward {
  static constexpr std::string_view name = "cross_entropy_backward";
  static constexpr unsigned optional = 0b1000;
  CrossEntropyOptions options;
  Meta infer(const Tensor&, const Tensor& x, const Tensor&, const Tensor&) const {
    return {x.shape(), x.dtype()};
  }
  void forward(const Tensor& g, const Tensor& x, const Tensor& target, const Tensor& weight,
               Tensor& dx) const;
  std::array<Tensor, 4> gradient(const Incoming& v, Input<0> g, Input<1> x, Input<2> target,
                                 Input<3> weight) const;
};

}  // namespace ops

/// The cross-entropy of logits x [n, classes] with labels target i64 [n]; `weight` [classes] rescales classes.
/// The result is a scalar, or [n] without reduction. Of no rows, and where all are ignored or of weight 0, the mean is NaN and
/// its gradient 0.
/// Throws Error for shapes and dtypes that do not fit, for a label out of range, and for bad options.
Tensor cross_entropy(const Tensor& x, const Tensor& target, const CrossEntropyOptions& options = {},
                     const Tensor& weight = {});

}  // namespace rill
