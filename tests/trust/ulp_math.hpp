// Mathematical functions and their derivatives in a wider type.
#pragma once

#include <cmath>

#include <rill/core/op_list.hpp>

#include "ulp_bounds.hpp"

namespace rill::trust {

template <>
struct Reference<ops::Exp> {
  static constexpr Bounds bounds{1, 1};
  template <class R>
  static R value(const ops::Exp&, R x) {
    return exp_of(x);
  }
  template <class R>
  static R slope(const ops::Exp&, R x) {
    return exp_of(x);
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
