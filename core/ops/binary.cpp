#include <rill/core/ops/binary.hpp>
#include <rill/core/ops/expand.hpp>
#include <rill/core/ops/pairs.hpp>

namespace rill {
namespace ops {
namespace {

template <class F>
void run(const Tensor& a, const Tensor& b, Tensor& y, F f) {
  dispatch_floating(y.dtype(), "binary", [&]<class T>(T) { for_pairs<T, T>(a, b, y, f); });
}

}  // namespace

Meta infer_binary(std::string_view name, const Tensor& a, const Tensor& b) {
  RILL_CHECK(a.dtype() == b.dtype(), name, ": dtypes are ", a.dtype(), " and ", b.dtype(),
             ", expected equal ones; convert one with to()");
  RILL_CHECK(is_floating(a.dtype()), name, ": dtype is ", a.dtype(), ", expected f32 or f64");
  return {broadcast_shapes(a.shape(), b.shape(), name.data()), a.dtype()};
}

std::vector<std::vector<SampleInput>> binary_samples() {
  return {{{{3, 4}}, {{3, 4}}}, {{{3, 4}}, {{4}}},       {{{3, 1}}, {{1, 4}}}, {{{2, 3, 4}}, {{3, 1}}},
          {{{}}, {{2, 2}}},     {{{2, 2}}, {{}}},        {{{}}, {{}}},         {{{0, 3}}, {{3}}},
          {{{1}}, {{5}}},       {{{2, 1, 3}}, {{4, 1}}}, {{{4}}, {{2, 3, 4}}}};
}

void Add::forward(const Tensor& a, const Tensor& b, Tensor& y) const {
  run(a, b, y, [](auto p, auto q) { return p + q; });
}
void Sub::forward(const Tensor& a, const Tensor& b, Tensor& y) const {
  run(a, b, y, [](auto p, auto q) { return p - q; });
}
void Mul::forward(const Tensor& a, const Tensor& b, Tensor& y) const {
  run(a, b, y, [](auto p, auto q) { return p * q; });
}
void Div::forward(const Tensor& a, const Tensor& b, Tensor& y) const {
  run(a, b, y, [](auto p, auto q) { return p / q; });
}

std::array<Tensor, 2> Add::gradient(const Incoming& g) const {
  return {g.needs(0) ? sum_to(g[0], g.input_shape(0)) : Tensor(),
          g.needs(1) ? sum_to(g[0], g.input_shape(1)) : Tensor()};
}

std::array<Tensor, 2> Sub::gradient(const Incoming& g) const {
  return {g.needs(0) ? sum_to(g[0], g.input_shape(0)) : Tensor(),
          g.needs(1) ? sum_to(-g[0], g.input_shape(1)) : Tensor()};
}

std::array<Tensor, 2> Mul::gradient(const Incoming& g, Input<0> a, Input<1> b) const {
  return {g.needs(0) ? sum_to(g[0] * b(), g.input_shape(0)) : Tensor(),
          g.needs(1) ? sum_to(g[0] * a(), g.input_shape(1)) : Tensor()};
}

// d(a/b)/db = -y/b.
std::array<Tensor, 2> Div::gradient(const Incoming& g, Input<1> b, Output<0> y) const {
  const Tensor quotient = g[0] / b();
  return {g.needs(0) ? sum_to(quotient, g.input_shape(0)) : Tensor(),
          g.needs(1) ? sum_to(-(quotient * y()), g.input_shape(1)) : Tensor()};
}

}  // namespace ops

namespace detail {

void add_into(Tensor& sum, const Tensor& term) {
  const std::array<const Tensor*, 2> from{&sum, &term};
  Observed observed("add_");
  ops::Add{}.forward(sum, term, sum);
  observed.done(from, {&sum, 1});
}

}  // namespace detail

namespace {
Tensor number(double value, const Tensor& like) { return full({}, value, like.dtype()); }
}  // namespace

Tensor operator+(const Tensor& a, const Tensor& b) { return apply(ops::Add{}, a, b); }
Tensor operator-(const Tensor& a, const Tensor& b) { return apply(ops::Sub{}, a, b); }
Tensor operator*(const Tensor& a, const Tensor& b) { return apply(ops::Mul{}, a, b); }
Tensor operator/(const Tensor& a, const Tensor& b) { return apply(ops::Div{}, a, b); }
Tensor operator+(const Tensor& a, double b) { return a + number(b, a); }
Tensor operator-(const Tensor& a, double b) { return a - number(b, a); }
Tensor operator*(const Tensor& a, double b) { return a * number(b, a); }
Tensor operator/(const Tensor& a, double b) { return a / number(b, a); }
Tensor operator+(double a, const Tensor& b) { return number(a, b) + b; }
Tensor operator-(double a, const Tensor& b) { return number(a, b) - b; }
Tensor operator*(double a, const Tensor& b) { return number(a, b) * b; }
Tensor operator/(double a, const Tensor& b) { return number(a, b) / b; }

Tensor Tensor::add(const Tensor& other) const { return *this + other; }
Tensor Tensor::sub(const Tensor& other) const { return *this - other; }
Tensor Tensor::mul(const Tensor& other) const { return *this * other; }
Tensor Tensor::div(const Tensor& other) const { return *this / other; }

}  // namespace rill
