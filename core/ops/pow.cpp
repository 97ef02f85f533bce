#include <rill/core/ops/compare.hpp>
#include <rill/core/ops/expand.hpp>
#include <rill/core/ops/math.hpp>
#include <rill/core/ops/pairs.hpp>
#include <rill/core/ops/pow.hpp>
#include <rill/core/ops/where.hpp>

namespace rill {

template struct ops::Elementwise<ops::PowOfNumber>;
template struct ops::Slope<ops::PowOfNumber, false>;

namespace ops {

void Pow::forward(const Tensor& a, const Tensor& b, Tensor& y) const {
  dispatch_floating(y.dtype(), name, [&]<class T>(T) {
    for_pairs<T, T>(a, b, y, [](T base, T exponent) { return std::pow(base, exponent); });
  });
}

// Operands are replaced where the slope is 0 by rule: were only the slope, its own gradient would be 0 · inf there.
std::array<Tensor, 2> Pow::gradient(const Incoming& g, Input<0> a, Input<1> b, Output<0> y) const {
  const Tensor base = a(), exponent = b();
  Tensor to_base, to_exponent;
  if (g.needs(0)) {
    const Tensor constant = exponent == 0.0;
    const Tensor slope = g[0] * (exponent * pow(base, where(constant, 1.0, exponent - 1.0)));
    to_base = sum_to(where(constant, 0.0, slope), g.input_shape(0));
  }
  if (g.needs(1)) {
    const Tensor at_zero = (base == 0.0) * (exponent >= 0.0);
    const Tensor slope = g[0] * (y() * log(where(at_zero, 1.0, base)));
    to_exponent = sum_to(where(at_zero, 0.0, slope), g.input_shape(1));
  }
  return {to_base, to_exponent};
}

std::vector<Sample<Pow>> Pow::samples() {
  auto all = samples_of_binary<Pow>();
  for (auto& sample : all) sample.inputs[0].kind = SampleInput::Kind::positive;
  return all;
}

}  // namespace ops

Tensor pow(const Tensor& a, const Tensor& b) { return apply(ops::Pow{}, a, b); }
Tensor pow(const Tensor& x, double exponent) { return elementwise(ops::PowOfNumber{exponent}, x); }
Tensor Tensor::pow(const Tensor& exponent) const { return rill::pow(*this, exponent); }
Tensor Tensor::pow(double exponent) const { return rill::pow(*this, exponent); }

}  // namespace rill
