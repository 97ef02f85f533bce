#include <rill/core/ops/reduce.hpp>
#include <rill/core/ops/var.hpp>

namespace rill {
namespace ops {
namespace {

double divisor(const Axes& axes, const Shape& shape, double correction) {
  return std::max(static_cast<double>(axes.count(shape)) - correction, 0.0);
}

}  // namespace

Meta Var::infer(const Tensor& x) const {
  RILL_CHECK(is_floating(x.dtype()), name, ": x is ", x.dtype(), ", expected f32 or f64");
  return {axes.reduced(x.shape(), axes.keepdim), x.dtype()};
}

void Var::forward(const Tensor& x, Tensor& y) const {
  Groups groups;
  const Tensor in = grouped(x, axes, groups);
  dispatch_floating(x.dtype(), name, [&]<class T>(T) {
    const T* from = in.data<T>().data();
    Tensor means = empty({groups.count()}, DType::f64);
    double* mean = means.mutable_data<double>().data();
    sum_groups(groups, mean, 1 / static_cast<double>(groups.reduced), 1,
               [=](std::int64_t at, std::int64_t) { return static_cast<double>(from[at]); });
    sum_groups(groups, y.mutable_data<T>().data(), 1 / divisor(axes, x.shape(), correction), 1,
               [=](std::int64_t at, std::int64_t group) {
                 const double apart = static_cast<double>(from[at]) - mean[group];
                 return apart * apart;
               });
  });
}

// dx = g · 2 (x - mean x) / (n - correction): what the mean takes part in sums up to 0.
Tensor Var::gradient(const Incoming& g, Input<0> x) const {
  const Tensor in = x();
  const Tensor mean = apply(Mean{Axes{axes.mask, true}}, in);
  const Tensor scaled =
      g[0].reshape(axes.reduced(in.shape(), true)) * (2 / divisor(axes, in.shape(), correction));
  return (in - mean) * scaled;
}

std::vector<Sample<Var>> Var::samples() {
  return {{{{0b1, false}}, {{{5}}}},         {{{0b11, false}, 0}, {{{3, 4}}}},
          {{{0b10, true}}, {{{3, 4}}}},      {{{0b01, false}}, {{{3, 4}}}},
          {{{0b101, false}}, {{{2, 3, 4}}}}, {{{0b010, true}, 0}, {{{2, 3, 4}}}},
          {{{0b110, true}}, {{{2, 3, 4}}}},  {{{0b10, false}, 0}, {{{3, 1}}}},
          {{{0b10, false}}, {{{0, 3}}}}};
}

}  // namespace ops

Tensor var(const Tensor& x, const AxisList& axes, bool keepdim, double correction) {
  return apply(ops::Var{ops::axes_of("var", x.shape(), axes, keepdim), correction}, x);
}

Tensor Tensor::var() const { return rill::var(*this); }
Tensor Tensor::var(const AxisList& axes, bool keepdim) const { return rill::var(*this, axes, keepdim); }

}  // namespace rill
