// What unary functions and their derivatives are, in a wider type R, and the bounds of rill's f32 in units in the last
// place. A formula of core/op_list.hpp without a Reference does not compile.
//
// R is double, which is good for everything but 0.01 ulp, or long double, which decides. Attributes that the formula takes
// in x's dtype are rounded to float here too. Infinities are limits: no infinity is multiplied by 0.
#pragma once

#include <algorithm>
#include <cmath>
#include <numbers>

#include <rill/core/op_list.hpp>

namespace rill::trust {

/// Of the error in ulp.
struct Bounds {
  double value, slope;
};

/// `bounds` are those of the default attributes, and of all others unless there is `others`.
template <class F>
struct Reference;

template <class R>
R relu_of(R x, double below, double slope) {
  const R s = static_cast<float>(slope);
  return x > R(below) ? x : (s == 0 && x <= R(below) ? R(0) : s * (x - R(below)));
}

template <class R>
R logistic(R x) {
  return 1 / (1 + std::exp(-x));
}

template <>
struct Reference<ops::Relu> {
  static constexpr Bounds bounds{0, 0};
  template <class R>
  static R value(const ops::Relu&, R x) {
    return x <= 0 ? 0 : x;
  }
  template <class R>
  static R slope(const ops::Relu&, R x) {
    return x > 0;
  }
};

template <>
struct Reference<ops::LeakyRelu> {
  static constexpr Bounds bounds{0.5, 0};
  template <class R>
  static R value(const ops::LeakyRelu& f, R x) {
    return relu_of(x, 0, f.negative_slope);
  }
  template <class R>
  static R slope(const ops::LeakyRelu& f, R x) {
    return x > 0 ? 1 : R(static_cast<float>(f.negative_slope));
  }
};

template <>
struct Reference<ops::BoundedRelu> {
  static constexpr Bounds bounds{0, 0}, others{1.5, 0};
  template <class R>
  static R value(const ops::BoundedRelu& f, R x) {
    const R ceiling = static_cast<float>(f.options.max_value);
    return x > ceiling ? ceiling
                       : relu_of(x, static_cast<float>(f.options.threshold), f.options.negative_slope);
  }
  template <class R>
  static R slope(const ops::BoundedRelu& f, R x) {
    const R ceiling = static_cast<float>(f.options.max_value);
    if (x > R(static_cast<float>(f.options.threshold))) return std::isinf(ceiling) || x < ceiling;
    return static_cast<float>(f.options.negative_slope);
  }
};

template <>
struct Reference<ops::Elu> {
  static constexpr Bounds bounds{1, 1}, others{2, 2};  // alpha = 2 doubles the error of denormal numbers
  template <class R>
  static R value(const ops::Elu& f, R x) {
    return x > 0 ? x : R(static_cast<float>(f.alpha)) * std::expm1(x);
  }
  template <class R>
  static R slope(const ops::Elu& f, R x) {
    return x > 0 ? 1 : R(static_cast<float>(f.alpha)) * std::exp(x);
  }
};

template <>
struct Reference<ops::Selu> {
  static constexpr Bounds bounds{2, 2};
  template <class R>
  static R value(const ops::Selu& f, R x) {
    return R(f.scale) * (x > 0 ? x : R(f.alpha) * std::expm1(x));
  }
  template <class R>
  static R slope(const ops::Selu& f, R x) {
    return R(f.scale) * (x > 0 ? 1 : R(f.alpha) * std::exp(x));
  }
};

template <>
struct Reference<ops::Celu> {
  static constexpr Bounds bounds{0.51, 0.51};
  template <class R>
  static R value(const ops::Celu& f, R x) {
    return x > 0 ? x : R(f.alpha) * std::expm1(x / R(f.alpha));
  }
  template <class R>
  static R slope(const ops::Celu& f, R x) {
    return x > 0 ? 1 : std::exp(x / R(f.alpha));
  }
};

template <>
struct Reference<ops::Gelu> {
  static constexpr Bounds bounds{0.51, 1};
  template <class R>
  static R value(const ops::Gelu&, R x) {
    return std::max(x, R(-100)) * below(std::max(x, R(-100)));
  }
  template <class R>
  static R slope(const ops::Gelu&, R x) {
    const R t = std::clamp(x, R(-100), R(100));
    return below(t) + t * std::exp(-t * t / 2) * (std::numbers::inv_sqrtpi_v<R> / std::numbers::sqrt2_v<R>);
  }
  template <class R>
  static R below(R x) {
    return std::erfc(-x / std::numbers::sqrt2_v<R>) / 2;
  }
};

template <>
struct Reference<ops::GeluTanh> {
  static constexpr Bounds bounds{0.51, 1};
  template <class R>
  static constexpr R factor = 2 * std::numbers::sqrt2_v<R>* std::numbers::inv_sqrtpi_v<R>;
  template <class R>
  static R inner(R x) {
    return factor<R> * (x + R(0.044715) * x * x * x);
  }
  template <class R>
  static R value(const ops::GeluTanh&, R x) {
    return std::max(x, R(-100)) * logistic(inner(std::max(x, R(-100))));
  }
  template <class R>
  static R slope(const ops::GeluTanh&, R x) {
    const R t = std::clamp(x, R(-64), R(64)), v = inner(t);
    return logistic(v) * (1 + t * logistic(-v) * factor<R> * (1 + 3 * R(0.044715) * t * t));
  }
};

template <>
struct Reference<ops::Silu> {
  static constexpr Bounds bounds{0.51, 1};
  template <class R>
  static R value(const ops::Silu&, R x) {
    return std::max(x, R(-1e4)) * logistic(x);
  }
  template <class R>
  static R slope(const ops::Silu&, R x) {
    const R t = std::clamp(x, R(-1e4), R(1e4));
    return logistic(t) * (1 + t * logistic(-t));
  }
};

template <>
struct Reference<ops::Softplus> {
  static constexpr Bounds bounds{0.51, 0.51};
  template <class R>
  static R value(const ops::Softplus& f, R x) {
    const R z = R(f.beta) * x;
    return z > R(f.threshold) ? x : ((z > 0 ? z : 0) + std::log1p(std::exp(-std::abs(z)))) / R(f.beta);
  }
  template <class R>
  static R slope(const ops::Softplus& f, R x) {
    const R z = R(f.beta) * x;
    return z > R(f.threshold) ? 1 : logistic(z);
  }
};

template <>
struct Reference<ops::Tanh> {
  static constexpr Bounds bounds{2, 2};
  template <class R>
  static R value(const ops::Tanh&, R x) {
    return std::tanh(x);
  }
  template <class R>
  static R slope(const ops::Tanh&, R x) {
    const R c = std::cosh(x);
    return 1 / c / c;
  }
};

template <>
struct Reference<ops::Sigmoid> {
  static constexpr Bounds bounds{2, 2};
  template <class R>
  static R value(const ops::Sigmoid&, R x) {
    return logistic(x);
  }
  template <class R>
  static R slope(const ops::Sigmoid&, R x) {
    return logistic(x) * logistic(-x);
  }
};

template <>
struct Reference<ops::Exp> {
  static constexpr Bounds bounds{1, 1};
  template <class R>
  static R value(const ops::Exp&, R x) {
    return std::exp(x);
  }
  template <class R>
  static R slope(const ops::Exp&, R x) {
    return std::exp(x);
  }
};

template <>
struct Reference<ops::Log> {
  static constexpr Bounds bounds{1, 0.5};
  template <class R>
  static R value(const ops::Log&, R x) {
    return std::log(x);
  }
  template <class R>
  static R slope(const ops::Log&, R x) {
    return 1 / x;
  }
};

template <>
struct Reference<ops::Sqrt> {
  static constexpr Bounds bounds{0.5, 1.5};
  template <class R>
  static R value(const ops::Sqrt&, R x) {
    return std::sqrt(x);
  }
  template <class R>
  static R slope(const ops::Sqrt&, R x) {
    return R(0.5) / std::sqrt(x);
  }
};

template <>
struct Reference<ops::Rsqrt> {
  static constexpr Bounds bounds{1.5, 6};
  template <class R>
  static R value(const ops::Rsqrt&, R x) {
    return 1 / std::sqrt(x);
  }
  template <class R>
  static R slope(const ops::Rsqrt&, R x) {
    const R y = 1 / std::sqrt(x);
    return R(-0.5) * y * y * y;
  }
};

template <>
struct Reference<ops::Reciprocal> {
  static constexpr Bounds bounds{0.5, 3};
  template <class R>
  static R value(const ops::Reciprocal&, R x) {
    return 1 / x;
  }
  template <class R>
  static R slope(const ops::Reciprocal&, R x) {
    return -(1 / x) * (1 / x);
  }
};

template <>
struct Reference<ops::Abs> {
  static constexpr Bounds bounds{0, 0};
  template <class R>
  static R value(const ops::Abs&, R x) {
    return std::abs(x);
  }
  template <class R>
  static R slope(const ops::Abs&, R x) {
    return R(x > 0) - R(x < 0);
  }
};

template <>
struct Reference<ops::Sin> {
  static constexpr Bounds bounds{1, 1};
  template <class R>
  static R value(const ops::Sin&, R x) {
    return std::sin(x);
  }
  template <class R>
  static R slope(const ops::Sin&, R x) {
    return std::cos(x);
  }
};

template <>
struct Reference<ops::Cos> {
  static constexpr Bounds bounds{1, 1};
  template <class R>
  static R value(const ops::Cos&, R x) {
    return std::cos(x);
  }
  template <class R>
  static R slope(const ops::Cos&, R x) {
    return -std::sin(x);
  }
};

template <>
struct Reference<ops::Square> {
  static constexpr Bounds bounds{0.5, 0};
  template <class R>
  static R value(const ops::Square&, R x) {
    return x * x;
  }
  template <class R>
  static R slope(const ops::Square&, R x) {
    return 2 * x;
  }
};

template <>
struct Reference<ops::Clamp> {
  static constexpr Bounds bounds{0, 0};
  template <class R>
  static R value(const ops::Clamp& f, R x) {
    const R low = static_cast<float>(f.low), high = static_cast<float>(f.high), raised = x < low ? low : x;
    return raised > high ? high : raised;
  }
  template <class R>
  static R slope(const ops::Clamp& f, R x) {
    return x >= R(static_cast<float>(f.low)) && x <= R(static_cast<float>(f.high));
  }
};

template <>
struct Reference<ops::PowOfNumber> {
  static constexpr Bounds bounds{1, 3};
  template <class R>
  static R value(const ops::PowOfNumber& f, R x) {
    return std::pow(x, R(static_cast<float>(f.exponent)));
  }
  template <class R>
  static R slope(const ops::PowOfNumber& f, R x) {
    const R e = static_cast<float>(f.exponent);
    return e == 0 ? 0 : e * std::pow(x, e - 1);
  }
};

}  // namespace rill::trust
