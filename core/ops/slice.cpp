#include <rill/core/axis.hpp>
#include <rill/core/ops/reshape.hpp>
#include <rill/core/ops/slice.hpp>

namespace rill {
namespace ops {

Meta Slice::infer(const Tensor& x) const {
  return {detail::with_size(x.shape(), axis, stop - start), x.dtype()};
}

Tensor Slice::view(const Tensor& x) const {
  const Shape shape = detail::with_size(x.shape(), axis, stop - start);
  const detail::AroundAxis around(x.shape(), axis);
  const std::int64_t begin = start * around.inner;
  if (axis == 0) {
    const detail::Record& record = detail::Access::record(x);
    std::byte* data = record.data + static_cast<std::size_t>(begin) * size_of(record.dtype);
    return detail::Access::wrap(detail::Record::create(shape, record.dtype, record.block, data));
  }
  Tensor y = empty(shape, x.dtype());
  dispatch(x.dtype(), [&]<class T>(T) {
    const std::int64_t run = (stop - start) * around.inner;
    detail::copy_runs(around.outer, run, x.data<T>().data() + begin, around.size * around.inner,
                      y.mutable_data<T>().data(), run);
  });
  return y;
}

Tensor Slice::gradient(const Incoming& g) const {
  return apply(SliceBackward{axis, start, g.input_shape(0)}, g[0]);
}

std::vector<Sample<Slice>> Slice::samples() {
  return {{{0, 1, 3}, {{{4, 3}}}},    {{1, 0, 2}, {{{4, 3}}}}, {{1, 1, 3}, {{{2, 4, 3}}}},
          {{2, 2, 3}, {{{2, 1, 3}}}}, {{0, 0, 2}, {{{2}}}},    {{0, 0, 1}, {{{1}}}},
          {{1, 2, 2}, {{{3, 4}}}},    {{1, 1, 2}, {{{0, 3}}}}};
}

void SliceBackward::forward(const Tensor& g, Tensor& dx) const {
  const detail::AroundAxis around(shape, axis);
  const std::int64_t run = g.shape()[axis] * around.inner, whole = around.size * around.inner,
                     before = start * around.inner;
  dispatch_floating(g.dtype(), name, [&]<class T>(T) {
    T* out = dx.mutable_data<T>().data();
    detail::clear_runs(around.outer, before, out, whole);
    detail::copy_runs(around.outer, run, g.data<T>().data(), run, out + before, whole);
    detail::clear_runs(around.outer, whole - before - run, out + before + run, whole);
  });
}

Tensor SliceBackward::gradient(const Incoming& v) const {
  return apply(Slice{axis, start, start + v.input_shape(0)[axis]}, v[0]);
}

}  // namespace ops

Tensor slice(const Tensor& x, int axis, std::int64_t start, std::int64_t stop) {
  const int along = normalize_axis(axis, x.shape(), "slice");
  const std::int64_t size = x.shape()[along];
  const auto clamped = [size](std::int64_t bound) {
    return std::clamp<std::int64_t>(bound < 0 ? bound + size : bound, 0, size);
  };
  const std::int64_t first = clamped(start);
  return apply(ops::Slice{along, first, std::max(first, clamped(stop))}, x);
}

Tensor select(const Tensor& x, int axis, std::int64_t index) {
  const int along = normalize_axis(axis, x.shape(), "select");
  const std::int64_t size = x.shape()[along];
  RILL_CHECK(index >= -size && index < size, "select: index ", index, " at axis ", along, " of the tensor ",
             x.shape(), ", expected ",
             size == 0 ? "none, the axis is empty" : detail::concat(-size, " to ", size - 1));
  const std::int64_t first = index < 0 ? index + size : index;
  return reshape(apply(ops::Slice{along, first, first + 1}, x), detail::without_axis(x.shape(), along));
}

Tensor Tensor::slice(int axis, std::int64_t start, std::int64_t stop) const {
  return rill::slice(*this, axis, start, stop);
}
Tensor Tensor::select(int axis, std::int64_t index) const { return rill::select(*this, axis, index); }

}  // namespace rill
