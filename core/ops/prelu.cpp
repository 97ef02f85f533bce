#include <algorithm>

#include <rill/core/elementwise.hpp>
#include <rill/core/kernels/prelu.hpp>
#include <rill/core/ops/prelu.hpp>
#include <rill/core/sum.hpp>

namespace rill {
namespace ops {
namespace {

// x seen as [outer, channels, inner]; a single weight is one channel of everything.
struct Layout {
  std::int64_t outer, channels, inner;

  Layout(const Shape& x, std::int64_t weights) : outer(1), channels(weights), inner(1) {
    if (weights == 1) {
      inner = x.numel();
      return;
    }
    outer = x[0];
    for (int i = 2; i < x.rank(); ++i) inner *= x[i];
  }
};

// The elements in runs that share a weight or walk over all of them, cut into fixed blocks: of rows where there are
// several channels, of elements where there is one.
struct Blocks {
  Layout layout;
  std::int64_t step, count;

  explicit Blocks(const Layout& from) : layout(from) {
    constexpr std::int64_t block_elements = 16384;
    const std::int64_t length = layout.channels == 1 ? layout.inner : layout.outer;
    const std::int64_t width = layout.channels == 1 ? 1 : layout.channels * layout.inner;
    step = std::max<std::int64_t>(block_elements / std::max<std::int64_t>(width, 1), 1);
    count = (length + step - 1) / step;
  }

  // Calls run(channel, begin, end) with ranges of elements of one channel, and row(begin) with whole rows of
  // `channels` elements where inner is 1.
  template <class Run, class Row>
  void visit(std::int64_t block, Run&& run, Row&& row) const {
    const auto [outer, channels, inner] = layout;
    const std::int64_t first = block * step, last = std::min(first + step, channels == 1 ? inner : outer);
    if (channels == 1) return run(std::int64_t{0}, first, last);
    for (std::int64_t o = first; o < last; ++o) {
      if (inner == 1) {
        row(o * channels);
        continue;
      }
      for (std::int64_t c = 0; c < channels; ++c)
        run(c, (o * channels + c) * inner, (o * channels + c + 1) * inner);
    }
  }
};

template <class T>
T value_at(T x, T w) {
  return x > T(0) ? x : w == T(0) ? (x <= T(0) ? T(0) : x) : w * x;
}

// Runs body(i, c) over the elements of a run, and sums what it returns. What it returns goes through a small buffer: one
// loop that computes and one that sums are both vectorised, the two in one are not.
template <class T, class Body>
double sum_of_run(std::int64_t c, std::int64_t begin, std::int64_t end, Body body) {
  double sum = 0;
  on_isa([=, &sum] {
    constexpr std::int64_t chunk = 512;
    T terms[chunk];
    for (std::int64_t first = begin; first < end; first += chunk) {
      const std::int64_t count = std::min(chunk, end - first);
      T* const to = terms;
      detail::plain_loop(0, count, [=](std::int64_t i) { to[i] = body(first + i, c); });
      sum += detail::sum_run(terms, count);
    }
  });
  return sum;
}

// Runs body(i, c) over all elements, in parallel, and sums what it returns by channel into `sums`, in the order of
// the blocks. run(c, begin, end) does it for a run of elements of one channel, and returns their sum.
template <class T, class Body, class Run>
void sum_by_channel(const Layout& layout, T* sums, Body body, Run run) {
  const Blocks blocks(layout);
  const std::int64_t channels = layout.channels;
  Tensor partial = zeros({std::max<std::int64_t>(blocks.count, 1), channels}, DType::f64);
  double* partial_sums = partial.mutable_data<double>().data();
  const auto run_block = [&, partial_sums](std::int64_t block) {
    double* into = partial_sums + block * channels;
    blocks.visit(
        block, [=](std::int64_t c, std::int64_t begin, std::int64_t end) { into[c] += run(c, begin, end); },
        [=](std::int64_t begin) {
          detail::independent_loop(
              0, channels, [=](std::int64_t c) { into[c] += static_cast<double>(body(begin + c, c)); });
        });
  };
  if (blocks.count <= 2) {
    for (std::int64_t block = 0; block < blocks.count; ++block) run_block(block);
  } else {
    parallel_tasks(blocks.count, run_block);
  }
  for (std::int64_t c = 0; c < channels; ++c) {
    double sum = 0;
    for (std::int64_t block = 0; block < blocks.count; ++block) sum += partial_sums[block * channels + c];
    sums[c] = static_cast<T>(sum);
  }
}

}  // namespace

Meta Prelu::infer(const Tensor& x, const Tensor& w) const {
  RILL_CHECK(x.dtype() == w.dtype(), name, ": dtypes are x ", x.dtype(), " and weight ", w.dtype(),
             ", expected equal ones; convert one with to()");
  RILL_CHECK(is_floating(x.dtype()), name, ": dtype is ", x.dtype(), ", expected f32 or f64");
  const std::int64_t channels = x.dim() < 2 ? 1 : x.shape()[1];
  RILL_CHECK(w.dim() == 1 && (w.numel() == 1 || w.numel() == channels), name, ": weight is ", w.shape(),
             ", expected [1]", channels > 1 ? detail::concat(" or [", channels, "]") : "", " (x ", x.shape(),
             ")");
  return {x.shape(), x.dtype()};
}

void Prelu::forward(const Tensor& x, const Tensor& w, Tensor& y) const {
  dispatch_floating(x.dtype(), name, [&]<class T>(T) {
    const Blocks blocks{Layout(x.shape(), w.numel())};
    const T *in = x.data<T>().data(), *slopes = w.data<T>().data();
    T* out = y.mutable_data<T>().data();
    const std::int64_t channels = blocks.layout.channels;
    parallel_for(
        blocks.count,
        [=](std::int64_t first, std::int64_t last) {
          for (std::int64_t block = first; block < last; ++block) {
            blocks.visit(
                block,
                [=](std::int64_t c, std::int64_t begin, std::int64_t end) {
                  const T slope = slopes[c];
                  detail::independent_loop(begin, end,
                                           [=](std::int64_t i) { out[i] = value_at(in[i], slope); });
                },
                [=](std::int64_t begin) {
                  detail::independent_loop(0, channels, [=](std::int64_t c) {
                    out[begin + c] = value_at(in[begin + c], slopes[c]);
                  });
                });
          }
        },
        2);
  });
}

std::array<Tensor, 2> Prelu::gradient(const Incoming& g, Input<0> x, Input<1> w) const {
  return apply(PreluBackward{}, g[0], x(), w());
}

void PreluBackward::forward(const Tensor& g, const Tensor& x, const Tensor& w, Tensor& dx, Tensor& dw) const {
  dispatch_floating(x.dtype(), name, [&]<class T>(T) {
    const T *in = x.data<T>().data(), *in_g = g.data<T>().data(), *slopes = w.data<T>().data();
    T* out = dx.mutable_data<T>().data();
    const auto body = [=](std::int64_t i, std::int64_t c) {
      const bool positive = in[i] > T(0);
      const T slope = slopes[c];  // read in any case: what is read on a condition is not vectorised
      out[i] = in_g[i] * (positive ? T(1) : slope);
      return positive ? T(0) : in_g[i] * in[i];
    };
    const auto run = [=](std::int64_t c, std::int64_t begin, std::int64_t end) {
      if constexpr (std::is_same_v<T, float>) {
        return kernels::prelu_slopes(slopes[c], in_g + begin, in + begin, out + begin, end - begin, isa());
      } else {
        return sum_of_run<T>(c, begin, end, body);
      }
    };
    sum_by_channel(Layout(x.shape(), w.numel()), dw.mutable_data<T>().data(), body, run);
  });
}

std::array<Tensor, 3> PreluBackward::gradient(const Incoming& v, Input<0> g, Input<1> x, Input<2> w) const {
  const auto or_zeros = [&](int output, const Tensor& like) {
    return v[output].defined() ? v[output] : zeros(like.shape(), like.dtype());
  };
  return apply(PreluCurvature{}, or_zeros(0, x()), or_zeros(1, w()), g(), x(), w());
}

void PreluCurvature::forward(const Tensor& u, const Tensor& v, const Tensor& g, const Tensor& x,
                             const Tensor& w, Tensor& to_g, Tensor& to_x, Tensor& to_w) const {
  dispatch_floating(x.dtype(), name, [&]<class T>(T) {
    const T *in_u = u.data<T>().data(), *in_v = v.data<T>().data(), *in_g = g.data<T>().data();
    const T *in_x = x.data<T>().data(), *slopes = w.data<T>().data();
    T *out_g = to_g.mutable_data<T>().data(), *out_x = to_x.mutable_data<T>().data();
    const auto body = [=](std::int64_t i, std::int64_t c) {
      const bool positive = in_x[i] > T(0);
      out_g[i] = positive ? in_u[i] : in_u[i] * slopes[c] + in_v[c] * in_x[i];
      out_x[i] = positive ? T(0) : in_v[c] * in_g[i];
      return positive ? T(0) : in_u[i] * in_g[i];
    };
    sum_by_channel(Layout(x.shape(), w.numel()), to_w.mutable_data<T>().data(), body,
                   [=](std::int64_t c, std::int64_t begin, std::int64_t end) {
                     return sum_of_run<T>(c, begin, end, body);
                   });
  });
}

std::vector<Sample<Prelu>> Prelu::samples() {
  return {{{}, {{{7}}, {{1}}}},       {{}, {{{3, 5}}, {{1}}}},      {{}, {{{3, 5}}, {{5}}}},
          {{}, {{{2, 3, 4}}, {{1}}}}, {{}, {{{2, 3, 4}}, {{3}}}},   {{}, {{{}}, {{1}}}},
          {{}, {{{0, 4}}, {{4}}}},    {{}, {{{4, 1, 3, 2}}, {{1}}}}};
}

}  // namespace ops

Tensor prelu(const Tensor& x, const Tensor& weight) { return apply(ops::Prelu{}, x, weight); }
Tensor Tensor::prelu(const Tensor& weight) const { return rill::prelu(*this, weight); }

}  // namespace rill
