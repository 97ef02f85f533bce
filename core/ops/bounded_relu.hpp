// bounded_relu(x): relu with a ceiling, a slope below and a threshold, as Keras' layer ReLU.
#pragma once

#include <limits>

#include <rill/core/elementwise.hpp>

namespace rill {

struct BoundedReluOptions {
  double negative_slope = 0;
  double max_value = std::numeric_limits<double>::infinity();
  double threshold = 0;
};

namespace ops {

/// y = min(x, max_value) for x > threshold, else slope · (x - threshold), which is 0 for slope 0, also at -inf; dy/dx = 1
/// between threshold and max_value, 0 from there on, slope at the threshold and below.
struct BoundedRelu {
  static constexpr std::string_view name = "bounded_relu";
  static constexpr bool flat_parts = true;
  BoundedReluOptions options = {};

  /// Throws Error unless slope and threshold are finite as x's dtype, none of the three is negative, and the ceiling is not
  /// under the threshold.
  void check(DType dtype) const;

  template <class T>
  T value(T x) const {
    const T slope = static_cast<T>(options.negative_slope), threshold = static_cast<T>(options.threshold);
    const T below = slope == T(0) ? T(0) : slope * (x - threshold);
    const T above = x > ceiling<T>() ? ceiling<T>() : x;
    return x <= threshold ? below : above;
  }
  template <class T>
  T slope_from_input(T x) const {
    const bool cut = x >= ceiling<T>() && ceiling<T>() < std::numeric_limits<T>::infinity();
    const T inside = cut ? T(0) : T(1);
    return x > static_cast<T>(options.threshold) ? inside : static_cast<T>(options.negative_slope);
  }

  ActivationInfo activation() const {
    return {.blocks_gradient = options.negative_slope == 0,
            .flat_below =
                options.negative_slope < 0.05 ? options.threshold : -std::numeric_limits<double>::infinity(),
            .flat_above = options.max_value,
            .parameter = options.negative_slope};
  }
  static std::vector<BoundedRelu> samples() {
    return {{{}}, {{0.1, 0.09, 0.05}}, {{0.25, 6, 0.05}}, {{0, 6, 0}}};
  }

 private:
  // What T cannot hold bounds nothing: converting it is undefined, infinity does the same.
  template <class T>
  T ceiling() const {
    return options.max_value > std::numeric_limits<T>::max() ? std::numeric_limits<T>::infinity()
                                                             : static_cast<T>(options.max_value);
  }
};

extern template struct Elementwise<BoundedRelu>;
extern template struct Slope<BoundedRelu, false>;

}  // namespace ops

/// min(x, max_value) where x > threshold, else negative_slope · (x - threshold); any shape, f32 or f64. relu6 is
/// {.max_value = 6}. Keras' layer ReLU, whose ThresholdedReLU is {.threshold = theta}. Throws Error for NaN, negative
/// numbers, and a max_value under the threshold.
Tensor bounded_relu(const Tensor& x, const BoundedReluOptions& options = {});

}  // namespace rill
