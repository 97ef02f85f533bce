#include <rill/core/ops/math.hpp>

namespace rill {

template struct ops::Elementwise<ops::Exp>;
template struct ops::Elementwise<ops::Log>;
template struct ops::Elementwise<ops::Sqrt>;
template struct ops::Elementwise<ops::Rsqrt>;
template struct ops::Elementwise<ops::Reciprocal>;
template struct ops::Elementwise<ops::Abs>;
template struct ops::Elementwise<ops::Sin>;
template struct ops::Elementwise<ops::Cos>;
template struct ops::Elementwise<ops::Square>;
template struct ops::Elementwise<ops::Clamp>;
template struct ops::Slope<ops::Exp, true>;
template struct ops::Slope<ops::Log, false>;
template struct ops::Slope<ops::Sqrt, true>;
template struct ops::Slope<ops::Rsqrt, true>;
template struct ops::Slope<ops::Reciprocal, true>;
template struct ops::Slope<ops::Abs, false>;
template struct ops::Slope<ops::Sin, false>;
template struct ops::Slope<ops::Cos, false>;
template struct ops::Slope<ops::Square, false>;
template struct ops::Slope<ops::Clamp, false>;

Meta ops::Neg::infer(const Tensor& x) const {
  RILL_CHECK(is_floating(x.dtype()), "neg: x is ", x.dtype(), ", expected f32 or f64");
  return {x.shape(), x.dtype()};
}

void ops::Neg::forward(const Tensor& x, Tensor& y) const {
  dispatch_floating(x.dtype(), name, [&]<class T>(T) {
    const T* in = x.data<T>().data();
    T* out = y.mutable_data<T>().data();
    parallel_for(y.numel(), [=](std::int64_t begin, std::int64_t end) {
      detail::independent_loop(begin, end, [=](std::int64_t i) { out[i] = -in[i]; });
    });
  });
}

std::vector<Sample<ops::Neg>> ops::Neg::samples() {
  return {{{}, {{{7}}}}, {{}, {{{2, 3, 4}}}}, {{}, {{{}}}}, {{}, {{{3, 0}}}}};
}

void ops::Clamp::check(DType) const {
  RILL_CHECK(!std::isnan(low), "clamp: min is nan, expected a number");
  RILL_CHECK(!std::isnan(high), "clamp: max is nan, expected a number");
}

// Inputs that are drawn lie between 0.1 and 1.5 from 0: no bound is near one of them.
std::vector<ops::Clamp> ops::Clamp::samples() {
  constexpr double inf = std::numeric_limits<double>::infinity();
  return {{-0.05, inf}, {-inf, 0.05}, {-2, 2}, {-0.05, 0.05}, {0.05, -0.05}};
}

Tensor neg(const Tensor& x) { return apply(ops::Neg{}, x); }
Tensor operator-(const Tensor& x) { return neg(x); }
Tensor Tensor::neg() const { return rill::neg(*this); }

Tensor exp(const Tensor& x) { return elementwise(ops::Exp{}, x); }
Tensor log(const Tensor& x) { return elementwise(ops::Log{}, x); }
Tensor sqrt(const Tensor& x) { return elementwise(ops::Sqrt{}, x); }
Tensor rsqrt(const Tensor& x) { return elementwise(ops::Rsqrt{}, x); }
Tensor reciprocal(const Tensor& x) { return elementwise(ops::Reciprocal{}, x); }
Tensor abs(const Tensor& x) { return elementwise(ops::Abs{}, x); }
Tensor sin(const Tensor& x) { return elementwise(ops::Sin{}, x); }
Tensor cos(const Tensor& x) { return elementwise(ops::Cos{}, x); }
Tensor square(const Tensor& x) { return elementwise(ops::Square{}, x); }
Tensor clamp(const Tensor& x, double min, double max) { return elementwise(ops::Clamp{min, max}, x); }

Tensor Tensor::exp() const { return rill::exp(*this); }
Tensor Tensor::log() const { return rill::log(*this); }
Tensor Tensor::sqrt() const { return rill::sqrt(*this); }
Tensor Tensor::rsqrt() const { return rill::rsqrt(*this); }
Tensor Tensor::reciprocal() const { return rill::reciprocal(*this); }
Tensor Tensor::abs() const { return rill::abs(*this); }
Tensor Tensor::sin() const { return rill::sin(*this); }
Tensor Tensor::cos() const { return rill::cos(*this); }
Tensor Tensor::square() const { return rill::square(*this); }
Tensor Tensor::clamp(double min, double max) const { return rill::clamp(*this, min, max); }

}  // namespace rill
