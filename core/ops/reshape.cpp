#include <algorithm>

#include <rill/core/axis.hpp>
#include <rill/core/ops/reshape.hpp>

namespace rill {

Meta ops::Reshape::infer(const Tensor& x) const {
  RILL_CHECK(x.numel() == shape.numel(), name, ": x ", x.shape(), " has ", x.numel(), " elements, shape ",
             shape, " has ", shape.numel(), ", expected as many");
  return {shape, x.dtype()};
}

Tensor ops::Reshape::view(const Tensor& x) const {
  const detail::Record& record = detail::Access::record(x);
  return detail::Access::wrap(detail::Record::create(shape, record.dtype, record.block, record.data));
}

Tensor reshape(const Tensor& x, const Shape& shape) { return apply(ops::Reshape{shape}, x); }

Tensor flatten(const Tensor& x, int first_axis, int last_axis) {
  if (x.dim() == 0) return reshape(x, {1});
  const Shape& shape = x.shape();
  const int first = normalize_axis(first_axis, shape, "flatten"),
            last = normalize_axis(last_axis, shape, "flatten");
  RILL_CHECK(first <= last, "flatten: axis ", first_axis, " of ", shape, " comes after axis ", last_axis,
             ", expected the first axis and then the last");
  Shape flat = shape;
  for (int i = first; i < last; ++i) {
    const std::int64_t size = flat[first] * flat[first + 1];
    flat = detail::with_size(detail::without_axis(flat, first), first, size);
  }
  return reshape(x, flat);
}

Tensor squeeze(const Tensor& x, int axis) {
  const int along = normalize_axis(axis, x.shape(), "squeeze");
  RILL_CHECK(x.shape()[along] == 1, "squeeze: axis ", axis, " of ", x.shape(), " has size ", x.shape()[along],
             ", expected 1");
  return reshape(x, detail::without_axis(x.shape(), along));
}

Tensor unsqueeze(const Tensor& x, int axis) {
  const int rank = x.dim() + 1;
  RILL_CHECK(axis >= -rank && axis < rank, "unsqueeze: axis ", axis, " for x ", x.shape(), ", expected ",
             -rank, " to ", rank - 1);
  return reshape(x, detail::with_axis(x.shape(), axis < 0 ? axis + rank : axis, 1));
}

Tensor Tensor::flatten(int first_axis, int last_axis) const {
  return rill::flatten(*this, first_axis, last_axis);
}
Tensor Tensor::squeeze(int axis) const { return rill::squeeze(*this, axis); }
Tensor Tensor::unsqueeze(int axis) const { return rill::unsqueeze(*this, axis); }

Tensor Tensor::reshape(const Shape& shape) const { return rill::reshape(*this, shape); }

Tensor Tensor::reshape(std::initializer_list<std::int64_t> sizes) const {
  const auto inferred = std::find(sizes.begin(), sizes.end(), -1);
  if (inferred == sizes.end()) return rill::reshape(*this, Shape(sizes));
  RILL_CHECK(std::count(sizes.begin(), sizes.end(), -1) == 1,
             "reshape: more than one size is -1, expected at most one");
  RILL_CHECK(sizes.size() <= Shape::max_rank, "reshape: ", sizes.size(), " dimensions, expected at most ",
             Shape::max_rank);
  std::array<std::int64_t, Shape::max_rank> filled{};
  std::copy(sizes.begin(), sizes.end(), filled.begin());
  std::int64_t& open = filled[static_cast<std::size_t>(inferred - sizes.begin())];
  open = 1;
  const std::int64_t known = Shape(std::span<const std::int64_t>(filled.data(), sizes.size())).numel();
  RILL_CHECK(known > 0 && numel() % known == 0, "reshape: x ", shape(), " has ", numel(),
             " elements, expected a multiple of ", known, " for a shape with -1");
  open = numel() / known;
  return rill::reshape(*this, Shape(std::span<const std::int64_t>(filled.data(), sizes.size())));
}

}  // namespace rill
