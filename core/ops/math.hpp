// Mathematical functions, element by element: neg, exp, log, sqrt, rsqrt, reciprocal, abs, sin, cos, square, clamp.
//
// Results outside of a domain are IEEE's, as in PyTorch: sqrt(-1) is NaN, log(0) is -inf, 1 / 0 is inf.
#pragma once

#include <cmath>

#include <rill/core/elementwise.hpp>
#include <rill/core/lanewise.hpp>

namespace rill {
namespace ops {

/// y = -x; dx = -g. An op of its own: its gradient reads nothing, and has gradients of every order.
struct Neg {
  static constexpr std::string_view name = "neg";
  Meta infer(const Tensor& x) const;
  void forward(const Tensor& x, Tensor& y) const;
  Tensor gradient(const Incoming& g) const { return -g[0]; }
  static std::vector<Sample<Neg>> samples();
};

/// y = eˣ; dy/dx = y.
struct Exp {
  static constexpr std::string_view name = "exp";
  template <class T>
  T value(T x) const {
    return lanewise::exp(x);
  }
  template <class T>
  T slope_from_output(T y) const {
    return y;
  }
  template <class T>
  T curvature_from_output(T) const {
    return 1;
  }
  static std::vector<Exp> samples() { return {{}}; }
};

/// y = ln x; dy/dx = 1 / x, also where x < 0 and y is NaN, as in PyTorch.
struct Log {
  static constexpr std::string_view name = "log";
  static constexpr auto domain = SampleInput::Kind::positive;
  template <class T>
  T value(T x) const {
    return std::log(x);
  }
  template <class T>
  T slope_from_input(T x) const {
    return 1 / x;
  }
  template <class T>
  T curvature_from_input(T x) const {
    return -1 / x / x;
  }
  static std::vector<Log> samples() { return {{}}; }
};

/// y = √x; dy/dx = 1 / 2y, so inf at 0, as in PyTorch.
struct Sqrt {
  static constexpr std::string_view name = "sqrt";
  static constexpr auto domain = SampleInput::Kind::positive;
  template <class T>
  T value(T x) const {
    return std::sqrt(x);
  }
  template <class T>
  T slope_from_output(T y) const {
    return T(0.5) / y;
  }
  template <class T>
  T curvature_from_output(T y) const {
    return T(-0.5) / y / y;
  }
  static std::vector<Sqrt> samples() { return {{}}; }
};

/// y = 1 / √x; dy/dx = -y³ / 2.
struct Rsqrt {
  static constexpr std::string_view name = "rsqrt";
  static constexpr auto domain = SampleInput::Kind::positive;
  template <class T>
  T value(T x) const {
    return 1 / std::sqrt(x);
  }
  template <class T>
  T slope_from_output(T y) const {
    return T(-0.5) * y * y * y;
  }
  template <class T>
  T curvature_from_output(T y) const {
    return T(-1.5) * y * y;
  }
  static std::vector<Rsqrt> samples() { return {{}}; }
};

/// y = 1 / x; dy/dx = -y².
struct Reciprocal {
  static constexpr std::string_view name = "reciprocal";
  template <class T>
  T value(T x) const {
    return 1 / x;
  }
  template <class T>
  T slope_from_output(T y) const {
    return -y * y;
  }
  template <class T>
  T curvature_from_output(T y) const {
    return -2 * y;
  }
  static std::vector<Reciprocal> samples() { return {{}}; }
};

/// y = |x|; dy/dx = the sign of x, so 0 at 0, as in PyTorch.
struct Abs {
  static constexpr std::string_view name = "abs";
  template <class T>
  T value(T x) const {
    return std::abs(x);
  }
  template <class T>
  T slope_from_input(T x) const {
    return x > T(0) ? T(1) : (x < T(0) ? T(-1) : T(0));
  }
  static std::vector<Abs> samples() { return {{}}; }
};

/// y = sin x, x in radians; dy/dx = cos x.
struct Sin {
  static constexpr std::string_view name = "sin";
  template <class T>
  T value(T x) const {
    return std::sin(x);
  }
  template <class T>
  T slope_from_input(T x) const {
    return std::cos(x);
  }
  template <class T>
  T curvature_from_input(T x) const {
    return -std::sin(x);
  }
  static std::vector<Sin> samples() { return {{}}; }
};

/// y = cos x, x in radians; dy/dx = -sin x.
struct Cos {
  static constexpr std::string_view name = "cos";
  template <class T>
  T value(T x) const {
    return std::cos(x);
  }
  template <class T>
  T slope_from_input(T x) const {
    return -std::sin(x);
  }
  template <class T>
  T curvature_from_input(T x) const {
    return -std::cos(x);
  }
  static std::vector<Cos> samples() { return {{}}; }
};

/// y = x²; dy/dx = 2x.
struct Square {
  static constexpr std::string_view name = "square";
  template <class T>
  T value(T x) const {
    return x * x;
  }
  template <class T>
  T slope_from_input(T x) const {
    return 2 * x;
  }
  template <class T>
  T curvature_from_input(T) const {
    return 2;
  }
  static std::vector<Square> samples() { return {{}}; }
};

/// y = min(max(x, low), high), so high everywhere if low > high (NaN goes through); dy/dx = [low <= x <= high], so 1 at
/// the bounds, as in PyTorch.
struct Clamp {
  static constexpr std::string_view name = "clamp";
  static constexpr bool flat_parts = true;
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();

  /// Throws Error if a bound is NaN.
  void check(DType dtype) const;

  template <class T>
  T value(T x) const {
    const T raised = x < bound<T>(low) ? bound<T>(low) : x;
    return raised > bound<T>(high) ? bound<T>(high) : raised;
  }
  template <class T>
  T slope_from_input(T x) const {
    return x >= bound<T>(low) && x <= bound<T>(high) ? T(1) : T(0);
  }

  static std::vector<Clamp> samples();

 private:
  // A bound that T cannot hold bounds nothing: converting it is undefined, infinity does the same.
  template <class T>
  static T bound(double value) {
    constexpr double most = std::numeric_limits<T>::max();
    constexpr T infinity = std::numeric_limits<T>::infinity();
    return value > most ? infinity : (value < -most ? -infinity : static_cast<T>(value));
  }
};

extern template struct Elementwise<Exp>;
extern template struct Elementwise<Log>;
extern template struct Elementwise<Sqrt>;
extern template struct Elementwise<Rsqrt>;
extern template struct Elementwise<Reciprocal>;
extern template struct Elementwise<Abs>;
extern template struct Elementwise<Sin>;
extern template struct Elementwise<Cos>;
extern template struct Elementwise<Square>;
extern template struct Elementwise<Clamp>;
extern template struct Slope<Exp, true>;
extern template struct Slope<Log, false>;
extern template struct Slope<Sqrt, true>;
extern template struct Slope<Rsqrt, true>;
extern template struct Slope<Reciprocal, true>;
extern template struct Slope<Abs, false>;
extern template struct Slope<Sin, false>;
extern template struct Slope<Cos, false>;
extern template struct Slope<Square, false>;
extern template struct Slope<Clamp, false>;

}  // namespace ops

// Any shape, f32 or f64.
Tensor neg(const Tensor& x);         ///< -x
Tensor exp(const Tensor& x);         ///< eˣ
Tensor log(const Tensor& x);         ///< the natural logarithm
Tensor sqrt(const Tensor& x);        ///< √x
Tensor rsqrt(const Tensor& x);       ///< 1 / √x
Tensor reciprocal(const Tensor& x);  ///< 1 / x
Tensor abs(const Tensor& x);         ///< |x|
Tensor sin(const Tensor& x);         ///< the sine of x radians
Tensor cos(const Tensor& x);         ///< the cosine of x radians
Tensor square(const Tensor& x);      ///< x²
/// x, but at least min and at most max; max everywhere if min > max, as in PyTorch. A bound may be infinite. Throws
/// Error for a NaN bound.
Tensor clamp(const Tensor& x, double min, double max);

}  // namespace rill
