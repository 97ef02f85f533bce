// leaky_relu(x) = x for x > 0, else negative_slope · x (Maas, Hannun, Ng, "Rectifier nonlinearities improve neural
// network acoustic models", 2013).
#pragma once

#include <rill/core/elementwise.hpp>
#include <rill/core/ops/relu.hpp>

namespace rill {
namespace ops {

/// y = x for x > 0, else slope · x; slope 0 equals relu everywhere, also at -inf. dy/dx = 1 for y > 0, else slope:
/// zero belongs to the negative side, as in PyTorch.
struct LeakyRelu {
  static constexpr std::string_view name = "leaky_relu";
  double negative_slope = 0.01;

  using Flat = Relu;
  bool is_flat() const { return negative_slope == 0; }

  /// Throws Error unless negative_slope is finite as x's dtype and not negative; y then has the sign of x, so the slope can be
  /// read from the result.
  void check(DType dtype) const;

  template <class T>
  T value(T x) const {
    const T slope = static_cast<T>(negative_slope);
    if (slope == T(0)) return x <= T(0) ? T(0) : x;
    return x > T(0) ? x : slope * x;
  }
  template <class T>
  T slope_from_output(T y) const {
    return y > T(0) ? T(1) : static_cast<T>(negative_slope);
  }

  ActivationInfo activation() const {
    return {.blocks_gradient = negative_slope == 0, .parameter = negative_slope};
  }
  static std::vector<LeakyRelu> samples() { return {{0.01}, {0.3}, {0.0}, {1.0}, {1.5}}; }
};

extern template struct Elementwise<LeakyRelu>;
extern template struct Slope<LeakyRelu, true>;

}  // namespace ops

/// x where x > 0, else negative_slope · x; any shape, f32 or f64. The default 0.01 is PyTorch's; the layer
/// nn::LeakyReLU has 0.3. Throws Error for a negative, NaN or infinite slope.
Tensor leaky_relu(const Tensor& x, double negative_slope = 0.01);

}  // namespace rill
