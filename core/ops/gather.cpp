#include <rill/core/axis.hpp>
#include <rill/core/ops/gather.hpp>

namespace rill {
namespace ops {
namespace {

// How index's lines along the axis lie in x: `strip` neighbouring lines are one piece of work.
class Lines {
 public:
  static constexpr std::int64_t strip = 64;

  Lines(const Shape& x, const Shape& index, int axis)
      : x_(x), index_(index), axis_(axis), in_x_(x, axis), in_index_(index, axis) {}

  // Calls body(element of y or index, element of x less its index along the axis, that index' stride) in rising order
  // along each line; lines in parallel.
  template <class Body>
  void for_each(Body&& body) const {
    const std::int64_t strips = (in_index_.inner + strip - 1) / strip;
    parallel_for(
        in_index_.outer * strips,
        [&](std::int64_t first, std::int64_t last) {
          for (std::int64_t task = first; task < last; ++task)
            run_strip(task / strips, task % strips * strip, body);
        },
        detail::grain_of_runs(in_index_.size * std::min(strip, in_index_.inner)));
  }

 private:
  // The place in x of what lies at `flat` in index, both seen over the axes [first, last) alone.
  std::int64_t place(std::int64_t flat, int first, int last) const {
    std::int64_t at = 0, stride = 1;
    for (int i = last - 1; i >= first; --i) {
      at += flat % index_[i] * stride;
      flat /= index_[i];
      stride *= x_[i];
    }
    return at;
  }

  template <class Body>
  void run_strip(std::int64_t outer, std::int64_t begin, const Body& body) const {
    const std::int64_t width = std::min(strip, in_index_.inner - begin), size = in_index_.size,
                       inner = in_index_.inner, stride = in_x_.inner;
    const std::int64_t base = place(outer, 0, axis_) * in_x_.size * stride;
    std::int64_t start[strip];
    for (std::int64_t i = 0; i < width; ++i) start[i] = base + place(begin + i, axis_ + 1, x_.rank());
    for (std::int64_t k = 0; k < size; ++k) {
      const std::int64_t row = (outer * size + k) * inner + begin;
      for (std::int64_t i = 0; i < width; ++i) body(row + i, start[i], stride);
    }
  }

  const Shape &x_, &index_;
  int axis_;
  detail::AroundAxis in_x_, in_index_;
};

}  // namespace

Meta Gather::infer(const Tensor& x, const Tensor& index) const {
  bool fits = index.dim() == x.dim();
  for (int i = 0; fits && i < x.dim(); ++i) fits = i == axis || index.shape()[i] <= x.shape()[i];
  RILL_CHECK(fits, name, ": index is ", index.shape(), ", x is ", x.shape(),
             ", expected an index of x's rank, no larger at all axes but ", axis);
  detail::check_index(name, "index", index, x.shape()[axis]);
  return {index.shape(), x.dtype()};
}

void Gather::forward(const Tensor& x, const Tensor& index, Tensor& y) const {
  const std::int64_t* at = index.data<std::int64_t>().data();
  dispatch(x.dtype(), [&]<class T>(T) {
    const T* in = x.data<T>().data();
    T* out = y.mutable_data<T>().data();
    Lines(x.shape(), index.shape(), axis)
        .for_each([=](std::int64_t element, std::int64_t start, std::int64_t stride) {
          out[element] = in[start + at[element] * stride];
        });
  });
}

std::array<Tensor, 2> Gather::gradient(const Incoming& g, Input<1> index) const {
  return {apply(GatherBackward{axis, g.input_shape(0)}, g[0], index()), Tensor()};
}

std::vector<Sample<Gather>> Gather::samples() {
  const auto labels = [](Shape shape, std::int64_t classes) {
    return SampleInput{shape, SampleInput::Kind::labels, classes};
  };
  return {{{1}, {{{3, 4}}, labels({3, 2}, 4)}},
          {{0}, {{{3, 4}}, labels({6, 4}, 3)}},
          {{1}, {{{2, 3, 4}}, labels({1, 5, 2}, 3)}},
          {{2}, {{{3, 2, 2}}, labels({2, 1, 7}, 2)}},
          {{0}, {{{5}}, labels({9}, 5)}},
          {{0}, {{{1}}, labels({1}, 1)}},
          {{1}, {{{3, 4}}, labels({3, 0}, 4)}},
          {{1}, {{{3, 4}}, labels({0, 2}, 4)}}};
}

void GatherBackward::forward(const Tensor& g, const Tensor& index, Tensor& dx) const {
  const std::int64_t* at = index.data<std::int64_t>().data();
  dispatch_floating(g.dtype(), name, [&]<class T>(T) {
    const T* in = g.data<T>().data();
    T* out = dx.mutable_data<T>().data();
    detail::clear_runs(1, dx.numel(), out, 0);
    Lines(shape, index.shape(), axis)
        .for_each([=](std::int64_t element, std::int64_t start, std::int64_t stride) {
          out[start + at[element] * stride] += in[element];
        });
  });
}

std::array<Tensor, 2> GatherBackward::gradient(const Incoming& v, Input<1> index) const {
  return {gather(v[0], axis, index()), Tensor()};
}

}  // namespace ops

Tensor gather(const Tensor& x, int axis, const Tensor& index) {
  return apply(ops::Gather{normalize_axis(axis, x.shape(), "gather")}, x, index);
}

Tensor Tensor::gather(int axis, const Tensor& index) const { return rill::gather(*this, axis, index); }

}  // namespace rill
