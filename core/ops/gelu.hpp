// gelu(x) = x · Φ(x), Φ the distribution function of the standard normal; and the approximation of it by tanh
// (Hendrycks, Gimpel, arXiv 1606.08415).
#pragma once

#include <algorithm>
#include <cmath>
#include <numbers>

#include <rill/core/ops/sigmoid.hpp>

namespace rill {
namespace ops {

// Beyond it Φ is 0 or 1 in double, in either form: no infinity is multiplied by 0.
inline constexpr double gelu_limit = 64;

/// y = x · Φ(x) = x/2 · erfc(-x / √2), which keeps the left tail; dy/dx = Φ(x) + x φ(x), φ the normal density. At -inf
/// both are 0, their limit; PyTorch has NaN there. In f32 dy/dx is accurate also next to its zero at -0.752.
struct Gelu {
  static constexpr std::string_view name = "gelu";

  template <class T>
  T value(T x) const {
    return static_cast<T>(std::max(double{x}, -gelu_limit) * below(x));
  }
  template <class T>
  T slope_from_input(T x) const {
    const double t = std::clamp(double{x}, -gelu_limit, gelu_limit);
    return static_cast<T>(below(t) + t * density(t));
  }
  template <class T>
  T curvature_from_input(T x) const {
    const double t = std::clamp(double{x}, -gelu_limit, gelu_limit);
    return static_cast<T>(density(t) * (2 - t * t));
  }

  ActivationInfo activation() const { return {.flat_below = -2.35}; }
  static std::vector<Gelu> samples() { return {{}}; }

 private:
  static double below(double x) { return 0.5 * std::erfc(x * (-1 / std::numbers::sqrt2)); }
  static double density(double x) {
    return std::exp(-0.5 * x * x) * (std::numbers::inv_sqrtpi / std::numbers::sqrt2);
  }
};

/// y = x/2 · (1 + tanh(u)) = x · sigmoid(2u) with u = √(2/π) (x + 0.044715 x³): PyTorch's approximate="tanh".
struct GeluTanh {
  static constexpr std::string_view name = "gelu_tanh";

  template <class T>
  T value(T x) const {
    return static_cast<T>(std::max(double{x}, -gelu_limit) * detail::logistic_as<T>(twice_u(x)));
  }
  template <class T>
  T slope_from_input(T x) const {
    const double t = std::clamp(double{x}, -gelu_limit, gelu_limit), v = twice_u(t);
    return static_cast<T>(detail::logistic_as<T>(v) + t * detail::logistic_slope_as<T>(v) * twice_u_slope(t));
  }
  template <class T>
  T curvature_from_input(T x) const {
    const double t = std::clamp(double{x}, -gelu_limit, gelu_limit), v = twice_u(t), dv = twice_u_slope(t);
    const double of_slope = -std::tanh(v / 2) * dv * dv + 6 * factor * cubic * t;
    return static_cast<T>(detail::logistic_slope_as<T>(v) * (2 * dv + t * of_slope));
  }

  ActivationInfo activation() const { return {.flat_below = -2.35}; }
  static std::vector<GeluTanh> samples() { return {{}}; }

 private:
  static constexpr double cubic = 0.044715;
  static constexpr double factor = 2 * std::numbers::sqrt2 * std::numbers::inv_sqrtpi;
  static double twice_u(double x) { return factor * (x + cubic * x * x * x); }
  static double twice_u_slope(double x) { return factor * (1 + 3 * cubic * x * x); }
};

extern template struct Elementwise<Gelu>;
extern template struct Elementwise<GeluTanh>;
extern template struct Slope<Gelu, false>;
extern template struct Slope<GeluTanh, false>;

}  // namespace ops

enum class GeluApproximation {
  none,  ///< x · Φ(x)
  tanh   ///< x/2 · (1 + tanh(√(2/π) (x + 0.044715 x³)))
};

/// x · Φ(x) or its approximation; any shape, f32 or f64.
Tensor gelu(const Tensor& x, GeluApproximation approximation = GeluApproximation::none);

}  // namespace rill
