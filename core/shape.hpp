// The sizes of a Tensor: up to 8 dimensions, stored inline, row-major.
#pragma once

#include <array>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <ostream>
#include <span>
#include <vector>

namespace rill {

class Shape {
 public:
  static constexpr int max_rank = 8;

  Shape() = default;  ///< a scalar: rank 0, one element

  /// Throws Error for a negative size, more than 8 dimensions, or 2^60 elements and more.
  Shape(std::initializer_list<std::int64_t> sizes);
  explicit Shape(std::span<const std::int64_t> sizes);

  int rank() const { return rank_; }
  std::int64_t numel() const { return numel_; }

  /// Size of dimension `axis` in [0, rank); throws Error otherwise.
  std::int64_t operator[](int axis) const {
    if (axis < 0 || axis >= rank_) [[unlikely]]
      refuse(axis);
    return sizes_[static_cast<std::size_t>(axis)];
  }

  /// Size of dimension `axis` in [-rank, rank); throws Error otherwise.
  std::int64_t at(int axis) const;

  std::span<const std::int64_t> sizes() const { return {sizes_.data(), static_cast<std::size_t>(rank_)}; }
  const std::int64_t* begin() const { return sizes_.data(); }
  const std::int64_t* end() const { return sizes_.data() + rank_; }

  friend bool operator==(const Shape& a, const Shape& b) {
    return a.rank_ == b.rank_ && a.sizes_ == b.sizes_;
  }

 private:
  void assign(std::span<const std::int64_t> sizes);
  [[noreturn]] void refuse(int axis) const;

  std::array<std::int64_t, max_rank> sizes_{};  // entries beyond rank_ stay 0
  std::int64_t numel_ = 1;
  int rank_ = 0;
};

/// Prints `[32, 784]`.
std::ostream& operator<<(std::ostream& out, const Shape& shape);

/// Axes of a tensor, negative ones counted from the end: what `x.sum(1)` and `x.mean({0, -1})` name. None are all of them.
class AxisList {
 public:
  // NOLINTBEGIN(google-explicit-constructor): a number is a list of one
  AxisList(int axis) : axes_{axis}, count_(1) {}
  /// Throws Error for more axes than a shape may have.
  AxisList(std::span<const int> axes);
  AxisList(std::initializer_list<int> axes) : AxisList(std::span(axes.begin(), axes.size())) {}
  AxisList(const std::vector<int>& axes) : AxisList(std::span(axes)) {}
  // NOLINTEND(google-explicit-constructor)
  template <class NoAxis>
  requires(std::same_as<NoAxis, bool> || std::floating_point<NoAxis>) AxisList(NoAxis)
  = delete;  // sum(true), max(0.0): which axes?

  bool empty() const { return count_ == 0; }
  const int* begin() const { return axes_.data(); }
  const int* end() const { return axes_.data() + count_; }

 private:
  std::array<int, Shape::max_rank> axes_{};
  std::size_t count_ = 0;
};

/// The axis counted from the front; `axis` may be negative as in PyTorch. Throws Error naming `where`.
int normalize_axis(int axis, const Shape& shape, const char* where);

/// The common shape of two operands by NumPy's rule (sizes equal or 1, aligned at the end).
/// Throws Error naming `where`.
Shape broadcast_shapes(const Shape& a, const Shape& b, const char* where);

}  // namespace rill
