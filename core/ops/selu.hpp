// selu(x) = scale · (x for x > 0, else alpha · (exp(x) - 1)) (Klambauer, Unterthiner, Mayr, Hochreiter,
// arXiv 1706.02515).
#pragma once

#include <cmath>

#include <rill/core/elementwise.hpp>
#include <rill/core/lanewise.hpp>

namespace rill {
namespace ops {

/// y = scale · x for x > 0, else scale · alpha · expm1(x); dy/dx = scale for x > 0, else scale · alpha · exp(x), so
/// scale · alpha at 0, as in PyTorch. The in-place form reads dy/dx = y + scale · alpha, whose error is absolute
/// (2e-7 in f32), not relative. In f32 the loops are those of kernels/exponential.hpp.
struct Selu {
  static constexpr std::string_view name = "selu";
  // The paper's fixed point: activations of mean 0 and variance 1 keep them.
  static constexpr double alpha = 1.6732632423543772;
  static constexpr double scale = 1.0507009873554805;

  template <class T>
  T value(T x) const {
    return x > T(0) ? T(scale) * x : T(scale * alpha) * lanewise::expm1_of_negative(x);
  }
  template <class T>
  T slope_from_input(T x) const {
    return x > T(0) ? T(scale) : T(scale * alpha) * lanewise::exp_of_negative(x);
  }
  template <class T>
  T slope_from_output(T y) const {
    return y > T(0) ? T(scale) : y + T(scale * alpha);
  }
  template <class T>
  T curvature_from_input(T x) const {
    return x > T(0) ? T(0) : T(scale * alpha) * std::exp(x);
  }
  template <class T>
  T curvature_from_output(T y) const {
    return y > T(0) ? T(0) : T(1);
  }

  static void values(const float* x, float* y, std::int64_t count);
  static void slopes(const float* g, const float* x, float* dx, std::int64_t count);

  ActivationInfo activation() const { return {.flat_below = std::log(0.05 / (alpha * scale))}; }
  static std::vector<Selu> samples() { return {{}}; }
};

extern template struct Elementwise<Selu>;
extern template struct Elementwise<Selu, true>;
extern template struct Slope<Selu, false>;
extern template struct Slope<Selu, true>;

}  // namespace ops

/// 1.0507 · x where x > 0, else 1.7581 · (exp(x) - 1); any shape, f32 or f64.
Tensor selu(const Tensor& x);

}  // namespace rill
