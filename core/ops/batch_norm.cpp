#include <algorithm>
#include <cmath>

#include <rill/core/ops/batch_norm.hpp>
#include <rill/core/ops/binary.hpp>
#include <rill/core/ops/expand.hpp>
#include <rill/core/ops/norm.hpp>
#include <rill/core/ops/reduce.hpp>
#include <rill/core/ops/reshape.hpp>

namespace rill {
namespace ops {
namespace {

// x seen as [outer, channels, inner].
struct NormLayout {
  std::int64_t outer, channels, inner;
  explicit NormLayout(const Shape& x) : outer(x[0]), channels(x[1]), inner(x.rank() == 3 ? x[2] : 1) {}
  std::int64_t of_channel() const { return outer * inner; }
};

// Writes Σ first and Σ second of body(i, c) over every channel to sums [2, channels]: fixed blocks of rows, whose partial
// sums are added in order.
template <class Body>
void two_sums_by_channel(const NormLayout& at, double* sums, Body body) {
  const std::int64_t channels = at.channels, inner = at.inner, width = channels * inner;
  const std::int64_t least = inner == 1 ? 16 : 1;
  const std::int64_t step = std::max(16384 / std::max<std::int64_t>(width, 1), least);
  const std::int64_t blocks = (at.outer + step - 1) / step;
  Tensor partial = zeros({blocks, 2, channels}, DType::f64);
  double* partial_sums = partial.mutable_data<double>().data();
  const auto run_block = [=](std::int64_t block) {
    double *const first = partial_sums + block * 2 * channels, *const second = first + channels;
    for (std::int64_t row = block * step; row < std::min(at.outer, (block + 1) * step); ++row) {
      const std::int64_t begin = row * width;
      if (inner == 1) {
        detail::independent_loop(0, channels, [=](std::int64_t c) {
          const TwoSums term = body(begin + c, c);
          first[c] += term.first;
          second[c] += term.second;
        });
        continue;
      }
      for (std::int64_t c = 0; c < channels; ++c) {
        const TwoSums run = sum_of_terms(begin + c * inner, begin + (c + 1) * inner,
                                         [=](std::int64_t i) { return body(i, c); });
        first[c] += run.first;
        second[c] += run.second;
      }
    }
  };
  if (blocks > 0) parallel_tasks(blocks, run_block);
  sum_blocks(partial_sums, blocks, 2 * channels, sums);
}

// Calls body(i, c) for all elements, in parallel.
template <class Body>
void for_channels(const NormLayout& at, Body body) {
  const std::int64_t channels = at.channels, inner = at.inner, width = channels * inner;
  parallel_for(
      at.outer,
      [=](std::int64_t first, std::int64_t last) {
        for (std::int64_t row = first; row < last; ++row) {
          const std::int64_t begin = row * width;
          if (inner == 1) {
            detail::independent_loop(0, channels, [=](std::int64_t c) { body(begin + c, c); });
            continue;
          }
          for (std::int64_t c = 0; c < channels; ++c) {
            detail::independent_loop(begin + c * inner, begin + (c + 1) * inner,
                                     [=](std::int64_t i) { body(i, c); });
          }
        }
      },
      std::max<std::int64_t>(detail::parallel_grain / (2 * std::max<std::int64_t>(width, 1)), 1));
}

// [c] as it broadcasts to x.
Tensor as_channels(const Tensor& v, const Tensor& x) {
  return v.defined() && x.dim() == 3 ? v.reshape(Shape{v.numel(), 1}) : v;
}

Axes all_but_channels(const Shape& x) { return {x.rank() == 3 ? 0b101u : 0b01u, true}; }

void check_rank(const Tensor& x) {
  RILL_CHECK(x.dim() == 2 || x.dim() == 3, "batch_norm: x is ", x.shape(),
             ", expected [n, channels] or [n, channels, length]");
}

}  // namespace

std::array<Meta, 3> BatchNorm::infer(const Tensor& x, const Tensor& w, const Tensor& b) const {
  check_rank(x);
  check_norm(name, eps, x, w, b, Shape{x.shape()[1]});
  RILL_CHECK(NormLayout(x.shape()).of_channel() >= 2, name, ": x is ", x.shape(),
             ", expected more than 1 value per channel in training");
  const Shape stats = all_but_channels(x.shape()).reduced(x.shape(), true);
  return {{{x.shape(), x.dtype()}, {stats, DType::f64}, {stats, DType::f64}}};
}

void BatchNorm::forward(const Tensor& x, const Tensor& w, const Tensor& b, Tensor& y, Tensor& mean,
                        Tensor& rstd) const {
  const NormLayout at(x.shape());
  double *means = mean.mutable_data<double>().data(), *rstds = rstd.mutable_data<double>().data();
  Tensor room = empty({2, at.channels}, DType::f64);
  double* sums = room.mutable_data<double>().data();
  dispatch_floating(x.dtype(), name, [&]<class T>(T) {
    const T* in = x.data<T>().data();
    two_sums_by_channel(at, sums, [=, inner = at.inner](std::int64_t i, std::int64_t c) {
      const double delta = static_cast<double>(in[i]) - static_cast<double>(in[c * inner]);
      return TwoSums{delta, delta * delta};
    });
    for (std::int64_t c = 0; c < at.channels; ++c) {
      const Moments of_channel(static_cast<double>(in[c * at.inner]), {sums[c], sums[at.channels + c]},
                               at.of_channel(), eps);
      means[c] = of_channel.mean;
      rstds[c] = of_channel.rstd;
    }
    const T* weight = w.defined() ? w.data<T>().data() : nullptr;
    const T* bias = b.defined() ? b.data<T>().data() : nullptr;
    T* out = y.mutable_data<T>().data();
    for_channels(at, [=](std::int64_t i, std::int64_t c) {
      const T h = static_cast<T>((static_cast<double>(in[i]) - means[c]) * rstds[c]);
      out[i] = h * (weight ? weight[c] : T(1)) + (bias ? bias[c] : T(0));
    });
  });
}

std::array<Tensor, 3> BatchNorm::gradient(const Incoming& g, Input<0> x, Input<1> w, Output<1> mean,
                                          Output<2> rstd) const {
  const Tensor in = x(), weight = w();
  std::array<Tensor, 3> grads;
  if (g[0].defined())
    grads = apply(BatchNormBackward{eps}, g[0], in, weight, mean().detach(), rstd().detach());
  Tensor& dx = grads[0];
  if (g.needs(0) && (g[1].defined() || g[2].defined())) {
    const auto [h, m, r] = apply(BatchNorm{eps}, in, Tensor(), Tensor());
    const double share = 1.0 / static_cast<double>(NormLayout(in.shape()).of_channel());
    Tensor more = g[1].defined() ? expand(g[1] * share, in.shape()) : zeros(in.shape(), DType::f64);
    if (g[2].defined()) more = more - g[2] * r * r * as(h, DType::f64) * share;
    dx = dx.defined() ? dx + as(more, in.dtype()) : as(more, in.dtype());
  }
  for (int i = 0; i < 3; ++i) {
    if (!g.needs(i)) grads[static_cast<std::size_t>(i)] = {};
  }
  return grads;
}

std::array<Meta, 3> BatchNormBackward::infer(const Tensor&, const Tensor& x, const Tensor&, const Tensor&,
                                             const Tensor&) const {
  const Shape channels{x.shape()[1]};
  return {{{x.shape(), x.dtype()}, {channels, x.dtype()}, {channels, x.dtype()}}};
}

void BatchNormBackward::forward(const Tensor& g, const Tensor& x, const Tensor& w, const Tensor& mean,
                                const Tensor& rstd, Tensor& dx, Tensor& dw, Tensor& db) const {
  const NormLayout at(x.shape());
  const double *means = mean.data<double>().data(), *rstds = rstd.data<double>().data();
  Tensor room = empty({2, at.channels}, DType::f64);
  double* sums = room.mutable_data<double>().data();
  dispatch_floating(x.dtype(), name, [&]<class T>(T) {
    const T *in_g = g.data<T>().data(), *in_x = x.data<T>().data();
    const T* weight = w.defined() ? w.data<T>().data() : nullptr;
    T *out = dx.mutable_data<T>().data(), *sums_w = dw.mutable_data<T>().data(),
      *sums_b = db.mutable_data<T>().data();
    two_sums_by_channel(at, sums, [=](std::int64_t i, std::int64_t c) {
      const auto grad = static_cast<double>(in_g[i]);
      return TwoSums{grad, grad * (static_cast<double>(in_x[i]) - means[c])};
    });
    double *mean_g = sums, *mean_gh = sums + at.channels;
    for (std::int64_t c = 0; c < at.channels; ++c) {
      mean_gh[c] *= rstds[c];
      sums_b[c] = static_cast<T>(mean_g[c]);
      sums_w[c] = static_cast<T>(mean_gh[c]);
      mean_g[c] /= static_cast<double>(at.of_channel());
      mean_gh[c] /= static_cast<double>(at.of_channel());
    }
    for_channels(at, [=](std::int64_t i, std::int64_t c) {
      const double h = (static_cast<double>(in_x[i]) - means[c]) * rstds[c];
      const double scale = weight ? static_cast<double>(weight[c]) * rstds[c] : rstds[c];
      out[i] = static_cast<T>(scale * (static_cast<double>(in_g[i]) - mean_g[c] - h * mean_gh[c]));
    });
  });
}

std::array<Tensor, 5> BatchNormBackward::gradient(const Incoming& v, Input<0> g, Input<1> x,
                                                  Input<2> w) const {
  const Tensor in = x(), weight = w();
  const auto [h, mean, rstd] = apply(BatchNorm{eps}, in, Tensor(), Tensor());
  const Axes over = all_but_channels(in.shape());
  const auto project = [&, center = mean.detach(), scale = rstd.detach()](const Tensor& y) {
    return apply(BatchNormBackward{eps}, y, in, Tensor(), center, scale)[0];
  };
  const NormSecondOrder second{g(),
                               as_channels(weight, in),
                               h,
                               as(rstd, in.dtype()),
                               [=](const Tensor& y) { return apply(Mean{over}, y); },
                               project};
  auto [to_g, to_x, to_w] = second(v[0], as_channels(v[1], in), as_channels(v[2], in));
  if (to_w.defined()) {
    to_w = v.needs(2) ? apply(Sum{{over.mask, false}}, to_w) : Tensor();
  }
  return {to_g, to_x, to_w, {}, {}};
}

std::vector<Sample<BatchNorm>> BatchNorm::samples() {
  const SampleInput none{{}, SampleInput::Kind::absent};
  return {{{1e-5}, {{{6, 3}}, {{3}}, {{3}}}},
          {{0.1}, {{{3, 2, 4}}, {{2}}, {{2}}}},
          {{1e-5}, {{{5, 4}}, none, none}},
          {{1e-5}, {{{4, 3}}, {{3}}, none}},
          {{1e-5}, {{{1, 2, 9}}, none, {{2}}}}};
}

namespace {

void check_running(const char* what, const Tensor& running, const Tensor& x) {
  if (!running.defined()) return;
  RILL_CHECK(is_floating(running.dtype()) && running.shape() == Shape{x.shape()[1]}, "batch_norm: ", what,
             " is ", running.dtype(), " ", running.shape(), ", expected f32 or f64 [", x.shape()[1], "] (x ",
             x.shape(), ")");
}

void move_towards(Tensor& running, double momentum, std::span<const double> batch) {
  if (!running.defined()) return;
  dispatch_floating(running.dtype(), "batch_norm", [&]<class T>(T) {
    const auto values = running.mutable_data<T>();
    for (std::size_t c = 0; c < values.size(); ++c) {
      values[c] = static_cast<T>((1 - momentum) * static_cast<double>(values[c]) + momentum * batch[c]);
    }
  });
}

// -mean and 1/√(var + eps) in x's dtype, with blocks of their own: a graph may outlive the next update.
std::array<Tensor, 2> frozen(const Tensor& mean, const Tensor& var, double eps, DType dtype) {
  std::array<Tensor, 2> result{empty(mean.shape(), dtype), empty(var.shape(), dtype)};
  const NoGrad no_grad;
  const Tensor wide_mean = mean.to(DType::f64), wide_var = var.to(DType::f64);
  dispatch_floating(dtype, "batch_norm", [&]<class T>(T) {
    const auto shift = result[0].mutable_data<T>(), scale = result[1].mutable_data<T>();
    for (std::size_t c = 0; c < shift.size(); ++c) {
      shift[c] = static_cast<T>(-wide_mean.data<double>()[c]);
      scale[c] = static_cast<T>(1 / std::sqrt(wide_var.data<double>()[c] + eps));
    }
  });
  return result;
}

Tensor in_training(const Tensor& x, Tensor& running_mean, Tensor& running_var, const Tensor& weight,
                   const Tensor& bias, double momentum, double eps) {
  const auto results = apply(BatchNorm{eps}, x, weight, bias);
  const auto mean = results[1].data<double>(), rstd = results[2].data<double>();
  move_towards(running_mean, momentum, mean);
  if (running_var.defined()) {
    const auto n = static_cast<double>(NormLayout(x.shape()).of_channel());
    std::vector<double, memory::Allocator<double>> unbiased(rstd.size());
    for (std::size_t c = 0; c < rstd.size(); ++c) {
      const double biased = 1 / (rstd[c] * rstd[c]) - eps;
      unbiased[c] = (biased < 0 ? 0 : biased) * n / (n - 1);
    }
    move_towards(running_var, momentum, unbiased);
  }
  return results[0];
}

}  // namespace
}  // namespace ops

Tensor batch_norm(const Tensor& x, Tensor running_mean, Tensor running_var, const Tensor& weight,
                  const Tensor& bias, bool training, double momentum, double eps) {
  ops::check_rank(x);
  ops::check_running("running_mean", running_mean, x);
  ops::check_running("running_var", running_var, x);
  RILL_CHECK(momentum >= 0 && momentum <= 1, "batch_norm: momentum is ", momentum, ", expected 0 to 1");
  if (training) return ops::in_training(x, running_mean, running_var, weight, bias, momentum, eps);
  RILL_CHECK(running_mean.defined() && running_var.defined(),
             "batch_norm: there is no running mean or variance, expected both outside of training");
  ops::check_norm("batch_norm", eps, x, weight, bias, Shape{x.shape()[1]});
  auto [shift, scale] = ops::frozen(running_mean, running_var, eps, x.dtype());
  if (weight.defined()) scale = scale * weight;
  shift = shift * scale;
  if (bias.defined()) shift = shift + bias;
  return x * ops::as_channels(scale, x) + ops::as_channels(shift, x);
}

}  // namespace rill
