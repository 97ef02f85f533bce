#include <bit>

#include <rill/core/isa.hpp>
#include <rill/core/ops/expand.hpp>
#include <rill/core/ops/reduce.hpp>

namespace rill {
namespace ops {
namespace {

// Neighbouring axes [first, last] that are summed over.
struct Run {
  int first, last;
  unsigned mask() const { return (2u << last) - (1u << first); }
};

Run last_run(unsigned mask) {
  Run run{0, static_cast<int>(std::bit_width(mask)) - 1};
  for (run.first = run.last; run.first > 0 && (mask >> (run.first - 1) & 1);) --run.first;
  return run;
}

// The sums of columns: y = scale · Σ x[o, r, ...] over r, in f64.
template <class In, class Out>
void sum_columns(const Groups& groups, const In* x, double scale, Out* y) {
  const std::int64_t size = groups.reduced, columns = groups.inner;
  for_strips(groups, 1, [=](std::int64_t o, std::int64_t begin, std::int64_t width) {
    const In* first = x + o * size * columns + begin;
    Out* to = y + o * columns + begin;
    on_isa([=] {
      double sums[strip_columns] = {};
      for (std::int64_t r = 0; r < size; ++r) {
        const In* row = first + r * columns;
        for (std::int64_t i = 0; i < width; ++i) sums[i] += static_cast<double>(row[i]);
      }
      for (std::int64_t i = 0; i < width; ++i) to[i] = static_cast<Out>(sums[i] * scale);
    });
  });
}

template <class In, class Out>
void sum_run_of_axes(const Tensor& x, Run run, double scale, Tensor& y) {
  Groups groups;
  for (int i = 0; i < x.dim(); ++i)
    (i < run.first ? groups.outer : i > run.last ? groups.inner : groups.reduced) *= x.shape()[i];
  const In* in = x.data<In>().data();
  Out* out = y.mutable_data<Out>().data();
  if (groups.inner != 1) return sum_columns(groups, in, scale, out);
  sum_groups(groups, out, scale, 1,
             [=](std::int64_t at, std::int64_t) { return static_cast<double>(in[at]); });
}

// One run of neighbouring axes at a time, from the last to the first. What lies between is f64; the last step scales.
template <class T>
void reduce(const Tensor& x, const Axes& axes, double scale, Tensor& y) {
  if (axes.mask == 0) return sum_run_of_axes<T, T>(x, {0, -1}, scale, y);  // a scalar
  unsigned mask = axes.mask;
  Run run = last_run(mask);
  if (run.mask() == mask) return sum_run_of_axes<T, T>(x, run, scale, y);
  Tensor between = empty(Axes{run.mask()}.reduced(x.shape(), true), DType::f64);
  sum_run_of_axes<T, double>(x, run, 1, between);
  for (mask &= ~run.mask();; mask &= ~run.mask()) {
    run = last_run(mask);
    if (run.mask() == mask) return sum_run_of_axes<double, T>(between, run, scale, y);
    Tensor next = empty(Axes{run.mask()}.reduced(between.shape(), true), DType::f64);
    sum_run_of_axes<double, double>(between, run, 1, next);
    between = next;
  }
}

Meta infer_reduction(std::string_view name, const Tensor& x, const Axes& axes) {
  RILL_CHECK(is_floating(x.dtype()), name, ": x is ", x.dtype(), ", expected f32 or f64");
  return {axes.reduced(x.shape(), axes.keepdim), x.dtype()};
}

// The gradient of a sum: every element of a group gets the group's.
Tensor spread(const Tensor& g, const Axes& axes, const Shape& shape) {
  return expand(g.reshape(axes.reduced(shape, true)), shape);
}

template <class Op>
std::vector<Sample<Op>> reduction_samples() {
  return {{{{0b1, false}}, {{{5}}}},         {{{0b11, false}}, {{{3, 4}}}},
          {{{0b10, true}}, {{{3, 4}}}},      {{{0b01, false}}, {{{3, 4}}}},
          {{{0b101, false}}, {{{2, 3, 4}}}}, {{{0b010, true}}, {{{2, 3, 4}}}},
          {{{0b110, true}}, {{{2, 3, 4}}}},  {{{0, false}}, {{{}}}}};
}

}  // namespace

Meta Sum::infer(const Tensor& x) const { return infer_reduction(name, x, axes); }

void Sum::forward(const Tensor& x, Tensor& y) const {
  dispatch_floating(x.dtype(), name, [&]<class T>(T) { reduce<T>(x, axes, 1.0, y); });
}

Tensor Sum::gradient(const Incoming& g) const { return spread(g[0], axes, g.input_shape(0)); }

std::vector<Sample<Sum>> Sum::samples() {
  auto all = reduction_samples<Sum>();
  all.push_back({{{0b01, false}}, {{{0, 3}}}});
  return all;
}

Meta Mean::infer(const Tensor& x) const { return infer_reduction(name, x, axes); }

void Mean::forward(const Tensor& x, Tensor& y) const {
  const double scale = 1.0 / static_cast<double>(axes.count(x.shape()));
  dispatch_floating(x.dtype(), name, [&]<class T>(T) { reduce<T>(x, axes, scale, y); });
}

Tensor Mean::gradient(const Incoming& g) const {
  const Shape& shape = g.input_shape(0);
  return spread(g[0] * (1.0 / static_cast<double>(axes.count(shape))), axes, shape);
}

std::vector<Sample<Mean>> Mean::samples() { return reduction_samples<Mean>(); }

}  // namespace ops

Tensor sum(const Tensor& x, const AxisList& axes, bool keepdim) {
  return apply(ops::Sum{ops::axes_of("sum", x.shape(), axes, keepdim)}, x);
}
Tensor mean(const Tensor& x, const AxisList& axes, bool keepdim) {
  return apply(ops::Mean{ops::axes_of("mean", x.shape(), axes, keepdim)}, x);
}
Tensor Tensor::sum() const { return rill::sum(*this); }
Tensor Tensor::sum(const AxisList& axes, bool keepdim) const { return rill::sum(*this, axes, keepdim); }
Tensor Tensor::mean() const { return rill::mean(*this); }
Tensor Tensor::mean(const AxisList& axes, bool keepdim) const { return rill::mean(*this, axes, keepdim); }

}  // namespace rill
