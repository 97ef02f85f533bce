// celu(x) = x for x > 0, else alpha · (exp(x / alpha) - 1) (Barron, arXiv 1704.07483).
#pragma once

#include <cmath>

#include <rill/core/elementwise.hpp>
#include <rill/core/lanewise.hpp>

namespace rill {
namespace ops {

/// y = x for x > 0, else alpha · expm1(x / alpha); dy/dx = 1 for x > 0, else exp(x / alpha), so 1 at 0. The in-place
/// form reads dy/dx = 1 + y / alpha, whose error is absolute (1e-7 in f32), not relative.
struct Celu {
  static constexpr std::string_view name = "celu";
  double alpha = 1.0;

  /// Throws Error unless alpha is finite and above 0 as x's dtype; y then has the sign of x.
  void check(DType dtype) const;

  // In double: exp would magnify the rounding of x / alpha.
  template <class T>
  T value(T x) const {
    return x > T(0) ? x : static_cast<T>(alpha * lanewise::expm1_as<T>(double{x} / alpha));
  }
  template <class T>
  T slope_from_input(T x) const {
    return x > T(0) ? T(1) : static_cast<T>(lanewise::exp_as<T>(double{x} / alpha));
  }
  template <class T>
  T slope_from_output(T y) const {
    return y > T(0) ? T(1) : 1 + y / static_cast<T>(alpha);
  }
  template <class T>
  T curvature_from_input(T x) const {
    return x > T(0) ? T(0) : static_cast<T>(std::exp(double{x} / alpha) / alpha);
  }
  template <class T>
  T curvature_from_output(T y) const {
    return y > T(0) ? T(0) : 1 / static_cast<T>(alpha);
  }

  ActivationInfo activation() const { return {.flat_below = alpha * std::log(0.05), .parameter = alpha}; }
  static std::vector<Celu> samples() { return {{1.0}, {0.5}, {2.0}}; }
};

extern template struct Elementwise<Celu>;
extern template struct Elementwise<Celu, true>;
extern template struct Slope<Celu, false>;
extern template struct Slope<Celu, true>;

}  // namespace ops

/// x where x > 0, else alpha · (exp(x / alpha) - 1); any shape, f32 or f64. Throws Error unless alpha is finite and
/// above 0.
Tensor celu(const Tensor& x, double alpha = 1.0);

}  // namespace rill
