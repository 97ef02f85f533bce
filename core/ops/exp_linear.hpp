// elu and selu in f32, by kernels/exponential.hpp; in f64 by their formulas. F has `kernels::ExpLinear in_f32() const`.
#pragma once

#include <rill/core/elementwise.hpp>
#include <rill/core/kernels/exponential.hpp>

namespace rill::ops {

/// What Elementwise<F>::forward does.
template <class F>
void exp_linear_values(const F& f, const Tensor& x, Tensor& y) {
  dispatch_floating(x.dtype(), F::name, [&]<class T>(T) {
    const T* in = x.data<T>().data();
    T* out = y.mutable_data<T>().data();
    parallel_for(y.numel(), [=, local = f](std::int64_t begin, std::int64_t end) {
      const F formula = local;
      if constexpr (std::is_same_v<T, float>) {
        kernels::exp_linear(formula.in_f32(), in + begin, out + begin, end - begin, isa());
      } else {
        rill::detail::plain_loop(begin, end, [=](std::int64_t i) { out[i] = formula.value(in[i]); });
      }
    });
  });
}

/// What Slope<F, false>::forward does.
template <class F>
void exp_linear_slopes(const F& f, const Tensor& g, const Tensor& x, Tensor& dx) {
  dispatch_floating(g.dtype(), F::name, [&]<class T>(T) {
    const T *in_g = g.data<T>().data(), *in = x.data<T>().data();
    T* out = dx.mutable_data<T>().data();
    parallel_for(dx.numel(), [=, local = f](std::int64_t begin, std::int64_t end) {
      const F formula = local;
      if constexpr (std::is_same_v<T, float>) {
        kernels::exp_linear_slope(formula.in_f32(), in_g + begin, in + begin, out + begin, end - begin,
                                  isa());
      } else {
        rill::detail::plain_loop(begin, end,
                                 [=](std::int64_t i) { out[i] = in_g[i] * formula.slope_from_input(in[i]); });
      }
    });
  });
}

}  // namespace rill::ops
