// pow: a tensor to the power of a tensor or of a number.
#pragma once

#include <cmath>

#include <rill/core/elementwise.hpp>
#include <rill/core/ops/binary.hpp>

namespace rill {
namespace ops {

/// y = a^b, as std::pow: 0^0 = 1, NaN for a negative base unless b is an integer. dy/da = b · a^(b - 1), 0 where b = 0;
/// dy/db = y · log(a), 0 where a = 0 and b >= 0: PyTorch's rules.
struct Pow {
  static constexpr std::string_view name = "pow";
  Meta infer(const Tensor& a, const Tensor& b) const { return infer_binary(name, a, b); }
  void forward(const Tensor& a, const Tensor& b, Tensor& y) const;
  std::array<Tensor, 2> gradient(const Incoming& g, Input<0> a, Input<1> b, Output<0> y) const;
  static std::vector<Sample<Pow>> samples();
};

/// y = x^exponent for one number; dy/dx = exponent · x^(exponent - 1), 0 for the exponent 0.
struct PowOfNumber {
  static constexpr std::string_view name = "pow";
  double exponent = 2;

  template <class T>
  static T power(T x, T exponent) {
    if (exponent == T(0)) return T(1);
    if (exponent == T(1)) return x;
    if (exponent == T(2)) return x * x;
    if (exponent == T(-1)) return T(1) / x;
    return std::pow(x, exponent);
  }

  template <class T>
  T value(T x) const {
    return power(x, static_cast<T>(exponent));
  }
  template <class T>
  T slope_from_input(T x) const {
    const T e = static_cast<T>(exponent);
    return e == T(0) ? T(0) : e * power(x, e - T(1));
  }
  template <class T>
  T curvature_from_input(T x) const {
    const T e = static_cast<T>(exponent);
    return e == T(0) || e == T(1) ? T(0) : e * (e - T(1)) * power(x, e - T(2));
  }

  static std::vector<PowOfNumber> samples() { return {{2}, {3}, {1}, {0}, {-1}, {-2}}; }
};

extern template struct Elementwise<PowOfNumber>;
extern template struct Slope<PowOfNumber, false>;

}  // namespace ops

/// a to the power of b, element by element, with broadcasting. Throws Error for shapes or dtypes that do not fit, and for
/// i64.
Tensor pow(const Tensor& a, const Tensor& b);
/// x to the power of one number; any shape, f32 or f64.
Tensor pow(const Tensor& x, double exponent);

}  // namespace rill
