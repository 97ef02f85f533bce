#include <cmath>
#include <limits>

#include <rill/core/ops/cast.hpp>
#include <rill/core/ops/compare.hpp>
#include <rill/core/ops/pairs.hpp>

namespace rill {
namespace ops {

Meta infer_comparison(std::string_view name, const Tensor& a, const Tensor& b) {
  RILL_CHECK(a.dtype() == b.dtype(), name, ": dtypes are ", a.dtype(), " and ", b.dtype(),
             ", expected equal ones; convert one with to()");
  return {broadcast_shapes(a.shape(), b.shape(), name.data()),
          is_floating(a.dtype()) ? a.dtype() : DType::f32};
}

std::vector<std::vector<SampleInput>> comparison_samples() {
  constexpr auto few = SampleInput::Kind::labels;
  return {{{{3, 4}, few, 3}, {{3, 4}, few, 3}},
          {{{2, 3, 4}, few, 3}, {{3, 1}, few, 3}},
          {{{3, 4}}, {{4}}},
          {{{}}, {{2, 2}}},
          {{{0, 3}}, {{3}}},
          {{{1}}, {{1}}}};
}

template <class F>
void Compare<F>::forward(const Tensor& a, const Tensor& b, Tensor& y) const {
  dispatch(a.dtype(), [&]<class T>(T) {
    using Out = std::conditional_t<std::is_integral_v<T>, float, T>;
    for_pairs<T, Out>(a, b, y, [](T p, T q) { return F{}(p, q) ? Out(1) : Out(0); });
  });
}

template struct Compare<IsEqual>;
template struct Compare<IsNotEqual>;
template struct Compare<IsLess>;
template struct Compare<IsLessOrEqual>;
template struct Compare<IsGreater>;
template struct Compare<IsGreaterOrEqual>;
template struct Compare<IsSame>;

}  // namespace ops

namespace {

template <class F>
Tensor compare(const Tensor& a, const Tensor& b) {
  const NoGrad no_grad;
  return apply(ops::Compare<F>{}, a, b);
}

template <class F>
Tensor compare(const Tensor& a, double b) {
  const bool integer = b >= -0x1p63 && b < 0x1p63 && b == std::trunc(b);
  if (is_floating(a.dtype()) || integer) return compare<F>(a, full({}, b, a.dtype()));
  // No i64 equals b. Rounding to f64 carries none across a fraction, but some up to 2^63; beyond that, b may as well be
  // infinite.
  constexpr double inf = std::numeric_limits<double>::infinity();
  const double apart = std::abs(b) >= 0x1p63 ? std::copysign(inf, b) : b;
  return to(compare<F>(to(a, DType::f64), full({}, apart, DType::f64)), DType::f32);
}

}  // namespace

Tensor eq(const Tensor& a, const Tensor& b) { return compare<ops::IsEqual>(a, b); }
Tensor ne(const Tensor& a, const Tensor& b) { return compare<ops::IsNotEqual>(a, b); }
Tensor lt(const Tensor& a, const Tensor& b) { return compare<ops::IsLess>(a, b); }
Tensor le(const Tensor& a, const Tensor& b) { return compare<ops::IsLessOrEqual>(a, b); }
Tensor gt(const Tensor& a, const Tensor& b) { return compare<ops::IsGreater>(a, b); }
Tensor ge(const Tensor& a, const Tensor& b) { return compare<ops::IsGreaterOrEqual>(a, b); }
Tensor eq(const Tensor& a, double b) { return compare<ops::IsEqual>(a, b); }
Tensor ne(const Tensor& a, double b) { return compare<ops::IsNotEqual>(a, b); }
Tensor lt(const Tensor& a, double b) { return compare<ops::IsLess>(a, b); }
Tensor le(const Tensor& a, double b) { return compare<ops::IsLessOrEqual>(a, b); }
Tensor gt(const Tensor& a, double b) { return compare<ops::IsGreater>(a, b); }
Tensor ge(const Tensor& a, double b) { return compare<ops::IsGreaterOrEqual>(a, b); }

Tensor operator==(const Tensor& a, const Tensor& b) { return eq(a, b); }
Tensor operator!=(const Tensor& a, const Tensor& b) { return ne(a, b); }
Tensor operator<(const Tensor& a, const Tensor& b) { return lt(a, b); }
Tensor operator<=(const Tensor& a, const Tensor& b) { return le(a, b); }
Tensor operator>(const Tensor& a, const Tensor& b) { return gt(a, b); }
Tensor operator>=(const Tensor& a, const Tensor& b) { return ge(a, b); }
Tensor operator==(const Tensor& a, double b) { return eq(a, b); }
Tensor operator!=(const Tensor& a, double b) { return ne(a, b); }
Tensor operator<(const Tensor& a, double b) { return lt(a, b); }
Tensor operator<=(const Tensor& a, double b) { return le(a, b); }
Tensor operator>(const Tensor& a, double b) { return gt(a, b); }
Tensor operator>=(const Tensor& a, double b) { return ge(a, b); }

}  // namespace rill
