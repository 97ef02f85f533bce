#include <cmath>

#include <rill/core/ops/groups.hpp>
#include <rill/core/ops/logsumexp.hpp>
#include <rill/core/ops/reduce.hpp>
#include <rill/core/ops/row_exp.hpp>
#include <rill/core/ops/softmax.hpp>

namespace rill {
namespace ops {
namespace {

// Runs rows(begin, end) over groups along the last axis, or strip(o, begin, width) over strips of others.
template <class Rows, class Strip>
void for_groups(const Groups& groups, std::int64_t work, Rows rows, Strip strip) {
  if (groups.reduced == 0) return;
  if (groups.inner != 1) return for_strips(groups, work, strip);
  parallel_for(groups.outer, rows, groups.grain(work));
}

// An exponential is worth some ten plain operations.
constexpr std::int64_t work_of_exp = 10;

// In a strip, the largest elements of its groups.
template <class T>
void tops_of_strip(const T* x, std::int64_t reduced, std::int64_t inner, std::int64_t width, T* tops) {
  std::copy(x, x + width, tops);
  for (std::int64_t r = 1; r < reduced; ++r) {
    for (std::int64_t i = 0; i < width; ++i) tops[i] = std::max(tops[i], x[r * inner + i]);
  }
}

Tensor sum_along(const Tensor& x, int axis) {
  return apply(Sum{Axes{1u << normalize_axis(axis, x.shape(), "softmax"), true}}, x);
}

Groups groups_of(const Tensor& x, int axis) {
  return groups_along(x.shape(), normalize_axis(axis, x.shape(), "softmax"));
}

}  // namespace

Meta infer_softmax(std::string_view name, const Tensor& x, int axis) {
  RILL_CHECK(is_floating(x.dtype()), name, ": x is ", x.dtype(), ", expected f32 or f64");
  RILL_CHECK(x.dim() > 0, name, ": x is a scalar, expected at least one axis");
  normalize_axis(axis, x.shape(), name.data());
  return {x.shape(), x.dtype()};
}

void Softmax::forward(const Tensor& x, Tensor& y) const {
  const Groups groups = groups_of(x, axis);
  dispatch_floating(x.dtype(), name, [&]<class T>(T) {
    const T* in = x.data<T>().data();
    T* out = y.mutable_data<T>().data();
    const std::int64_t classes = groups.reduced, inner = groups.inner;
    const auto rows = [=](std::int64_t first, std::int64_t last) {
      for_exps_of_rows(in, first, last, classes, out, [=](std::int64_t, T* e, T) {
        const T divisor = static_cast<T>(detail::sum_run(e, classes));
        for (std::int64_t i = 0; i < classes; ++i) e[i] /= divisor;
      });
    };
    const auto strip = [=](std::int64_t o, std::int64_t begin, std::int64_t width) {
      const std::int64_t start = o * classes * inner + begin;
      T tops[strip_columns];
      double totals[strip_columns] = {};
      tops_of_strip(in + start, classes, inner, width, tops);
      for (std::int64_t r = 0; r < classes; ++r) {
        const T* from = in + start + r * inner;
        T* to = out + start + r * inner;
        for (std::int64_t i = 0; i < width; ++i)
          totals[i] += static_cast<double>(to[i] = lanewise::exp_of_negative(from[i] - tops[i]));
      }
      for (std::int64_t r = 0; r < classes; ++r) {
        T* to = out + start + r * inner;
        for (std::int64_t i = 0; i < width; ++i) to[i] /= static_cast<T>(totals[i]);
      }
    };
    for_groups(groups, work_of_exp, rows, strip);
  });
}

Tensor Softmax::gradient(const Incoming& g, Output<0> y) const {
  return apply(SoftmaxBackward{axis}, g[0], y());
}

void SoftmaxBackward::forward(const Tensor& g, const Tensor& y, Tensor& dx) const {
  const Groups groups = groups_of(y, axis);
  dispatch_floating(y.dtype(), name, [&]<class T>(T) {
    const T *in_g = g.data<T>().data(), *in_y = y.data<T>().data();
    T* out = dx.mutable_data<T>().data();
    const std::int64_t classes = groups.reduced, inner = groups.inner;
    const auto term = [=](std::int64_t at) {
      return static_cast<double>(in_g[at]) * static_cast<double>(in_y[at]);
    };
    const auto rows = [=](std::int64_t first, std::int64_t last) {
      for (std::int64_t o = first; o < last; ++o) {
        const T sum = static_cast<T>(sum_terms(o * classes, classes, term));
        for (std::int64_t at = o * classes; at < (o + 1) * classes; ++at)
          out[at] = in_y[at] * (in_g[at] - sum);
      }
    };
    const auto strip = [=](std::int64_t o, std::int64_t begin, std::int64_t width) {
      const std::int64_t start = o * classes * inner + begin;
      double sums[strip_columns] = {};
      for (std::int64_t r = 0; r < classes; ++r) {
        for (std::int64_t i = 0; i < width; ++i) sums[i] += term(start + r * inner + i);
      }
      for (std::int64_t r = 0; r < classes; ++r) {
        const std::int64_t at = start + r * inner;
        for (std::int64_t i = 0; i < width; ++i)
          out[at + i] = in_y[at + i] * (in_g[at + i] - static_cast<T>(sums[i]));
      }
    };
    for_groups(groups, 2, rows, strip);
  });
}

std::array<Tensor, 2> SoftmaxBackward::gradient(const Incoming& v, Input<0> g, Input<1> y) const {
  Tensor to_y;
  if (v.needs(1)) {
    const Tensor of_g = g(), p = y();
    to_y = v[0] * (of_g - sum_along(of_g * p, axis)) - of_g * sum_along(v[0] * p, axis);
  }
  return {v.needs(0) ? apply(*this, v[0], y()) : Tensor(), to_y};
}

void LogSoftmax::forward(const Tensor& x, Tensor& y) const {
  const Groups groups = groups_of(x, axis);
  dispatch_floating(x.dtype(), name, [&]<class T>(T) {
    const T* in = x.data<T>().data();
    T* out = y.mutable_data<T>().data();
    const std::int64_t classes = groups.reduced, inner = groups.inner;
    const auto rows = [=](std::int64_t first, std::int64_t last) {
      for_exps_of_rows(in, first, last, classes, out, [=](std::int64_t o, T* e, T top) {
        const T* from = in + o * classes;
        const T log_sum = static_cast<T>(std::log(detail::sum_run(e, classes)));
        for (std::int64_t i = 0; i < classes; ++i) e[i] = (from[i] - top) - log_sum;
      });
    };
    const auto strip = [=](std::int64_t o, std::int64_t begin, std::int64_t width) {
      const std::int64_t start = o * classes * inner + begin;
      T tops[strip_columns], logs[strip_columns];
      double totals[strip_columns] = {};
      tops_of_strip(in + start, classes, inner, width, tops);
      for (std::int64_t r = 0; r < classes; ++r) {
        const T* from = in + start + r * inner;
        for (std::int64_t i = 0; i < width; ++i)
          totals[i] += static_cast<double>(lanewise::exp_of_negative(from[i] - tops[i]));
      }
      for (std::int64_t i = 0; i < width; ++i) logs[i] = static_cast<T>(std::log(totals[i]));
      for (std::int64_t r = 0; r < classes; ++r) {
        const std::int64_t at = start + r * inner;
        for (std::int64_t i = 0; i < width; ++i) out[at + i] = (in[at + i] - tops[i]) - logs[i];
      }
    };
    for_groups(groups, work_of_exp, rows, strip);
  });
}

Tensor LogSoftmax::gradient(const Incoming& g, Output<0> y) const {
  return apply(LogSoftmaxBackward{axis}, g[0], y());
}

void LogSoftmaxBackward::forward(const Tensor& g, const Tensor& y, Tensor& dx) const {
  const Groups groups = groups_of(y, axis);
  dispatch_floating(y.dtype(), name, [&]<class T>(T) {
    const T *in_g = g.data<T>().data(), *in_y = y.data<T>().data();
    T* out = dx.mutable_data<T>().data();
    const std::int64_t classes = groups.reduced, inner = groups.inner;
    const auto rows = [=](std::int64_t first, std::int64_t last) {
      detail::independent_loop(first * classes, last * classes,
                               [=](std::int64_t at) { out[at] = lanewise::exp(in_y[at]); });
      for (std::int64_t o = first; o < last; ++o) {
        const T sum = static_cast<T>(detail::sum_run(in_g + o * classes, classes));
        for (std::int64_t at = o * classes; at < (o + 1) * classes; ++at) out[at] = in_g[at] - out[at] * sum;
      }
    };
    const auto strip = [=](std::int64_t o, std::int64_t begin, std::int64_t width) {
      const std::int64_t start = o * classes * inner + begin;
      double sums[strip_columns] = {};
      for (std::int64_t r = 0; r < classes; ++r) {
        for (std::int64_t i = 0; i < width; ++i) sums[i] += static_cast<double>(in_g[start + r * inner + i]);
      }
      for (std::int64_t r = 0; r < classes; ++r) {
        const std::int64_t at = start + r * inner;
        for (std::int64_t i = 0; i < width; ++i)
          out[at + i] = in_g[at + i] - lanewise::exp(in_y[at + i]) * static_cast<T>(sums[i]);
      }
    };
    for_groups(groups, work_of_exp, rows, strip);
  });
}

// With p = exp y: to g goes v - Σ v p, to y goes -v p Σ g.
std::array<Tensor, 2> LogSoftmaxBackward::gradient(const Incoming& v, Input<0> g, Input<1> y) const {
  const Tensor weighted = v[0] * apply(ExpOfDifference{}, y(), zeros({}, v[0].dtype()));
  return {v.needs(0) ? v[0] - sum_along(weighted, axis) : Tensor(),
          v.needs(1) ? -(weighted * sum_along(g(), axis)) : Tensor()};
}

}  // namespace ops

Tensor softmax(const Tensor& x, int axis) { return apply(ops::Softmax{axis}, x); }
Tensor log_softmax(const Tensor& x, int axis) { return apply(ops::LogSoftmax{axis}, x); }
Tensor Tensor::softmax(int axis) const { return rill::softmax(*this, axis); }
Tensor Tensor::log_softmax(int axis) const { return rill::log_softmax(*this, axis); }

}  // namespace rill
