#include <rill/core/ops/compare.hpp>
#include <rill/core/ops/extreme.hpp>
#include <rill/core/ops/reduce.hpp>
#include <rill/core/ops/where.hpp>

namespace rill {
namespace ops {
namespace {

// Puts the index of the first element that equals the group's extreme into y.
template <class T>
void first_index(const Groups& groups, const T* x, const T* extremes, std::int64_t* y) {
  const std::int64_t size = groups.reduced, columns = groups.inner;
  const IsSame same;
  if (columns == 1) {
    return parallel_for(
        groups.outer,
        [=](std::int64_t begin, std::int64_t end) {
          for (std::int64_t o = begin; o < end; ++o) {
            std::int64_t r = 0;
            while (!same(x[o * size + r], extremes[o])) ++r;
            y[o] = r;
          }
        },
        groups.grain());
  }
  for_strips(groups, 2, [=](std::int64_t o, std::int64_t begin, std::int64_t width) {
    const T* extreme = extremes + o * columns + begin;
    std::int64_t* index = y + o * columns + begin;
    for (std::int64_t r = size - 1; r >= 0; --r) {
      const T* row = x + (o * size + r) * columns + begin;
      for (std::int64_t i = 0; i < width; ++i) index[i] = same(row[i], extreme[i]) ? r : index[i];
    }
  });
}

template <bool largest>
void extremes(const Tensor& x, const Axes& axes, Tensor& y) {
  Groups groups;
  const Tensor in = grouped(x, axes, groups);
  dispatch(x.dtype(), [&]<class T>(T) {
    extremes_of_groups<largest>(groups, in.data<T>().data(), y.mutable_data<T>().data());
  });
}

template <bool largest>
void indices(const Tensor& x, const Axes& axes, Tensor& y) {
  Groups groups;
  const Tensor in = grouped(x, axes, groups);
  dispatch(x.dtype(), [&]<class T>(T) {
    Tensor found = empty({groups.count()}, x.dtype());
    T* values = found.mutable_data<T>().data();
    extremes_of_groups<largest>(groups, in.data<T>().data(), values);
    first_index<T>(groups, in.data<T>().data(), values, y.mutable_data<std::int64_t>().data());
  });
}

template <class Op>
std::vector<Sample<Op>> index_samples() {
  return {{{{0b1, false}}, {{{5}}}},
          {{{0b11, false}}, {{{3, 4}}}},
          {{{0b10, true}}, {{{3, 4}}}},
          {{{0b010, false}}, {{{2, 3, 4}}}},
          {{{0, false}}, {{{}}}},
          {{{0b10, false}}, {{{0, 3}}}},
          {{{0b01, false}}, {{{4, 3}, SampleInput::Kind::labels, 3}}}};
}

}  // namespace

Meta infer_extreme(std::string_view name, const Tensor& x, const Axes& axes) {
  RILL_CHECK(axes.count(x.shape()) > 0, name, ": x is ", x.shape(),
             ", expected one element or more along the axes");
  return {axes.reduced(x.shape(), axes.keepdim), x.dtype()};
}

void Max::forward(const Tensor& x, Tensor& y) const { extremes<true>(x, axes, y); }
void Min::forward(const Tensor& x, Tensor& y) const { extremes<false>(x, axes, y); }

Meta ArgMax::infer(const Tensor& x) const { return {infer_extreme(name, x, axes).shape, DType::i64}; }
Meta ArgMin::infer(const Tensor& x) const { return {infer_extreme(name, x, axes).shape, DType::i64}; }
void ArgMax::forward(const Tensor& x, Tensor& y) const { indices<true>(x, axes, y); }
void ArgMin::forward(const Tensor& x, Tensor& y) const { indices<false>(x, axes, y); }
std::vector<Sample<ArgMax>> ArgMax::samples() { return index_samples<ArgMax>(); }
std::vector<Sample<ArgMin>> ArgMin::samples() { return index_samples<ArgMin>(); }

// The mask and the counts are constants: the gradient is linear in g, and its gradient is of this form.
Tensor gradient_of_extreme(const Axes& axes, const Incoming& g, const Tensor& x, const Tensor& y) {
  const Shape kept = axes.reduced(x.shape(), true);
  Tensor mask, counts;
  {
    const NoGrad no_grad;
    mask = apply(Compare<IsSame>{}, x, y.reshape(kept));
    counts = apply(Sum{Axes{axes.mask, true}}, mask);
  }
  return where(mask, g[0].reshape(kept) / counts, 0.0);
}

std::vector<std::pair<Axes, SampleInput>> extreme_samples() {
  return {{{0b1, false}, {{5}}},
          {{0b11, false}, {{3, 4}}},
          {{0b10, true}, {{3, 4}}},
          {{0b01, false}, {{3, 4}}},
          {{0b101, false}, {{2, 3, 4}}},
          {{0b010, true}, {{2, 3, 4}}},
          {{0b110, true}, {{2, 3, 4}}},
          {{0b011, false}, {{2, 3, 4}}},
          {{0, false}, {{}}},
          {{0b10, false}, {{0, 3}}},
          {{0b10, false}, {{3, 1}}},
          {{0b101, true}, {{1, 3, 4}}},
          {{0b1010, false}, {{2, 3, 2, 2}}}};
}

}  // namespace ops

Tensor max(const Tensor& x, const AxisList& axes, bool keepdim) {
  return apply(ops::Max{ops::axes_of("max", x.shape(), axes, keepdim)}, x);
}
Tensor min(const Tensor& x, const AxisList& axes, bool keepdim) {
  return apply(ops::Min{ops::axes_of("min", x.shape(), axes, keepdim)}, x);
}
Tensor argmax(const Tensor& x) { return apply(ops::ArgMax{ops::axes_of("argmax", x.shape(), {}, false)}, x); }
Tensor argmax(const Tensor& x, int axis, bool keepdim) {
  return apply(ops::ArgMax{ops::axes_of("argmax", x.shape(), {axis}, keepdim)}, x);
}
Tensor argmin(const Tensor& x) { return apply(ops::ArgMin{ops::axes_of("argmin", x.shape(), {}, false)}, x); }
Tensor argmin(const Tensor& x, int axis, bool keepdim) {
  return apply(ops::ArgMin{ops::axes_of("argmin", x.shape(), {axis}, keepdim)}, x);
}

Tensor Tensor::max() const { return rill::max(*this); }
Tensor Tensor::max(const AxisList& axes, bool keepdim) const { return rill::max(*this, axes, keepdim); }
Tensor Tensor::min() const { return rill::min(*this); }
Tensor Tensor::min(const AxisList& axes, bool keepdim) const { return rill::min(*this, axes, keepdim); }
Tensor Tensor::argmax() const { return rill::argmax(*this); }
Tensor Tensor::argmax(int axis, bool keepdim) const { return rill::argmax(*this, axis, keepdim); }

}  // namespace rill
