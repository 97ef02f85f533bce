#include <algorithm>
#include <bit>

#include <rill/core/ops/expand.hpp>
#include <rill/core/ops/reduce.hpp>
#include <rill/core/parallel.hpp>
#include <rill/core/sum.hpp>

namespace rill {
namespace ops {
namespace {

// Sums run over fixed blocks, whose partial sums are added in order: the result does not depend on the threads.
constexpr std::int64_t block_elements = 16384;

// y[o] = Σ_r x[o, r] · scale.
template <class In, class Out>
void sum_inner(const In* x, Out* y, std::int64_t outer, std::int64_t reduced, double scale) {
  if (outer >= 64 || reduced <= block_elements) {
    const std::int64_t grain =
        std::max<std::int64_t>(detail::parallel_grain / std::max<std::int64_t>(reduced, 1), 1);
    parallel_for(
        outer,
        [=](std::int64_t begin, std::int64_t end) {
          for (std::int64_t o = begin; o < end; ++o)
            y[o] = static_cast<Out>(detail::sum_run(x + o * reduced, reduced) * scale);
        },
        grain);
    return;
  }
  const std::int64_t blocks = (reduced + block_elements - 1) / block_elements;
  Tensor partial = empty({blocks}, DType::f64);
  double* sums = partial.mutable_data<double>().data();
  for (std::int64_t o = 0; o < outer; ++o) {
    parallel_tasks(blocks, [=](std::int64_t block) {
      const std::int64_t begin = block * block_elements, end = std::min(begin + block_elements, reduced);
      sums[block] = detail::sum_run(x + o * reduced + begin, end - begin);
    });
    y[o] = static_cast<Out>(detail::sum_run(sums, blocks) * scale);
  }
}

// y[o, i] = Σ_r x[o, r, i] · scale, a strip of columns at a time.
template <class In, class Out>
void sum_middle(const In* x, Out* y, std::int64_t outer, std::int64_t reduced, std::int64_t inner,
                double scale) {
  constexpr std::int64_t strip = 64;
  const std::int64_t strips = (inner + strip - 1) / strip;
  const std::int64_t grain =
      std::max<std::int64_t>(detail::parallel_grain / std::max<std::int64_t>(reduced * strip, 1), 1);
  parallel_for(
      outer * strips,
      [=](std::int64_t first, std::int64_t last) {
        for (std::int64_t task = first; task < last; ++task) {
          const std::int64_t o = task / strips, begin = task % strips * strip,
                             width = std::min(strip, inner - begin);
          double sums[strip] = {};
          for (std::int64_t r = 0; r < reduced; ++r) {
            const In* row = x + (o * reduced + r) * inner + begin;
            for (std::int64_t i = 0; i < width; ++i) sums[i] += static_cast<double>(row[i]);
          }
          for (std::int64_t i = 0; i < width; ++i)
            y[o * inner + begin + i] = static_cast<Out>(sums[i] * scale);
        }
      },
      grain);
}

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

template <class In, class Out>
void sum_run_of_axes(const Tensor& x, Run run, double scale, Tensor& y) {
  std::int64_t outer = 1, reduced = 1, inner = 1;
  for (int i = 0; i < x.dim(); ++i) (i < run.first ? outer : i > run.last ? inner : reduced) *= x.shape()[i];
  const In* in = x.data<In>().data();
  Out* out = y.mutable_data<Out>().data();
  if (inner == 1) {
    sum_inner(in, out, outer, reduced, scale);
  } else {
    sum_middle(in, out, outer, reduced, inner, scale);
  }
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

Shape Axes::reduced(const Shape& shape, bool keep) const {
  std::array<std::int64_t, Shape::max_rank> sizes{};
  std::size_t rank = 0;
  for (int i = 0; i < shape.rank(); ++i) {
    const bool gone = mask >> i & 1;
    if (!gone || keep) sizes[rank++] = gone ? 1 : shape[i];
  }
  return Shape(std::span<const std::int64_t>(sizes.data(), rank));
}

std::int64_t Axes::count(const Shape& shape) const {
  std::int64_t product = 1;
  for (int i = 0; i < shape.rank(); ++i) product *= mask >> i & 1 ? shape[i] : 1;
  return product;
}

Axes axes_of(const char* where, const Shape& shape, const std::vector<int>& axes, bool keepdim) {
  Axes result{axes.empty() ? (1u << shape.rank()) - 1 : 0, keepdim};
  for (const int axis : axes) {
    const unsigned bit = 1u << normalize_axis(axis, shape, where);
    RILL_CHECK(!(result.mask & bit), where, ": axis ", axis, " is named twice, expected distinct axes");
    result.mask |= bit;
  }
  return result;
}

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

Tensor sum(const Tensor& x, const std::vector<int>& axes, bool keepdim) {
  return apply(ops::Sum{ops::axes_of("sum", x.shape(), axes, keepdim)}, x);
}
Tensor mean(const Tensor& x, const std::vector<int>& axes, bool keepdim) {
  return apply(ops::Mean{ops::axes_of("mean", x.shape(), axes, keepdim)}, x);
}
Tensor Tensor::sum() const { return rill::sum(*this); }
Tensor Tensor::sum(const std::vector<int>& axes, bool keepdim) const {
  return rill::sum(*this, axes, keepdim);
}
Tensor Tensor::mean() const { return rill::mean(*this); }
Tensor Tensor::mean(const std::vector<int>& axes, bool keepdim) const {
  return rill::mean(*this, axes, keepdim);
}

}  // namespace rill
