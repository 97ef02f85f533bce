// softmax and log_softmax along an axis.
#pragma once

#include <rill/core/graph.hpp>
#include <rill/core/sample.hpp>

namespace rill {
namespace ops {

/// The shape rule of both, and the axis counted from the front.
Meta infer_softmax(std::string_view name, const Tensor& x, int axis);

template <class Op>
std::vector<Sample<Op>> samples_of_softmax() {
  return {{{-1}, {{{3, 5}}}},    {{-1}, {{{4}}}},   {{-1}, {{{2, 3, 4}}}}, {{-1}, {{{0, 3}}}},
          {{-1}, {{{2, 1}}}},    {{0}, {{{3, 5}}}}, {{1}, {{{2, 3, 4}}}},  {{0}, {{{2, 3, 4}}}},
          {{-2}, {{{2, 1, 3}}}}, {{0}, {{{0, 3}}}}, {{0}, {{{1}}}}};
}

/// y_i = exp(x_i - max x) / Σ_j exp(x_j - max x) along the axis.
struct Softmax {
  static constexpr std::string_view name = "softmax";
  int axis = -1;
  Meta infer(const Tensor& x) const { return infer_softmax(name, x, axis); }
  void forward(const Tensor& x, Tensor& y) const;
  Tensor gradient(const Incoming& g, Output<0> y) const;
  static std::vector<Sample<Softmax>> samples() { return samples_of_softmax<Softmax>(); }
};

/// dx_i = y_i (g_i - Σ_j g_j y_j) along the axis, in one pass. Its own adjoint in g.
struct SoftmaxBackward {
  static constexpr std::string_view name = "softmax_backward";
  int axis = -1;
  Meta infer(const Tensor& g, const Tensor&) const { return {g.shape(), g.dtype()}; }
  void forward(const Tensor& g, const Tensor& y, Tensor& dx) const;
  std::array<Tensor, 2> gradient(const Incoming& v, Input<0> g, Input<1> y) const;
};

/// y_i = (x_i - max x) - log Σ_j exp(x_j - max x) along the axis.
struct LogSoftmax {
  static constexpr std::string_view name = "log_softmax";
  int axis = -1;
  Meta infer(const Tensor& x) const { return infer_softmax(name, x, axis); }
  void forward(const Tensor& x, Tensor& y) const;
  Tensor gradient(const Incoming& g, Output<0> y) const;
  static std::vector<Sample<LogSoftmax>> samples() { return samples_of_softmax<LogSoftmax>(); }
};

/// dx_i = g_i - exp(y_i) Σ_j g_j along the axis, in one pass.
struct LogSoftmaxBackward {
  static constexpr std::string_view name = "log_softmax_backward";
  int axis = -1;
  Meta infer(const Tensor& g, const Tensor&) const { return {g.shape(), g.dtype()}; }
  void forward(const Tensor& g, const Tensor& y, Tensor& dx) const;
  std::array<Tensor, 2> gradient(const Incoming& v, Input<0> g, Input<1> y) const;
};

}  // namespace ops

/// exp x / Σ exp x along `axis`, which may be negative; NaN where all are -inf or one is inf. Throws Error for a scalar,
/// for i64, and for an axis out of range.
Tensor softmax(const Tensor& x, int axis = -1);
/// The logarithm of softmax(), exact also where that underflows.
Tensor log_softmax(const Tensor& x, int axis = -1);

}  // namespace rill
