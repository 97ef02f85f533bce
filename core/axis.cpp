#include <rill/core/axis.hpp>

namespace rill::detail {
namespace {

// The index of the element at `offset`, for a message.
Shape index_at(const Shape& shape, std::int64_t offset) {
  std::array<std::int64_t, Shape::max_rank> index{};
  for (int i = shape.rank() - 1; i >= 0; --i) {
    index[static_cast<std::size_t>(i)] = offset % shape[i];
    offset /= shape[i];
  }
  return Shape(std::span<const std::int64_t>(index.data(), static_cast<std::size_t>(shape.rank())));
}

}  // namespace

AroundAxis::AroundAxis(const Shape& shape, int axis) {
  for (int i = 0; i < shape.rank(); ++i) (i < axis ? outer : i > axis ? inner : size) *= shape[i];
}

Shape with_size(const Shape& shape, int axis, std::int64_t size) {
  std::array<std::int64_t, Shape::max_rank> sizes{};
  std::copy(shape.begin(), shape.end(), sizes.begin());
  sizes[static_cast<std::size_t>(axis)] = size;
  return Shape(std::span<const std::int64_t>(sizes.data(), static_cast<std::size_t>(shape.rank())));
}

Shape without_axis(const Shape& shape, int axis) {
  std::array<std::int64_t, Shape::max_rank> sizes{};
  std::size_t rank = 0;
  for (int i = 0; i < shape.rank(); ++i) {
    if (i != axis) sizes[rank++] = shape[i];
  }
  return Shape(std::span<const std::int64_t>(sizes.data(), rank));
}

Shape with_axis(const Shape& shape, int axis, std::int64_t size) {
  std::array<std::int64_t, Shape::max_rank + 1> sizes{};
  std::copy(shape.begin(), shape.begin() + axis, sizes.begin());
  sizes[static_cast<std::size_t>(axis)] = size;
  std::copy(shape.begin() + axis, shape.end(), sizes.begin() + axis + 1);
  return Shape(std::span<const std::int64_t>(sizes.data(), static_cast<std::size_t>(shape.rank() + 1)));
}

void check_index(std::string_view where, const char* what, const Tensor& index, std::int64_t size) {
  RILL_CHECK(index.dtype() == DType::i64, where, ": ", what, " ", index.shape(), " is ", index.dtype(),
             ", expected i64");
  const auto values = index.data<std::int64_t>();
  const auto bad = std::find_if(values.begin(), values.end(),
                                [size](std::int64_t value) { return value < 0 || value >= size; });
  if (bad == values.end()) return;
  fail(concat(where, ": ", what, " ", index.shape(), " contains ", *bad, " at ",
              index_at(index.shape(), bad - values.begin()), ", expected ",
              size == 0 ? "nothing, the axis is empty" : concat("0 to ", size - 1)));
}

}  // namespace rill::detail
