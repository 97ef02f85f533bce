// silu(x) = x · sigmoid(x), also called swish (Hendrycks, Gimpel, arXiv 1606.08415; Ramachandran, Zoph, Le,
// arXiv 1710.05941).
#pragma once

#include <algorithm>
#include <cmath>

#include <rill/core/ops/sigmoid.hpp>

namespace rill {
namespace ops {

/// y = x · s with s = sigmoid(x); dy/dx = s (1 + x (1 - s)). At -inf both are 0, their limit; PyTorch has NaN there.
/// In f32 dy/dx is accurate also next to its zero at -1.278.
struct Silu {
  static constexpr std::string_view name = "silu";

  template <class T>
  T value(T x) const {
    return static_cast<T>(std::max(double{x}, -limit) * detail::logistic_as<T>(double{x}));
  }
  template <class T>
  T slope_from_input(T x) const {
    const double t = std::clamp(double{x}, -limit, limit);
    return static_cast<T>(detail::logistic_as<T>(t) * (1 + t * detail::logistic_as<T>(-t)));
  }
  template <class T>
  T curvature_from_input(T x) const {
    const double t = std::clamp(double{x}, -limit, limit);
    return static_cast<T>(detail::logistic_slope_as<T>(t) * (2 - t * std::tanh(t / 2)));
  }

  ActivationInfo activation() const { return {.flat_below = -4.08}; }
  static std::vector<Silu> samples() { return {{}}; }

 private:
  // exp(-limit) is 0: further out all three are at their limits, and no infinity is multiplied by 0.
  static constexpr double limit = 800;
};

extern template struct Elementwise<Silu>;
extern template struct Slope<Silu, false>;

}  // namespace ops

/// x · sigmoid(x); any shape, f32 or f64.
Tensor silu(const Tensor& x);

}  // namespace rill
