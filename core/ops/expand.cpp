#include <algorithm>

#include <rill/core/broadcast.hpp>
#include <rill/core/ops/expand.hpp>
#include <rill/core/ops/reduce.hpp>

namespace rill {
namespace ops {

Meta Expand::infer(const Tensor& x) const {
  RILL_CHECK(broadcast_shapes(x.shape(), shape, name.data()) == shape, name, ": x is ", x.shape(),
             ", expected a shape that broadcasts to ", shape);
  return {shape, x.dtype()};
}

void Expand::forward(const Tensor& x, Tensor& y) const {
  dispatch(x.dtype(), [&]<class T>(T) {
    const detail::BroadcastPlan plan(y.shape(), x.shape(), y.shape());
    const T* in = x.data<T>().data();
    T* out = y.mutable_data<T>().data();
    for_rows(plan, [&](std::int64_t row, std::int64_t begin, std::int64_t end) {
      const T* from = in + plan.start(row).a;
      T* to = out + row * plan.columns;
      if (plan.step_a == 0) {
        std::fill(to + begin, to + end, *from);
      } else {
        std::copy(from + begin, from + end, to + begin);
      }
    });
  });
}

Tensor Expand::gradient(const Incoming& g) const { return sum_to(g[0], g.input_shape(0)); }

std::vector<Sample<Expand>> Expand::samples() {
  return {{{{3, 4}}, {{{4}}}}, {{{3, 4}}, {{{3, 1}}}}, {{{2, 3, 4}}, {{{3, 1}}}},
          {{{2, 2}}, {{{}}}},  {{{5}}, {{{5}}}},       {{{0, 3}}, {{{1, 3}}}}};
}

}  // namespace ops

Tensor expand(const Tensor& x, const Shape& shape) { return apply(ops::Expand{shape}, x); }

Tensor Tensor::expand(const Shape& shape) const { return rill::expand(*this, shape); }

Tensor sum_to(const Tensor& x, const Shape& shape) {
  if (x.shape() == shape) return x;
  RILL_CHECK(broadcast_shapes(x.shape(), shape, "sum_to") == x.shape(), "sum_to: x is ", x.shape(),
             ", expected a shape that ", shape, " broadcasts to");
  ops::Axes axes;
  const int added = x.dim() - shape.rank();
  for (int i = 0; i < x.dim(); ++i) {
    if (i < added || (shape[i - added] == 1 && x.shape()[i] != 1)) axes.mask |= 1u << i;
  }
  return apply(ops::Sum{axes}, x).reshape(shape);
}

}  // namespace rill
