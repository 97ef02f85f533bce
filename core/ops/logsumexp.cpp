#include <cmath>

#include <rill/core/lanewise.hpp>
#include <rill/core/ops/expand.hpp>
#include <rill/core/ops/extreme.hpp>
#include <rill/core/ops/logsumexp.hpp>
#include <rill/core/ops/pairs.hpp>

namespace rill {
namespace ops {

Meta LogSumExp::infer(const Tensor& x) const {
  RILL_CHECK(is_floating(x.dtype()), name, ": x is ", x.dtype(), ", expected f32 or f64");
  return {axes.reduced(x.shape(), axes.keepdim), x.dtype()};
}

void LogSumExp::forward(const Tensor& x, Tensor& y) const {
  Groups groups;
  const Tensor in = grouped(x, axes, groups);
  dispatch_floating(x.dtype(), name, [&]<class T>(T) {
    const T* from = in.data<T>().data();
    const auto out = y.mutable_data<T>();
    if (groups.reduced == 0) return std::fill(out.begin(), out.end(), -std::numeric_limits<T>::infinity());
    Tensor tops = empty({groups.count()}, x.dtype()), sums = empty({groups.count()}, DType::f64);
    const auto top = tops.mutable_data<T>();
    extremes_of_groups<true>(groups, from, top.data());
    for (T& value : top) value = std::isinf(value) ? T(0) : value;
    const T* shift = top.data();
    const auto sum = sums.mutable_data<double>();
    sum_groups(groups, sum.data(), 1, 10, [=](std::int64_t at, std::int64_t group) {
      return static_cast<double>(lanewise::exp(from[at] - shift[group]));
    });
    for (std::size_t i = 0; i < out.size(); ++i)
      out[i] = static_cast<T>(static_cast<double>(top[i]) + std::log(sum[i]));
  });
}

Tensor LogSumExp::gradient(const Incoming& g, Input<0> x, Output<0> y) const {
  const Tensor in = x();
  const Shape kept = axes.reduced(in.shape(), true);
  return apply(ExpOfDifference{}, in, y().reshape(kept)) * g[0].reshape(kept);
}

std::vector<Sample<LogSumExp>> LogSumExp::samples() {
  std::vector<Sample<LogSumExp>> all;
  for (const auto& [axes, input] : extreme_samples()) all.push_back({{axes}, {input}});
  all.push_back({{{0b01, false}}, {{{0, 3}}}});
  return all;
}

void ExpOfDifference::forward(const Tensor& a, const Tensor& b, Tensor& p) const {
  dispatch_floating(a.dtype(), name, [&]<class T>(T) {
    for_pairs<T, T>(a, b, p, [](T x, T of_group) {
      return x == -std::numeric_limits<T>::infinity() ? T(0) : lanewise::exp(x - of_group);
    });
  });
}

std::array<Tensor, 2> ExpOfDifference::gradient(const Incoming& g, Output<0> p) const {
  const Tensor product = g[0] * p();
  return {product, g.needs(1) ? -sum_to(product, g.input_shape(1)) : Tensor()};
}

}  // namespace ops

Tensor logsumexp(const Tensor& x, const AxisList& axes, bool keepdim) {
  return apply(ops::LogSumExp{ops::axes_of("logsumexp", x.shape(), axes, keepdim)}, x);
}
Tensor Tensor::logsumexp(const AxisList& axes, bool keepdim) const {
  return rill::logsumexp(*this, axes, keepdim);
}

}  // namespace rill
