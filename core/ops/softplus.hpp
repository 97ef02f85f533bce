// softplus(x) = ln(1 + exp(beta · x)) / beta, a smooth relu (Dugas, Bengio, Bélisle, Nadeau, Garcia, "Incorporating
// second-order functional knowledge for better option pricing", 2000).
#pragma once

#include <cmath>

#include <rill/core/ops/sigmoid.hpp>

namespace rill {
namespace ops {

/// y = ln(1 + exp(beta · x)) / beta, and x where beta · x > threshold, as in PyTorch: at its threshold of 20 the two
/// differ by 2e-9 / beta, which f32 does not see. dy/dx = sigmoid(beta · x), and 1 above the threshold.
struct Softplus {
  static constexpr std::string_view name = "softplus";
  double beta = 1.0;
  double threshold = 20.0;

  /// Throws Error unless beta is finite and above 0 as x's dtype, and threshold is not NaN.
  void check(DType dtype) const;

  // In double: exp would magnify the rounding of beta · x.
  template <class T>
  T value(T x) const {
    const double z = beta * x;
    if (z > threshold) return x;
    return static_cast<T>(((z > 0 ? z : 0) + lanewise::log1p_as<T>(lanewise::exp_as<T>(-std::abs(z)))) /
                          beta);
  }
  template <class T>
  T slope_from_input(T x) const {
    const double z = beta * x;
    return z > threshold ? T(1) : static_cast<T>(detail::logistic_as<T>(z));
  }
  template <class T>
  T curvature_from_input(T x) const {
    const double z = beta * x;
    return z > threshold ? T(0) : static_cast<T>(beta * detail::logistic_slope_as<T>(z));
  }

  ActivationInfo activation() const {
    return {.flat_below = std::log(0.05 / 0.95) / beta, .parameter = beta};
  }
  static std::vector<Softplus> samples();
};

extern template struct Elementwise<Softplus>;
extern template struct Slope<Softplus, false>;

}  // namespace ops

/// ln(1 + exp(beta · x)) / beta, and x where beta · x > threshold; any shape, f32 or f64. Throws Error unless beta is
/// finite and above 0, and for a NaN threshold.
Tensor softplus(const Tensor& x, double beta = 1.0, double threshold = 20.0);

}  // namespace rill
