#include <algorithm>
#include <cmath>

#include <rill/core/ops/reduce.hpp>
#include <rill/core/ops/softmax.hpp>
#include <rill/core/parallel.hpp>

namespace rill {

Meta ops::Softmax::infer(const Tensor& x) const {
  RILL_CHECK(is_floating(x.dtype()), name, ": x is ", x.dtype(), ", expected f32 or f64");
  RILL_CHECK(x.dim() > 0, name, ": x is a scalar, expected at least one axis");
  return {x.shape(), x.dtype()};
}

void ops::Softmax::forward(const Tensor& x, Tensor& y) const {
  const std::int64_t classes = x.size(-1), rows = classes == 0 ? 0 : x.numel() / classes;
  dispatch_floating(x.dtype(), name, [&]<class T>(T) {
    const T* in = x.data<T>().data();
    T* out = y.mutable_data<T>().data();
    parallel_for(
        rows,
        [=](std::int64_t begin, std::int64_t end) {
          for (std::int64_t row = begin; row < end; ++row) {
            const T* from = in + row * classes;
            T* to = out + row * classes;
            const T top = *std::max_element(from, from + classes);
            T total = 0;
            for (std::int64_t i = 0; i < classes; ++i) total += to[i] = std::exp(from[i] - top);
            for (std::int64_t i = 0; i < classes; ++i) to[i] /= total;
          }
        },
        // An exponential is worth some ten plain operations.
        std::max<std::int64_t>(detail::parallel_grain / (10 * std::max<std::int64_t>(classes, 1)), 1));
  });
}

Tensor ops::Softmax::gradient(const Incoming& g, Output<0> y) const {
  const Tensor result = y();
  const Tensor weighted = g[0] * result;
  const Axes last{1u << (result.dim() - 1), true};
  return weighted - result * apply(Sum{last}, weighted);
}

Tensor softmax(const Tensor& x) { return apply(ops::Softmax{}, x); }

}  // namespace rill
