#include <rill/core/axis.hpp>
#include <rill/core/ops/one_hot.hpp>

namespace rill {
namespace ops {

// A terabyte and more: a label that is not one, rather than a result that fits into memory.
constexpr std::int64_t most_elements = std::int64_t{1} << 40;

Meta OneHot::infer(const Tensor& labels) const {
  detail::check_index(name, "labels", labels, classes);
  const Shape shape = detail::with_axis(labels.shape(), labels.dim(), classes);
  RILL_CHECK(shape.numel() < most_elements, name, ": the result would be ", shape,
             ", expected fewer than 2^40 elements; check the labels and classes");
  return {shape, dtype};
}

void OneHot::forward(const Tensor& labels, Tensor& y) const {
  const std::int64_t* at = labels.data<std::int64_t>().data();
  dispatch(dtype, [&]<class T>(T) {
    T* out = y.mutable_data<T>().data();
    detail::clear_runs(1, y.numel(), out, 0);
    for (std::int64_t i = 0; i < labels.numel(); ++i) out[i * classes + at[i]] = T(1);
  });
}

std::vector<Sample<OneHot>> OneHot::samples() {
  constexpr auto labels = SampleInput::Kind::labels;
  return {{{4, DType::f32}, {{{5}, labels, 4}}},
          {{3, DType::f64}, {{{2, 3}, labels, 3}}},
          {{2, DType::i64}, {{{}, labels, 2}}},
          {{3, DType::f32}, {{{0}, labels, 3}}}};
}

}  // namespace ops

Tensor one_hot(const Tensor& labels, std::int64_t classes, DType dtype) {
  RILL_CHECK(classes == -1 || classes > 0, "one_hot: classes is ", classes,
             ", expected 1 or more, or -1 for as many as there are");
  if (classes != -1) return apply(ops::OneHot{classes, dtype}, labels);
  RILL_CHECK(labels.numel() > 0, "one_hot: labels ", labels.shape(),
             " has no elements, expected the number of classes");
  std::int64_t largest = 0;
  if (labels.dtype() == DType::i64) {  // another dtype is refused by the op
    const auto values = labels.data<std::int64_t>();
    const auto [low, high] = std::minmax_element(values.begin(), values.end());
    largest = *high;
    RILL_CHECK(*low >= 0, "one_hot: labels ", labels.shape(), " contains ", *low, ", expected 0 or more");
    RILL_CHECK(largest < INT64_MAX, "one_hot: labels ", labels.shape(), " contains ", largest,
               ", expected smaller ones");
  }
  return apply(ops::OneHot{largest + 1, dtype}, labels);
}

}  // namespace rill
