#include <algorithm>

#include <rill/core/ops/expand.hpp>
#include <rill/core/ops/layer_norm.hpp>
#include <rill/core/ops/norm.hpp>
#include <rill/core/ops/reduce.hpp>
#include <rill/core/ops/reshape.hpp>

namespace rill {
namespace ops {
namespace {

// The sizes of the last `axes` axes.
Shape last_sizes(const Shape& shape, int axes) {
  return Shape(shape.sizes().last(static_cast<std::size_t>(axes)));
}

Axes last_axes(const Shape& shape, int axes) { return {((1u << axes) - 1) << (shape.rank() - axes), true}; }

std::int64_t grain_of(std::int64_t row_elements) {
  return std::max<std::int64_t>(detail::parallel_grain / (4 * row_elements), 1);
}

}  // namespace

std::array<Meta, 3> LayerNorm::infer(const Tensor& x, const Tensor& w, const Tensor& b) const {
  RILL_CHECK(axes >= 1 && axes <= x.dim(), name, ": x is ", x.shape(), ", expected at least ", axes,
             axes == 1 ? " axis" : " axes");
  const Shape normalized = last_sizes(x.shape(), axes);
  check_norm(name, eps, x, w, b, normalized);
  RILL_CHECK(normalized.numel() > 0, name, ": x is ", x.shape(), ", expected at least one element a row");
  const Shape rows = last_axes(x.shape(), axes).reduced(x.shape(), true);
  return {{{x.shape(), x.dtype()}, {rows, DType::f64}, {rows, DType::f64}}};
}

void LayerNorm::forward(const Tensor& x, const Tensor& w, const Tensor& b, Tensor& y, Tensor& mean,
                        Tensor& rstd) const {
  const std::int64_t rows = mean.numel(), size = rows == 0 ? 1 : x.numel() / rows;
  double *means = mean.mutable_data<double>().data(), *rstds = rstd.mutable_data<double>().data();
  dispatch_floating(x.dtype(), name, [&]<class T>(T) {
    const T* in = x.data<T>().data();
    const T* weight = w.defined() ? w.data<T>().data() : nullptr;
    const T* bias = b.defined() ? b.data<T>().data() : nullptr;
    T* out = y.mutable_data<T>().data();
    parallel_for(
        rows,
        [=, epsilon = eps](std::int64_t first, std::int64_t last) {
          for (std::int64_t row = first; row < last; ++row) {
            const T* from = in + row * size;
            T* to = out + row * size;
            const auto shift = static_cast<double>(from[0]);
            const TwoSums sums = sum_of_terms(0, size, [=](std::int64_t i) {
              const double delta = static_cast<double>(from[i]) - shift;
              return TwoSums{delta, delta * delta};
            });
            const Moments of_row(shift, sums, size, epsilon);
            const double center = means[row] = of_row.mean, scale = rstds[row] = of_row.rstd;
            const auto normalized = [=](std::int64_t i) {
              return static_cast<T>((static_cast<double>(from[i]) - center) * scale);
            };
            if (weight && bias) {
              detail::independent_loop(0, size,
                                       [=](std::int64_t i) { to[i] = normalized(i) * weight[i] + bias[i]; });
            } else {
              detail::independent_loop(0, size, [=](std::int64_t i) {
                to[i] = normalized(i) * (weight ? weight[i] : T(1)) + (bias ? bias[i] : T(0));
              });
            }
          }
        },
        grain_of(size));
  });
}

std::array<Tensor, 3> LayerNorm::gradient(const Incoming& g, Input<0> x, Input<1> w, Output<1> mean,
                                          Output<2> rstd) const {
  const Tensor in = x(), weight = w();
  const Tensor center = mean().detach(), scale = rstd().detach();
  const bool parameters = g.needs(1) || g.needs(2);
  std::array<Tensor, 3> grads;
  if (g[0].defined())
    grads = apply(LayerNormBackward{axes, eps, parameters}, g[0], in, weight, center, scale);
  Tensor& dx = grads[0];
  if (g.needs(0) && (g[1].defined() || g[2].defined())) {
    const auto [h, m, r] = apply(LayerNorm{axes, eps}, in, Tensor(), Tensor());
    const double share = static_cast<double>(scale.numel()) / static_cast<double>(in.numel());
    Tensor more = g[1].defined() ? expand(g[1] * share, in.shape()) : zeros(in.shape(), DType::f64);
    if (g[2].defined()) more = more - g[2] * r * r * as(h, DType::f64) * share;
    dx = dx.defined() ? dx + as(more, in.dtype()) : as(more, in.dtype());
  }
  for (int i = 0; i < 3; ++i) {
    if (!g.needs(i)) grads[static_cast<std::size_t>(i)] = {};
  }
  return grads;
}

std::array<Meta, 3> LayerNormBackward::infer(const Tensor&, const Tensor& x, const Tensor&, const Tensor&,
                                             const Tensor&) const {
  const Shape sums = parameters ? last_sizes(x.shape(), axes) : Shape{0};
  return {{{x.shape(), x.dtype()}, {sums, x.dtype()}, {sums, x.dtype()}}};
}

namespace {

// The gradients of one row.
template <class T>
struct RowBackward {
  const T *g, *x, *weight;
  double mean, rstd;
  std::int64_t size;

  double h(std::int64_t i) const { return (static_cast<double>(x[i]) - mean) * rstd; }
  double gw(std::int64_t i) const { return static_cast<double>(weight ? g[i] * weight[i] : g[i]); }

  void to_x(T* dx) const {
    const auto row = *this;  // a local copy: what is read through `this` would stop vectorisation
    const TwoSums sums = sum_of_terms(0, size, [=](std::int64_t i) {
      return TwoSums{row.gw(i), row.gw(i) * row.h(i)};
    });
    const double mean_gw = sums.first / static_cast<double>(size);
    const double mean_gwh = sums.second / static_cast<double>(size);
    detail::independent_loop(0, size, [=](std::int64_t i) {
      dx[i] = static_cast<T>(row.rstd * (row.gw(i) - mean_gw - row.h(i) * mean_gwh));
    });
  }
  void add_to_parameters(double* dw, double* db) const {
    detail::independent_loop(0, size, [=, row = *this](std::int64_t i) {
      dw[i] += static_cast<double>(row.g[i]) * row.h(i);
      db[i] += static_cast<double>(row.g[i]);
    });
  }
};

}  // namespace

void LayerNormBackward::forward(const Tensor& g, const Tensor& x, const Tensor& w, const Tensor& mean,
                                const Tensor& rstd, Tensor& dx, Tensor& dw, Tensor& db) const {
  const std::int64_t rows = mean.numel(), size = rows == 0 ? dw.numel() : x.numel() / rows;
  // dw and db are summed over fixed blocks of rows, and the blocks in order.
  const std::int64_t step = std::max<std::int64_t>(16384 / std::max<std::int64_t>(size, 1), 16);
  const std::int64_t blocks = (rows + step - 1) / step;
  Tensor partial = zeros({parameters ? blocks : 0, 2, size}, DType::f64);
  double* partial_sums = partial.mutable_data<double>().data();
  const double *means = mean.data<double>().data(), *rstds = rstd.data<double>().data();
  dispatch_floating(x.dtype(), name, [&]<class T>(T) {
    const T *in_g = g.data<T>().data(), *in_x = x.data<T>().data();
    const T* weight = w.defined() ? w.data<T>().data() : nullptr;
    T* out = dx.mutable_data<T>().data();
    const auto run_block = [=, summed = parameters](std::int64_t block) {
      double* sums = partial_sums + block * 2 * size;
      for (std::int64_t i = block * step; i < std::min(rows, (block + 1) * step); ++i) {
        const RowBackward<T> row{in_g + i * size, in_x + i * size, weight, means[i], rstds[i], size};
        row.to_x(out + i * size);
        if (summed) row.add_to_parameters(sums, sums + size);
      }
    };
    if (blocks > 0) parallel_tasks(blocks, run_block);
    if (!parameters) return;
    Tensor room = empty({2, size}, DType::f64);
    double* sums = room.mutable_data<double>().data();
    sum_blocks(partial_sums, blocks, 2 * size, sums);
    const auto narrow = [](double sum) { return static_cast<T>(sum); };
    std::transform(sums, sums + size, dw.mutable_data<T>().data(), narrow);
    std::transform(sums + size, sums + 2 * size, db.mutable_data<T>().data(), narrow);
  });
}

std::array<Tensor, 5> LayerNormBackward::gradient(const Incoming& v, Input<0> g, Input<1> x,
                                                  Input<2> w) const {
  const Tensor in = x(), weight = w();
  const auto [h, mean, rstd] = apply(LayerNorm{axes, eps}, in, Tensor(), Tensor());
  const Axes over = last_axes(in.shape(), axes);
  const auto project = [&, center = mean.detach(), scale = rstd.detach()](const Tensor& y) {
    return apply(LayerNormBackward{axes, eps, false}, y, in, Tensor(), center, scale)[0];
  };
  const NormSecondOrder second{
      g(), weight, h, as(rstd, in.dtype()), [=](const Tensor& y) { return apply(Mean{over}, y); }, project};
  auto [to_g, to_x, to_w] = second(v[0], v[1], v[2]);
  if (to_w.defined()) to_w = v.needs(2) ? sum_to(to_w, weight.shape()) : Tensor();
  return {to_g, to_x, to_w, {}, {}};
}

std::vector<Sample<LayerNorm>> LayerNorm::samples() {
  const SampleInput none{{}, SampleInput::Kind::absent};
  return {{{1, 1e-5}, {{{3, 5}}, {{5}}, {{5}}}},
          {{1, 0.1}, {{{2, 3, 4}}, {{4}}, {{4}}}},
          {{2, 1e-5}, {{{2, 3, 4}}, {{3, 4}}, {{3, 4}}}},
          {{1, 1e-5}, {{{4}}, {{4}}, {{4}}}},
          {{1, 1e-5}, {{{3, 9}}, none, none}},
          {{1, 1e-5}, {{{3, 4}}, {{4}}, none}},
          {{2, 1e-5}, {{{3, 4}}, none, {{3, 4}}}},
          {{1, 1e-5}, {{{0, 3}}, {{3}}, {{3}}}}};
}

}  // namespace ops

Tensor layer_norm(const Tensor& x, const Shape& normalized_shape, const Tensor& weight, const Tensor& bias,
                  double eps) {
  const int axes = normalized_shape.rank();
  RILL_CHECK(axes >= 1, "layer_norm: normalized_shape is [], expected at least one axis");
  RILL_CHECK(x.dim() >= axes && ops::last_sizes(x.shape(), axes) == normalized_shape, "layer_norm: x is ",
             x.shape(), ", expected its last axes to be ", normalized_shape);
  return apply(ops::LayerNorm{axes, eps}, x, weight, bias)[0];
}

Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps) {
  return layer_norm(x, weight.shape(), weight, bias, eps);
}

}  // namespace rill
