// Activations and their derivatives in a wider type.
#pragma once

#include <algorithm>
#include <cmath>
#include <numbers>

#include <rill/core/op_list.hpp>

#include "ulp_bounds.hpp"

namespace rill::trust {

template <class R>
R relu_of(R x, double below, double slope) {
  const R s = static_cast<float>(slope);
  return x > R(below) ? x : (s == 0 && x <= R(below) ? R(0) : s * (x - R(below)));
}

template <class R>
R logistic(R x) {
  return 1 / (1 + exp_of(-x));
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
  static constexpr Bounds bounds{1, 1};
  template <class R>
  static R value(const ops::Elu& f, R x) {
    return x > 0 ? x : R(static_cast<float>(f.alpha)) * std::expm1(x);
  }
  template <class R>
  static R slope(const ops::Elu& f, R x) {
    return x > 0 ? 1 : R(static_cast<float>(f.alpha)) * exp_of(x);
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
    return R(f.scale) * (x > 0 ? 1 : R(f.alpha) * exp_of(x));
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
    return x > 0 ? 1 : exp_of(x / R(f.alpha));
  }
};

template <>
struct Reference<ops::Gelu> {
  static constexpr Bounds bounds{0.51, 1};
  template <class R>
  static R value(const ops::Gelu&, R x) {
    return std::max(x, R(-30)) * below(std::max(x, R(-30)));
  }
  template <class R>
  static R slope(const ops::Gelu&, R x) {
    const R t = std::clamp(x, R(-30), R(30));
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
    return z > R(f.threshold) ? x : ((z > 0 ? z : 0) + std::log1p(exp_of(-std::abs(z)))) / R(f.beta);
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
    const R c = std::cosh(std::clamp(x, R(-300), R(300)));
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

}  // namespace rill::trust
