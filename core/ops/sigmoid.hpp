// sigmoid(x) = 1 / (1 + exp(-x)), and its pieces, on which silu, softplus and gelu's tanh form build.
#pragma once

#include <cmath>

#include <rill/core/elementwise.hpp>
#include <rill/core/lanewise.hpp>

namespace rill {

namespace detail {

// With e = exp(-|x|), nothing overflows and neither tail is a difference of near numbers. What 1 + e lost to rounding is
// made up for: without it, f32 is off by up to 2.1 ulp.
template <class T>
T logistic(T x) {
  const T e = lanewise::exp_of_negative(-std::abs(x)), sum = 1 + e, lost = e - (sum - 1);
  const T y = (x < T(0) ? e : T(1)) / sum;
  return y - y * lost;
}
/// The same, to be rounded to T.
template <class T>
double logistic_as(double x) {
  const double e = lanewise::exp_as<T>(-std::abs(x));
  return (x < 0 ? e : 1) / (1 + e);
}
/// logistic(x) · (1 - logistic(x)), to be rounded to T.
template <class T>
double logistic_slope_as(double x) {
  const double e = lanewise::exp_as<T>(-std::abs(x));
  return e / ((1 + e) * (1 + e));
}

}  // namespace detail

namespace ops {

/// y = 1 / (1 + exp(-x)); dy/dx = y (1 - y), accurate in both tails. The in-place form reads y, so that the error of
/// dy/dx is absolute (1e-7 in f32), not relative.
struct Sigmoid {
  static constexpr std::string_view name = "sigmoid";

  template <class T>
  T value(T x) const {
    return detail::logistic(x);
  }
  template <class T>
  T slope_from_input(T x) const {
    return static_cast<T>(detail::logistic_slope_as<T>(double{x}));
  }
  template <class T>
  T slope_from_output(T y) const {
    return y * (1 - y);
  }
  template <class T>
  T curvature_from_input(T x) const {
    return static_cast<T>(detail::logistic_slope_as<T>(double{x}) * -std::tanh(double{x} / 2));
  }
  template <class T>
  T curvature_from_output(T y) const {
    return 1 - 2 * y;
  }

  ActivationInfo activation() const { return {.flat_below = -std::log(99.0), .flat_above = std::log(99.0)}; }
  static std::vector<Sigmoid> samples() { return {{}}; }
};

extern template struct Elementwise<Sigmoid>;
extern template struct Elementwise<Sigmoid, true>;
extern template struct Slope<Sigmoid, false>;
extern template struct Slope<Sigmoid, true>;

}  // namespace ops

/// 1 / (1 + exp(-x)); any shape, f32 or f64.
Tensor sigmoid(const Tensor& x);

}  // namespace rill
