// The sizes of a Tensor: up to 8 dimensions, stored inline, row-major.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <ostream>
#include <span>

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

/// The axis counted from the front; `axis` may be negative as in PyTorch. Throws Error naming `where`.
int normalize_axis(int axis, const Shape& shape, const char* where);

/// The common shape of two operands by NumPy's rule (sizes equal or 1, aligned at the end).
/// Throws Error naming `where`.
Shape broadcast_shapes(const Shape& a, const Shape& b, const char* where);

}  // namespace rill
