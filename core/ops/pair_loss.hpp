// Losses of an input and a target of one shape, element by element: mse_loss, l1_loss, huber_loss and
// binary_cross_entropy_with_logits.
//
// A formula F is a small struct with value(x, t, p), slope<i>(x, t, p) and curvature<i, j>(x, t, p): the loss of an
// element and its derivatives with regard to input 0, x, and input 1, t. p is an optional third operand, 1 where it is
// absent. One op computes and reduces; sums are made in f64, over fixed blocks.
#pragma once

#include <cmath>

#include <rill/core/elementwise.hpp>
#include <rill/core/ops/cross_entropy.hpp>

namespace rill {

struct HuberLossOptions {
  Reduction reduction = Reduction::mean;
  double delta = 1;  ///< finite and above 0: where the parabola goes over into lines
};

struct BinaryCrossEntropyOptions {
  Reduction reduction = Reduction::mean;
  Tensor weight = {};      ///< factors of the losses; broadcasts to x
  Tensor pos_weight = {};  ///< factors of the targets' part, for instance one a class; broadcasts to x
};

namespace ops {

Meta infer_pair_loss(std::string_view name, const Tensor& x, const Tensor& t, Reduction reduction);

std::vector<std::pair<Reduction, std::vector<SampleInput>>> pair_loss_samples();

/// L = f(x, t) for each element, or the mean or sum of them.
template <class F>
struct PairLoss {
  static constexpr std::string_view name = F::name;
  static constexpr unsigned optional = 0b100;
  F f;
  Reduction reduction = Reduction::mean;
  Meta infer(const Tensor& x, const Tensor& t, const Tensor& p) const;
  void forward(const Tensor& x, const Tensor& t, const Tensor& p, Tensor& y) const;
  std::array<Tensor, 3> gradient(const Incoming& g, Input<0> x, Input<1> t, Input<2> p) const;
  static std::vector<Sample<PairLoss>> samples() {
    std::vector<Sample<PairLoss>> all;
    for (const F& formula : F::samples()) {
      for (auto& [reduction, inputs] : pair_loss_samples()) {
        if (F::takes_p || inputs[2].kind == SampleInput::Kind::absent)
          all.push_back({{formula, reduction}, inputs});
      }
    }
    return all;
  }
};

/// The gradient with regard to input `i`: g · scale · slope, where scale is 1 / n for a mean.
template <class F>
struct PairLossSlope {
  static constexpr std::string_view name = detail::BackwardName<F::name, 1>::value;
  static constexpr unsigned optional = 0b1000;
  F f;
  Reduction reduction;
  int i;
  Meta infer(const Tensor&, const Tensor& x, const Tensor&, const Tensor&) const {
    return {x.shape(), x.dtype()};
  }
  void forward(const Tensor& g, const Tensor& x, const Tensor& t, const Tensor& p, Tensor& dx) const;
  std::array<Tensor, 4> gradient(const Incoming& v, Input<0> g, Input<1> x, Input<2> t, Input<3> p) const;
};

/// The gradient of PairLossSlope with regard to input `j`: v · g · scale · curvature.
template <class F>
struct PairLossCurvature {
  static constexpr std::string_view name = detail::BackwardName<F::name, 2>::value;
  static constexpr unsigned optional = 0b10000;
  F f;
  Reduction reduction;
  int i, j;
  Meta infer(const Tensor&, const Tensor&, const Tensor& x, const Tensor&, const Tensor&) const {
    return {x.shape(), x.dtype()};
  }
  void forward(const Tensor& v, const Tensor& g, const Tensor& x, const Tensor& t, const Tensor& p,
               Tensor& dx) const;
};

/// A formula of d = x - t alone, from value(d), slope(d) and curvature(d).
template <class F>
struct OfDifference : F {
  static constexpr bool takes_p = false;
  template <class T>
  T value(T x, T t, T) const {
    return F::value(x - t);
  }
  template <int i, class T>
  T slope(T x, T t, T) const {
    return i == 0 ? F::slope(x - t) : -F::slope(x - t);
  }
  template <int i, int j, class T>
  T curvature(T x, T t, T) const {
    return i == j ? F::curvature(x - t) : -F::curvature(x - t);
  }
  static std::vector<OfDifference> samples() {
    std::vector<OfDifference> all;
    for (const F& formula : F::samples()) all.push_back({formula});
    return all;
  }
};

/// d².
struct SquaredError {
  static constexpr std::string_view name = "mse_loss";
  template <class T>
  T value(T d) const {
    return d * d;
  }
  template <class T>
  T slope(T d) const {
    return 2 * d;
  }
  template <class T>
  T curvature(T) const {
    return T(2);
  }
  static std::vector<SquaredError> samples() { return {{}}; }
};

/// |d|; the slope at 0 is 0.
struct AbsoluteError {
  static constexpr std::string_view name = "l1_loss";
  template <class T>
  T value(T d) const {
    return std::abs(d);
  }
  template <class T>
  T slope(T d) const {
    return d > T(0) ? T(1) : d < T(0) ? T(-1) : d;
  }
  template <class T>
  T curvature(T) const {
    return T(0);
  }
  static std::vector<AbsoluteError> samples() { return {{}}; }
};

/// d² / 2 where |d| <= delta, else delta (|d| - delta / 2) (Huber, 1964).
struct HuberError {
  static constexpr std::string_view name = "huber_loss";
  double delta = 1;
  template <class T>
  T value(T d) const {
    const T limit = static_cast<T>(delta), size = std::abs(d);
    return size > limit ? limit * (size - limit / 2) : d * d / 2;
  }
  template <class T>
  T slope(T d) const {
    const T limit = static_cast<T>(delta);
    return d > limit ? limit : d < -limit ? -limit : d;
  }
  template <class T>
  T curvature(T d) const {
    return std::abs(d) <= static_cast<T>(delta) ? T(1) : T(0);
  }
  static std::vector<HuberError> samples() { return {{1}, {0.3}}; }
};

/// -[p t log s(x) + (1 - t) log s(-x)] with s(x) = 1 / (1 + exp(-x)): of a logit x and the probability t, where p is the
/// factor of the positive part; -log s(x) = max(-x, 0) + log1p(exp(-|x|)). For t in [0, 1] no terms cancel.
struct LogisticError {
  static constexpr std::string_view name = "binary_cross_entropy_with_logits";
  static constexpr bool takes_p = true;

  template <class T>
  static T softplus_of_minus(T x) {
    return (x < T(0) ? -x : T(0)) + std::log1p(std::exp(-std::abs(x)));
  }
  template <class T>
  static T sigmoid_of_minus(T x) {
    const T e = std::exp(-std::abs(x));
    return (x > T(0) ? e : T(1)) / (T(1) + e);
  }
  template <class T>
  T value(T x, T t, T p) const {
    return p * t * softplus_of_minus(x) + (T(1) - t) * softplus_of_minus(-x);
  }
  template <int i, class T>
  T slope(T x, T t, T p) const {
    if constexpr (i == 0) return (T(1) - t) * sigmoid_of_minus(-x) - p * t * sigmoid_of_minus(x);
    return (p - T(1)) * softplus_of_minus(x) - x;
  }
  template <int i, int j, class T>
  T curvature(T x, T t, T p) const {
    const T s = sigmoid_of_minus(x);
    if constexpr (i != j) return T(-1) - (p - T(1)) * s;
    return i == 0 ? (T(1) + (p - T(1)) * t) * s * sigmoid_of_minus(-x) : T(0);
  }
  static std::vector<LogisticError> samples() { return {{}}; }
};

using MseLoss = PairLoss<OfDifference<SquaredError>>;
using L1Loss = PairLoss<OfDifference<AbsoluteError>>;
using HuberLoss = PairLoss<OfDifference<HuberError>>;
using BinaryCrossEntropyWithLogits = PairLoss<LogisticError>;

extern template struct PairLoss<OfDifference<SquaredError>>;
extern template struct PairLoss<OfDifference<AbsoluteError>>;
extern template struct PairLoss<OfDifference<HuberError>>;
extern template struct PairLoss<LogisticError>;

}  // namespace ops

// The loss of x with regard to a target of the same shape and dtype, f32 or f64; differentiable in both. A scalar, or the
// losses of all elements without reduction; of no elements, the mean is NaN. They throw Error for shapes and dtypes that
// differ, and for bad options.

/// (x - target)².
Tensor mse_loss(const Tensor& x, const Tensor& target, Reduction reduction = Reduction::mean);
/// |x - target|; its gradient is 0 where both are equal.
Tensor l1_loss(const Tensor& x, const Tensor& target, Reduction reduction = Reduction::mean);
/// d² / 2 for d = x - target within delta of 0, else delta (|d| - delta / 2).
Tensor huber_loss(const Tensor& x, const Tensor& target, const HuberLossOptions& options = {});
/// -w [p t log s(x) + (1 - t) log(1 - s(x))] for logits x and probabilities t, where s is the sigmoid, w the weight and p
/// pos_weight; finite for all finite logits. The weights are constants; a mean divides by the number of elements.
Tensor binary_cross_entropy_with_logits(const Tensor& x, const Tensor& target,
                                        const BinaryCrossEntropyOptions& options = {});

}  // namespace rill
