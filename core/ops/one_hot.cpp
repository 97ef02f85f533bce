#include <rill/core/axis.hpp>
#include <rill/core/ops/one_hot.hpp>

namespace rill {
namespace ops {

Meta OneHot::infer(const Tensor& labels) const {
  detail::check_index(name, "labels", labels, classes);
  return {detail::with_axis(labels.shape(), labels.dim(), classes), dtype};
}

void OneHot::forward(const Tensor& labels, Tensor& y) const {
  const std::int64_t* at = labels.data<std::int64_t>().data();
  dispatch(dtype, [&]<class T>(T) {
    T* out = y.mutable_data<T>().data();
    detail::clear_runs(1, y.numel(), out, 0);
    for (std::int64_t i = 0; i < labels.numel(); ++i) out[i * classes + at[i]] = T(1);
  });
}

}  // namespace ops

Tensor one_hot(const Tensor& labels, std::int64_t classes, DType dtype) {
  RILL_CHECK(classes == -1 || classes > 0, "one_hot: classes is ", classes,
             ", expected 1 or more, or -1 for as many as there are");
  if (classes != -1) return apply(ops::OneHot{classes, dtype}, labels);
  RILL_CHECK(labels.numel() > 0, "one_hot: labels ", labels.shape(),
             " has no elements, expected the number of classes");
  // Labels that are refused for their dtype or for being negative are refused by the op.
  std::int64_t largest = 0;
  if (labels.dtype() == DType::i64) {
    const auto values = labels.data<std::int64_t>();
    largest = *std::max_element(values.begin(), values.end());
  }
  RILL_CHECK(largest < INT64_MAX, "one_hot: labels ", labels.shape(), " contains ", largest,
             ", expected smaller ones");
  return apply(ops::OneHot{std::max<std::int64_t>(largest, 0) + 1, dtype}, labels);
}

}  // namespace rill
