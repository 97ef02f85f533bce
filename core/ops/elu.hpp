// elu(x) = x for x > 0, else alpha · (exp(x) - 1) (Clevert, Unterthiner, Hochreiter, arXiv 1511.07289).
#pragma once

#include <algorithm>
#include <cmath>

#include <rill/core/elementwise.hpp>
#include <rill/core/lanewise.hpp>

namespace rill {
namespace ops {

/// y = x for x > 0, else alpha · expm1(x); dy/dx = 1 for x > 0, else alpha · exp(x), so alpha at 0, as in PyTorch.
/// The in-place form reads dy/dx = y + alpha, whose error is absolute (alpha · 1e-7 in f32), not relative.
/// In f32 the loops are those of kernels/exponential.hpp, for which the formulas here are the oracle.
struct Elu {
  static constexpr std::string_view name = "elu";
  double alpha = 1.0;

  /// Throws Error unless alpha is finite as x's dtype and not negative; y then has the sign of x.
  void check(DType dtype) const;

  template <class T>
  T value(T x) const {
    return x > T(0) ? x : static_cast<T>(alpha) * lanewise::expm1_of_negative(x);
  }
  template <class T>
  T slope_from_input(T x) const {
    return x > T(0) ? T(1) : static_cast<T>(alpha) * lanewise::exp_of_negative(x);
  }
  template <class T>
  T slope_from_output(T y) const {
    return y > T(0) ? T(1) : y + static_cast<T>(alpha);
  }
  template <class T>
  T curvature_from_input(T x) const {
    return x > T(0) ? T(0) : static_cast<T>(alpha) * std::exp(x);
  }
  template <class T>
  T curvature_from_output(T y) const {
    return y > T(0) ? T(0) : T(1);
  }

  void values(const float* x, float* y, std::int64_t count) const;
  void slopes(const float* g, const float* x, float* dx, std::int64_t count) const;

  ActivationInfo activation() const {
    return {.blocks_gradient = alpha == 0,
            .flat_below = std::min(0.0, std::log(0.05 / alpha)),
            .parameter = alpha};
  }
  static std::vector<Elu> samples() { return {{1.0}, {0.5}, {2.0}, {0.0}}; }
};

extern template struct Elementwise<Elu>;
extern template struct Elementwise<Elu, true>;
extern template struct Slope<Elu, false>;
extern template struct Slope<Elu, true>;

}  // namespace ops

/// x where x > 0, else alpha · (exp(x) - 1); any shape, f32 or f64. Throws Error for a negative, NaN or infinite alpha.
Tensor elu(const Tensor& x, double alpha = 1.0);

}  // namespace rill
