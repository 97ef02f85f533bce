// Making tensors: of one value, of listed numbers, of a row of numbers, of random ones, and from memory.
//
// What is made is a leaf that requires no gradient. Sizes and dtypes are checked before anything is allocated.
#pragma once

#include <initializer_list>
#include <span>
#include <vector>

#include <rill/core/random.hpp>
#include <rill/core/tensor.hpp>

namespace rill {

Tensor empty(const Shape& shape, DType dtype = DType::f32);  ///< contents are not defined
Tensor zeros(const Shape& shape, DType dtype = DType::f32);
Tensor ones(const Shape& shape, DType dtype = DType::f32);
Tensor full(const Shape& shape, double value, DType dtype = DType::f32);
Tensor rand(const Shape& shape, Generator& generator, DType dtype = DType::f32);   ///< uniform in [0, 1)
Tensor randn(const Shape& shape, Generator& generator, DType dtype = DType::f32);  ///< standard normal

// The same with the shape and dtype of another tensor.
Tensor empty_like(const Tensor& like);
Tensor zeros_like(const Tensor& like);
Tensor ones_like(const Tensor& like);
Tensor full_like(const Tensor& like, double value);
Tensor rand_like(const Tensor& like, Generator& generator);
Tensor randn_like(const Tensor& like, Generator& generator);

/// The matrix [rows, columns] with ones on the diagonal; square unless columns are given.
Tensor eye(std::int64_t rows, DType dtype = DType::f32);
Tensor eye(std::int64_t rows, std::int64_t columns, DType dtype = DType::f32);
/// start, start + step, … before `stop`. Throws Error unless all are finite, step is not 0 and leads from start to stop.
Tensor arange(double start, double stop, double step = 1, DType dtype = DType::f32);
Tensor arange(double stop, DType dtype = DType::f32);  ///< 0, 1, … before `stop`
/// `count` numbers at equal distances, from start to stop inclusive. Throws Error for a negative count.
Tensor linspace(double start, double stop, std::int64_t count, DType dtype = DType::f32);

/// A number or a braced list of them, nested to any depth: what tensor({{1, 2}, {3, 4}}) is made from.
class NestedList {
 public:
  template <class T>
  requires std::is_arithmetic_v<T> NestedList(T value)
      : values_{exact(value)} {}  // NOLINT(google-explicit-constructor)
  /// Throws Error if the parts differ in shape.
  NestedList(std::initializer_list<NestedList> parts);

  const Shape& shape() const { return shape_; }
  std::span<const double> values() const { return values_; }

 private:
  template <class T>
  static double exact(T value) {
    if constexpr (std::is_integral_v<T> && sizeof(T) == 8) {
      constexpr T limit = T(1) << 53;
      RILL_CHECK(value <= limit && (std::is_unsigned_v<T> || value >= T(0) - limit), "tensor: the number ",
                 value, " is beyond 2^53, expected a smaller one; pass a span of std::int64_t");
    }
    return static_cast<double>(value);
  }

  Shape shape_;
  std::vector<double> values_;
};

/// A tensor of the listed numbers, f32 unless asked otherwise: tensor({1, 2, 3}), tensor({{1, 2}, {3, 4}}).
Tensor tensor(const NestedList& list, DType dtype = DType::f32);
Tensor tensor(std::initializer_list<NestedList> list, DType dtype = DType::f32);

/// A tensor with a copy of `values`, of their own type. Throws Error unless shape.numel() == values.size().
Tensor tensor(std::span<const float> values, const Shape& shape);
Tensor tensor(std::span<const double> values, const Shape& shape);
Tensor tensor(std::span<const std::int64_t> values, const Shape& shape);

/// A tensor that takes over the memory of `values`, without a copy. Throws Error unless shape.numel() == values.size().
Tensor tensor(std::vector<float>&& values, const Shape& shape);
Tensor tensor(std::vector<double>&& values, const Shape& shape);
Tensor tensor(std::vector<std::int64_t>&& values, const Shape& shape);

}  // namespace rill
