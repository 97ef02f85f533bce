#include <algorithm>

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
