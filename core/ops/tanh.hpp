// tanh(x), the hyperbolic tangent.
#pragma once

#include <cmath>

#include <rill/core/elementwise.hpp>
#include <rill/core/lanewise.hpp>

namespace rill {
namespace ops {

/// y = tanh(x); dy/dx = 1 - y², as 1 / cosh²(x), which is accurate in both tails. The in-place form reads y, so that
/// the error of dy/dx is absolute (1e-7 in f32), not relative.
struct Tanh {
  static constexpr std::string_view name = "tanh";

  // In double: libm's tanhf is off by more than 2 ulp, and slower.
  template <class T>
  T value(T x) const {
    const double less = lanewise::expm1_as<T>(-2 * std::abs(double{x}));
    return static_cast<T>(std::copysign(less / (2 + less), double{x}));
  }
  template <class T>
  T slope_from_input(T x) const {
    return static_cast<T>(slope<T>(double{x}));
  }
  template <class T>
  T slope_from_output(T y) const {
    return (1 - y) * (1 + y);
  }
  template <class T>
  T curvature_from_input(T x) const {
    return static_cast<T>(-2 * std::tanh(double{x}) * slope<T>(double{x}));
  }
  template <class T>
  T curvature_from_output(T y) const {
    return -2 * y;
  }

  ActivationInfo activation() const {
    return {.flat_below = -std::atanh(0.99), .flat_above = std::atanh(0.99)};
  }
  static std::vector<Tanh> samples() { return {{}}; }

 private:
  template <class T>
  static double slope(double x) {
    const double e = lanewise::exp_as<T>(-2 * std::abs(x));
    return 4 * e / ((1 + e) * (1 + e));
  }
};

extern template struct Elementwise<Tanh>;
extern template struct Elementwise<Tanh, true>;
extern template struct Slope<Tanh, false>;
extern template struct Slope<Tanh, true>;

}  // namespace ops

/// The hyperbolic tangent; any shape, f32 or f64.
Tensor tanh(const Tensor& x);

}  // namespace rill
