// relu(x) = max(0, x).
#pragma once

#include <rill/core/elementwise.hpp>

namespace rill {
namespace ops {

/// y = 0 for x <= 0, else x (NaN goes through); dy/dx = [y > 0], so 0 at 0, as in PyTorch.
struct Relu {
  static constexpr std::string_view name = "relu";
  static constexpr bool flat_parts = true;

  template <class T>
  T value(T x) const {
    return x <= T(0) ? T(0) : x;
  }
  template <class T>
  T slope_from_output(T y) const {
    return y > T(0) ? T(1) : T(0);
  }

  ActivationInfo activation() const { return {.blocks_gradient = true}; }
  static std::vector<Relu> samples() { return {{}}; }
};

extern template struct Elementwise<Relu>;
extern template struct Slope<Relu, true>;

}  // namespace ops

/// max(0, x); any shape, f32 or f64.
Tensor relu(const Tensor& x);

}  // namespace rill
