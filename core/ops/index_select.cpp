#include <rill/core/axis.hpp>
#include <rill/core/ops/index_select.hpp>

namespace rill {
namespace ops {

Meta IndexSelect::infer(const Tensor& x, const Tensor& index) const {
  RILL_CHECK(index.dim() == 1, name, ": index is ", index.shape(), ", expected [n]");
  detail::check_index(name, "index", index, x.shape()[axis]);
  return {detail::with_size(x.shape(), axis, index.numel()), x.dtype()};
}

void IndexSelect::forward(const Tensor& x, const Tensor& index, Tensor& y) const {
  const detail::AroundAxis around(x.shape(), axis);
  const std::int64_t count = index.numel(), size = around.size, inner = around.inner;
  const std::int64_t* at = index.data<std::int64_t>().data();
  dispatch(x.dtype(), [&]<class T>(T) {
    const T* in = x.data<T>().data();
    T* out = y.mutable_data<T>().data();
    parallel_for(
        around.outer * count,
        [=](std::int64_t first, std::int64_t last) {
          for (std::int64_t row = first; row < last; ++row)
            std::copy_n(in + (row / count * size + at[row % count]) * inner, inner, out + row * inner);
        },
        detail::grain_of_runs(inner));
  });
}

std::array<Tensor, 2> IndexSelect::gradient(const Incoming& g, Input<1> index) const {
  return {apply(IndexSelectBackward{axis, g.input_shape(0)}, g[0], index()), Tensor()};
}

std::vector<Sample<IndexSelect>> IndexSelect::samples() {
  const auto labels = [](std::int64_t count, std::int64_t classes) {
    return SampleInput{{count}, SampleInput::Kind::labels, classes};
  };
  return {{{0}, {{{3, 4}}, labels(5, 3)}},    {{1}, {{{3, 4}}, labels(2, 4)}},
          {{1}, {{{2, 3, 4}}, labels(4, 3)}}, {{2}, {{{2, 1, 3}}, labels(7, 3)}},
          {{0}, {{{4}}, labels(6, 4)}},       {{0}, {{{1}}, labels(1, 1)}},
          {{0}, {{{3, 2}}, labels(0, 3)}},    {{1}, {{{0, 3}}, labels(2, 3)}}};
}

// A strip of columns at a time, so that every sum has one thread.
void IndexSelectBackward::forward(const Tensor& g, const Tensor& index, Tensor& dx) const {
  constexpr std::int64_t strip = 64;
  const detail::AroundAxis around(shape, axis);
  const std::int64_t count = index.numel(), size = around.size, inner = around.inner,
                     strips = (inner + strip - 1) / strip;
  const std::int64_t* at = index.data<std::int64_t>().data();
  dispatch_floating(g.dtype(), name, [&]<class T>(T) {
    const T* in = g.data<T>().data();
    T* out = dx.mutable_data<T>().data();
    detail::clear_runs(1, dx.numel(), out, 0);
    parallel_for(
        around.outer * strips,
        [=](std::int64_t first, std::int64_t last) {
          for (std::int64_t task = first; task < last; ++task) {
            const std::int64_t o = task / strips, begin = task % strips * strip,
                               width = std::min(strip, inner - begin);
            for (std::int64_t k = 0; k < count; ++k) {
              const T* from = in + (o * count + k) * inner + begin;
              T* to = out + (o * size + at[k]) * inner + begin;
              for (std::int64_t i = 0; i < width; ++i) to[i] += from[i];
            }
          }
        },
        detail::grain_of_runs(count * std::min(strip, inner)));
  });
}

std::array<Tensor, 2> IndexSelectBackward::gradient(const Incoming& v, Input<1> index) const {
  return {index_select(v[0], axis, index()), Tensor()};
}

}  // namespace ops

Tensor index_select(const Tensor& x, int axis, const Tensor& index) {
  return apply(ops::IndexSelect{normalize_axis(axis, x.shape(), "index_select")}, x, index);
}

Tensor Tensor::index_select(int axis, const Tensor& index) const {
  return rill::index_select(*this, axis, index);
}

}  // namespace rill
