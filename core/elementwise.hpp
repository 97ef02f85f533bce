// Elementwise functions of one tensor, from a scalar formula and its slope.
//
// A formula F is a small struct; T is float or double, and f.value<T>(x) must depend on x alone:
//
//   struct Square {
//     static constexpr std::string_view name = "square";
//     template <class T> T value(T x) const { return x * x; }
//     template <class T> T slope_from_input(T x) const { return 2 * x; }
//     template <class T> T curvature_from_input(T) const { return 2; }   // optional: for second-order gradients
//     static std::vector<Square> samples() { return {{}}; }
//   };
//
// forward() is never inlined: else a program's own instances of these loops, as its flags compile them, would replace those
// of the library that it links.
//
// The names say what is saved: slope_from_input saves x; slope_from_output alone saves y. Where slope_from_output
// exists there is an in-place form, which must read y. A formula without a curvature is piecewise linear: its
// second-order gradient is zero. A formula may have loops of its own in f32, for which value() and slope_from_input()
// are the oracle: `void values(const float* x, float* y, std::int64_t count) const` and `void slopes(const float* g, const
// float* x, float* dx, std::int64_t count) const`; y or dx may be x's own block. Optional: `void check(DType) const` throws
// Error for attributes that are bad for x; `static constexpr auto domain = SampleInput::Kind::positive` where x must be
// positive; `ActivationInfo activation() const` for what can be the nonlinearity of a layer.
#pragma once

#include <rill/core/graph.hpp>
#include <rill/core/isa.hpp>
#include <rill/core/parallel.hpp>
#include <rill/core/sample.hpp>

namespace rill {

namespace detail {

// A loop whose iterations do not depend on each other, although x and y may be the same block (in place); in the
// caller's instruction set. By itself for what is rarely run, or calls a function that has no vector form.
template <class Body>
inline void plain_loop(std::int64_t begin, std::int64_t end, Body body) {
#if defined(__clang__)
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wpass-failed"  // some bodies call a function that has no vector form
#pragma clang loop vectorize(assume_safety)
#elif defined(__GNUC__)
#pragma GCC ivdep
#endif
  for (std::int64_t i = begin; i < end; ++i) body(i);
#if defined(__clang__)
#pragma clang diagnostic pop
#endif
}

// The same, compiled for the machine's instruction set.
template <class Body>
inline void independent_loop(std::int64_t begin, std::int64_t end, Body body) {
  on_isa([=] { plain_loop(begin, end, body); });
}

template <class F>
concept ReadsInput = requires(const F& f, double x) {
  f.slope_from_input(x);
};
template <class F>
concept ReadsOutput = requires(const F& f, double y) {
  f.slope_from_output(y);
};

// What a formula's samples are drawn from.
template <class F>
constexpr SampleInput::Kind domain_of() {
  if constexpr (requires { F::domain; }) {
    return F::domain;
  } else {
    return SampleInput::Kind::real;
  }
}

// Joins a formula's name and a suffix at compile time.
template <const std::string_view& name, std::size_t suffixes>
struct BackwardName {
  static constexpr std::string_view suffix = "_backward";
  static constexpr auto text = [] {
    std::array<char, name.size() + suffixes * suffix.size()> joined{};
    std::size_t at = 0;
    for (const char c : name) joined[at++] = c;
    for (std::size_t i = 0; i < suffixes; ++i) {
      for (const char c : suffix) joined[at++] = c;
    }
    return joined;
  }();
  static constexpr std::string_view value{text.data(), text.size()};
};

}  // namespace detail

namespace ops {

/// dx = g · v · f''(s), where s is the input or output that the slope reads. Inputs g, v, s of one shape.
template <class F, bool from_output>
struct Curvature {
  static constexpr std::string_view name = detail::BackwardName<F::name, 2>::value;
  F f;

  Meta infer(const Tensor& g, const Tensor&, const Tensor&) const { return {g.shape(), g.dtype()}; }

  [[gnu::noinline]] void forward(const Tensor& g, const Tensor& v, const Tensor& s, Tensor& dx) const {
    dispatch_floating(g.dtype(), name, [&]<class T>(T) {
      const T *in_g = g.data<T>().data(), *in_v = v.data<T>().data(), *in_s = s.data<T>().data();
      T* out = dx.mutable_data<T>().data();
      parallel_for(dx.numel(), [=, local = f](std::int64_t begin, std::int64_t end) {
        const F formula = local;  // a local copy: attributes read through a pointer would stop vectorisation
        detail::plain_loop(begin, end, [=](std::int64_t i) {
          if constexpr (from_output) {
            out[i] = in_g[i] * in_v[i] * formula.curvature_from_output(in_s[i]);
          } else {
            out[i] = in_g[i] * in_v[i] * formula.curvature_from_input(in_s[i]);
          }
        });
      });
    });
  }
};

/// dx = g · f'(s), where s is the input or output that the slope reads. Inputs g and s of one shape. Where a formula with
/// `flat_parts` has the slope 0, dx is 0 whatever comes: no infinity is multiplied by it, as in PyTorch's relu and clamp. A formula that
/// is another one where it is_flat() leaves it to that.
template <class F, bool from_output>
struct Slope {
  static constexpr std::string_view name = detail::BackwardName<F::name, 1>::value;
  F f;

  std::optional<ActivationInfo> activation() const { return detail::activation_of(f); }

  Meta infer(const Tensor& g, const Tensor&) const { return {g.shape(), g.dtype()}; }

  [[gnu::noinline]] void forward(const Tensor& g, const Tensor& s, Tensor& dx) const {
    if constexpr (requires { f.is_flat(); }) {
      if (f.is_flat()) return Slope<typename F::Flat, from_output>().forward(g, s, dx);
    }
    dispatch_floating(g.dtype(), name, [&]<class T>(T) {
      const T *in_g = g.data<T>().data(), *in_s = s.data<T>().data();
      T* out = dx.mutable_data<T>().data();
      parallel_for(dx.numel(), [=, local = f](std::int64_t begin, std::int64_t end) {
        const F formula = local;
        if constexpr (!from_output && requires { formula.slopes(in_g, in_s, out, end); }) {
          return formula.slopes(in_g + begin, in_s + begin, out + begin, end - begin);
        }
        detail::independent_loop(begin, end, [=](std::int64_t i) {
          const T slope = [&] {
            if constexpr (from_output) {
              return formula.slope_from_output(in_s[i]);
            } else {
              return formula.slope_from_input(in_s[i]);
            }
          }();
          const T product = in_g[i] * slope;
          if constexpr (requires { F::flat_parts; }) {
            out[i] = slope == T(0) ? T(0) : product;
          } else {
            out[i] = product;
          }
        });
      });
    });
  }

  std::array<Tensor, 2> gradient(const Incoming& v, Input<0> g, Input<1> s) const {
    constexpr bool curved = requires { f.curvature_from_input(1.0); }
    || requires { f.curvature_from_output(1.0); };
    Tensor to_g, to_s;
    if (v.needs(0)) to_g = apply(*this, v[0], s());
    if (v.needs(1)) {
      if constexpr (curved) {
        to_s = apply(Curvature<F, from_output>{f}, g(), v[0], s());
      } else {
        to_s = zeros(v.input_shape(1), v[0].dtype());
      }
    }
    return {to_g, to_s};
  }
};

/// y = f(x), elementwise, f32 or f64.
template <class F, bool from_output = !detail::ReadsInput<F>>
struct Elementwise {
  static_assert(from_output ? detail::ReadsOutput<F> : detail::ReadsInput<F>);
  static constexpr std::string_view name = F::name;
  using Read = std::conditional_t<from_output, Output<0>, Input<0>>;
  F f;

  std::optional<ActivationInfo> activation() const { return detail::activation_of(f); }

  Meta infer(const Tensor& x) const {
    if constexpr (requires { f.check(x.dtype()); }) f.check(x.dtype());
    RILL_CHECK(is_floating(x.dtype()), name, ": x is ", x.dtype(), ", expected f32 or f64");
    return {x.shape(), x.dtype()};
  }

  [[gnu::noinline]] void forward(const Tensor& x, Tensor& y) const {
    dispatch_floating(x.dtype(), name, [&]<class T>(T) {
      const T* in = x.data<T>().data();
      T* out = y.mutable_data<T>().data();
      parallel_for(y.numel(), [=, local = f](std::int64_t begin, std::int64_t end) {
        const F formula = local;
        if constexpr (requires { formula.values(in, out, end); }) {
          return formula.values(in + begin, out + begin, end - begin);
        }
        detail::independent_loop(begin, end, [=](std::int64_t i) { out[i] = formula.value(in[i]); });
      });
    });
  }

  Tensor gradient(const Incoming& g, Read s) const { return apply(Slope<F, from_output>{f}, g[0], s()); }

  static std::vector<Sample<Elementwise>> samples() {
    std::vector<Sample<Elementwise>> all;
    for (const F& formula : F::samples()) {
      for (const Shape& shape : {Shape{7}, Shape{3, 5}, Shape{2, 3, 4}, Shape{}, Shape{0}, Shape{3, 0}}) {
        all.push_back({{formula}, {{shape, detail::domain_of<F>()}}});
      }
    }
    return all;
  }
};

}  // namespace ops

/// f(x) for every element. Throws Error for bad attributes and for i64.
template <class F>
Tensor elementwise(const F& f, const Tensor& x) {
  return apply(ops::Elementwise<F>{f}, x);
}

/// The same on x's own block. Throws Error also where x may not be overwritten (see Tensor::relu_).
template <detail::ReadsOutput F>
Tensor& elementwise_(const F& f, Tensor& x) {
  return apply_inplace(ops::Elementwise<F, true>{f}, x);
}

}  // namespace rill
