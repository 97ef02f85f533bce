#include <rill/core/ops/groups.hpp>

namespace rill::ops {

Shape Axes::reduced(const Shape& shape, bool keep) const {
  std::array<std::int64_t, Shape::max_rank> sizes{};
  std::size_t rank = 0;
  for (int i = 0; i < shape.rank(); ++i) {
    const bool gone = mask >> i & 1;
    if (!gone || keep) sizes[rank++] = gone ? 1 : shape[i];
  }
  return Shape(std::span<const std::int64_t>(sizes.data(), rank));
}

std::int64_t Axes::count(const Shape& shape) const {
  std::int64_t product = 1;
  for (int i = 0; i < shape.rank(); ++i) product *= mask >> i & 1 ? shape[i] : 1;
  return product;
}

Axes axes_of(const char* where, const Shape& shape, const AxisList& axes, bool keepdim) {
  Axes result{axes.empty() ? (1u << shape.rank()) - 1 : 0, keepdim};
  for (const int axis : axes) {
    const unsigned bit = 1u << normalize_axis(axis, shape, where);
    RILL_CHECK(!(result.mask & bit), where, ": axis ", axis, " is named twice, expected distinct axes");
    result.mask |= bit;
  }
  return result;
}

Groups groups_along(const Shape& shape, int axis) {
  Groups groups{1, shape[axis], 1};
  for (int i = 0; i < shape.rank(); ++i) {
    if (i != axis) (i < axis ? groups.outer : groups.inner) *= shape[i];
  }
  return groups;
}

namespace {

// Whether the reduced axes have no kept one between them; axes of size 1 do not count.
bool neighbours(const Shape& shape, unsigned mask) {
  int changes = 0;
  bool before = false;
  for (int i = 0; i < shape.rank(); ++i) {
    if (shape[i] == 1) continue;
    const bool now = mask >> i & 1;
    changes += now && !before;
    before = now;
  }
  return changes <= 1;
}

using Offsets = std::vector<std::int64_t, memory::Allocator<std::int64_t>>;

// Offsets of all positions in those axes that `mask` names, in row-major order.
Offsets offsets(const Shape& shape, unsigned mask) {
  Offsets result{0};
  std::int64_t stride = shape.numel();
  for (int i = 0; i < shape.rank(); ++i) {
    stride /= shape[i];
    if (!(mask >> i & 1)) continue;
    Offsets longer;
    longer.reserve(result.size() * static_cast<std::size_t>(shape[i]));
    for (const std::int64_t start : result) {
      for (std::int64_t at = 0; at < shape[i]; ++at) longer.push_back(start + at * stride);
    }
    result = std::move(longer);
  }
  return result;
}

}  // namespace

Tensor grouped(const Tensor& x, const Axes& axes, Groups& groups) {
  const Shape& shape = x.shape();
  groups = {};
  if (x.numel() == 0 || neighbours(shape, axes.mask)) {
    bool inside = false;
    for (int i = 0; i < shape.rank(); ++i) {
      const bool reduced = axes.mask >> i & 1;
      inside |= reduced && shape[i] != 1;
      (reduced ? groups.reduced : inside ? groups.inner : groups.outer) *= shape[i];
    }
    return x.detach();
  }
  const Offsets starts = offsets(shape, ~axes.mask), steps = offsets(shape, axes.mask);
  groups.outer = std::ssize(starts);
  groups.reduced = std::ssize(steps);
  Tensor copy = empty({groups.outer, groups.reduced}, x.dtype());
  dispatch(x.dtype(), [&]<class T>(T) {
    const T* in = x.data<T>().data();
    T* out = copy.mutable_data<T>().data();
    parallel_for(
        groups.outer,
        [&, in, out](std::int64_t begin, std::int64_t end) {
          for (std::int64_t o = begin; o < end; ++o) {
            const T* from = in + starts[static_cast<std::size_t>(o)];
            T* to = out + o * groups.reduced;
            for (std::size_t r = 0; r < steps.size(); ++r) to[r] = from[steps[r]];
          }
        },
        groups.grain());
  });
  return copy;
}

}  // namespace rill::ops
