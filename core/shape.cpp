#include <algorithm>

#include <rill/core/error.hpp>
#include <rill/core/shape.hpp>

namespace rill {

Shape::Shape(std::initializer_list<std::int64_t> sizes) { assign({sizes.begin(), sizes.size()}); }

Shape::Shape(std::span<const std::int64_t> sizes) { assign(sizes); }

void Shape::assign(std::span<const std::int64_t> sizes) {
  RILL_CHECK(sizes.size() <= max_rank, "shape: ", sizes.size(), " dimensions, expected at most ", max_rank);
  rank_ = static_cast<int>(sizes.size());
  bool overflow = false;
  std::int64_t product = 1;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    RILL_CHECK(sizes[i] >= 0, "shape: size ", sizes[i], " at dimension ", i, ", expected 0 or more");
    sizes_[i] = sizes[i];
    // A zero anywhere makes the tensor empty, whatever the other sizes are.
    if (sizes[i] != 0) overflow |= __builtin_mul_overflow(product, sizes[i], &product);
  }
  const bool empty = std::find(begin(), end(), 0) != end();
  // The largest element takes 8 bytes, and byte counts must fit as well.
  RILL_CHECK(!overflow && product <= INT64_MAX / 8, "shape: ", *this,
             " has too many elements, expected fewer than 2^60");
  numel_ = empty ? 0 : product;
}

void Shape::refuse(int axis) const {
  detail::fail(detail::concat("shape: axis ", axis, " of ", *this, ", expected 0 or more and less than ",
                              rank_, "; at() counts from the end, too"));
}

std::int64_t Shape::at(int axis) const {
  return sizes_[static_cast<std::size_t>(normalize_axis(axis, *this, "shape"))];
}

std::ostream& operator<<(std::ostream& out, const Shape& shape) {
  out << '[';
  for (int i = 0; i < shape.rank(); ++i) out << (i ? ", " : "") << shape[i];
  return out << ']';
}

AxisList::AxisList(std::span<const int> axes) : count_(axes.size()) {
  RILL_CHECK(axes.size() <= axes_.size(), "axes: there are ", axes.size(), ", expected at most ",
             axes_.size());
  std::ranges::copy(axes, axes_.begin());
}

int normalize_axis(int axis, const Shape& shape, const char* where) {
  const int rank = shape.rank();
  RILL_CHECK(axis >= -rank && axis < rank, where, ": axis ", axis, " is out of range for shape ", shape,
             ", expected ",
             rank == 0 ? "none, the tensor is a scalar" : detail::concat(-rank, " to ", rank - 1));
  return axis < 0 ? axis + rank : axis;
}

Shape broadcast_shapes(const Shape& a, const Shape& b, const char* where) {
  if (a == b) return a;
  const int rank = std::max(a.rank(), b.rank());
  std::array<std::int64_t, Shape::max_rank> sizes{};
  for (int i = 0; i < rank; ++i) {
    const std::int64_t size_a = i < rank - a.rank() ? 1 : a[i - (rank - a.rank())];
    const std::int64_t size_b = i < rank - b.rank() ? 1 : b[i - (rank - b.rank())];
    RILL_CHECK(size_a == size_b || size_a == 1 || size_b == 1, where, ": shapes ", a, " and ", b,
               " do not broadcast, expected equal sizes or 1 at dimension ", i - rank, " (", size_a, " and ",
               size_b, ")");
    sizes[static_cast<std::size_t>(i)] = size_a == 1 ? size_b : size_a;
  }
  return Shape(std::span<const std::int64_t>(sizes.data(), static_cast<std::size_t>(rank)));
}

}  // namespace rill
