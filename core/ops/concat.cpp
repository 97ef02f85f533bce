#include <rill/core/axis.hpp>
#include <rill/core/ops/concat.hpp>
#include <rill/core/ops/reshape.hpp>
#include <rill/core/ops/slice.hpp>

namespace rill {
namespace ops {

Meta Concat::infer(std::span<const Tensor> inputs) const {
  const Tensor& first = inputs[0];
  std::int64_t size = 0;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const Tensor& x = inputs[i];
    RILL_CHECK(x.dtype() == first.dtype(), name, ": input ", i, " is ", x.dtype(), ", input 0 is ",
               first.dtype(), ", expected equal dtypes; convert one with to()");
    const bool fits =
        x.dim() == first.dim() && detail::with_size(x.shape(), axis, first.shape()[axis]) == first.shape();
    RILL_CHECK(fits, name, ": input ", i, " is ", x.shape(), ", input 0 is ", first.shape(),
               ", expected equal sizes at all axes but ", axis);
    size += x.shape()[axis];
  }
  return {detail::with_size(first.shape(), axis, size), first.dtype()};
}

void Concat::forward(std::span<const Tensor> inputs, Tensor& y) const {
  const detail::AroundAxis around(y.shape(), axis);
  dispatch(y.dtype(), [&]<class T>(T) {
    T* out = y.mutable_data<T>().data();
    for (const Tensor& x : inputs) {
      const std::int64_t run = x.shape()[axis] * around.inner;
      detail::copy_runs(around.outer, run, x.data<T>().data(), run, out, around.size * around.inner);
      out += run;
    }
  });
}

TensorList Concat::gradient(const Incoming& g) const {
  TensorList grads(sizes.size());
  std::int64_t start = 0;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    if (g.needs(static_cast<int>(i))) grads[i] = apply(Slice{axis, start, start + sizes[i]}, g[0]);
    start += sizes[i];
  }
  return grads;
}

std::vector<Sample<Concat>> Concat::samples() {
  const std::vector<std::pair<int, std::vector<Shape>>> lists{
      {0, {{2, 3}, {1, 3}, {3, 3}}},
      {1, {{2, 3}, {2, 2}}},
      {1, {{2, 1, 3}, {2, 2, 3}}},
      {2, {{2, 1, 2}, {2, 1, 2}, {2, 1, 1}, {2, 1, 1}}},
      {0, {{4}}},
      {0, {{1}, {1}}},
      {0, {{0, 3}, {2, 3}}},
      {1, {{0, 2}, {0, 3}}}};
  std::vector<Sample<Concat>> all;
  for (const auto& [axis, shapes] : lists) {
    Sample<Concat>& sample = all.emplace_back();
    sample.op.axis = axis;
    for (const Shape& shape : shapes) {
      sample.op.sizes.push_back(shape[axis]);
      sample.inputs.push_back({shape});
    }
  }
  return all;
}

}  // namespace ops

Tensor concat(std::span<const Tensor> tensors, int axis) {
  RILL_CHECK(!tensors.empty(), "concat: no tensors, expected at least one");
  RILL_CHECK(tensors[0].defined(), "concat: input 0 is undefined, expected a tensor with elements");
  ops::Concat op{normalize_axis(axis, tensors[0].shape(), "concat"), {}};
  op.sizes.reserve(tensors.size());
  for (const Tensor& x : tensors)
    op.sizes.push_back(x.defined() && x.dim() > op.axis ? x.shape()[op.axis] : 0);
  return apply_list(op, tensors);
}

Tensor concat(std::initializer_list<Tensor> tensors, int axis) {
  return concat(std::span<const Tensor>(tensors.begin(), tensors.size()), axis);
}

Tensor stack(std::span<const Tensor> tensors, int axis) {
  RILL_CHECK(!tensors.empty(), "stack: no tensors, expected at least one");
  const Tensor& first = tensors[0];
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const Tensor& x = tensors[i];
    RILL_CHECK(x.defined(), "stack: input ", i, " is undefined, expected a tensor with elements");
    RILL_CHECK(x.dtype() == first.dtype(), "stack: input ", i, " is ", x.dtype(), ", input 0 is ",
               first.dtype(), ", expected equal dtypes; convert one with to()");
    RILL_CHECK(x.shape() == first.shape(), "stack: input ", i, " is ", x.shape(), ", input 0 is ",
               first.shape(), ", expected equal shapes");
  }
  const int rank = first.dim() + 1;
  RILL_CHECK(axis >= -rank && axis < rank, "stack: axis ", axis, " for tensors ", first.shape(),
             ", expected ", -rank, " to ", rank - 1);
  const int along = axis < 0 ? axis + rank : axis;
  const Shape one = detail::with_axis(first.shape(), along, 1);
  TensorList parts;
  parts.reserve(tensors.size());
  for (const Tensor& x : tensors) parts.push_back(reshape(x, one));
  return concat(parts, along);
}

Tensor stack(std::initializer_list<Tensor> tensors, int axis) {
  return stack(std::span<const Tensor>(tensors.begin(), tensors.size()), axis);
}

}  // namespace rill
