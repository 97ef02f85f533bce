#include <algorithm>
#include <cmath>

#include <rill/core/create.hpp>

namespace rill {
namespace {

using detail::checked_element;

// start, start + step, … before stop, in integers throughout: in f64 they would be rounded beyond 2^53. There is at
// least one.
Tensor arange_of_integers(double start, double stop, double step) {
  const auto first = checked_element<std::int64_t>("arange", start);
  const auto by = checked_element<std::int64_t>("arange", step);
  const double end = step > 0 ? std::ceil(stop) : std::floor(stop);
  RILL_CHECK(std::abs(end) <= 0x1p63, "arange: stop is ", stop, " for i64, expected -2^63 to 2^63");
  // Modulo 2^64 distances are exact, where signed ones may overflow.
  const auto from = static_cast<std::uint64_t>(first), stride = static_cast<std::uint64_t>(by);
  const std::uint64_t to =
      end == 0x1p63 ? std::uint64_t{1} << 63 : static_cast<std::uint64_t>(static_cast<std::int64_t>(end));
  const std::uint64_t steps = step > 0 ? (to - from - 1) / stride : (from - to - 1) / (0 - stride);
  Tensor result = empty({static_cast<std::int64_t>(steps) + 1}, DType::i64);
  std::uint64_t index = 0;
  for (std::int64_t& value : result.mutable_data<std::int64_t>())
    value = static_cast<std::int64_t>(from + index++ * stride);
  return result;
}

void check_count(std::size_t values, const Shape& shape) {
  RILL_CHECK(static_cast<std::int64_t>(values) == shape.numel(), "tensor: ", values, " values for shape ",
             shape, ", expected ", shape.numel());
}

template <class T>
Tensor from_vector(std::vector<T>&& values, const Shape& shape) {
  check_count(values.size(), shape);
  auto* data = reinterpret_cast<std::byte*>(values.data());
  return detail::Access::wrap(
      detail::Record::create(shape, dtype_of<T>(), detail::Block::adopt(std::move(values)), data));
}

template <class T>
Tensor from_span(std::span<const T> values, const Shape& shape) {
  check_count(values.size(), shape);
  Tensor result = empty(shape, dtype_of<T>());
  std::copy(values.begin(), values.end(), result.mutable_data<T>().begin());
  return result;
}

}  // namespace

Tensor empty(const Shape& shape, DType dtype) {
  auto block = detail::Block::create(static_cast<std::size_t>(shape.numel()) * size_of(dtype));
  std::byte* data = block->data();
  return detail::Access::wrap(detail::Record::create(shape, dtype, std::move(block), data));
}

Tensor zeros(const Shape& shape, DType dtype) { return full(shape, 0, dtype); }

Tensor ones(const Shape& shape, DType dtype) { return full(shape, 1, dtype); }

Tensor full(const Shape& shape, double value, DType dtype) {
  Tensor result;
  dispatch(dtype, [&]<class T>(T) {
    const T element = checked_element<T>("full", value);
    result = empty(shape, dtype);
    std::ranges::fill(result.mutable_data<T>(), element);
  });
  return result;
}

Tensor rand(const Shape& shape, Generator& generator, DType dtype) {
  Tensor result;
  dispatch_floating(dtype, "rand", [&]<class T>(T) {
    result = empty(shape, dtype);
    Stream stream = generator.stream(Purpose::user);
    // Rounding to float may reach 1, which is outside of the range.
    const T below_one = std::nextafter(T(1), T(0));
    for (T& value : result.mutable_data<T>()) value = std::min(static_cast<T>(stream.uniform()), below_one);
  });
  return result;
}

Tensor randn(const Shape& shape, Generator& generator, DType dtype) {
  Tensor result;
  dispatch_floating(dtype, "randn", [&]<class T>(T) {
    result = empty(shape, dtype);
    Stream stream = generator.stream(Purpose::user);
    for (T& value : result.mutable_data<T>()) value = static_cast<T>(stream.normal());
  });
  return result;
}

Tensor empty_like(const Tensor& like) { return empty(like.shape(), like.dtype()); }
Tensor zeros_like(const Tensor& like) { return zeros(like.shape(), like.dtype()); }
Tensor ones_like(const Tensor& like) { return ones(like.shape(), like.dtype()); }
Tensor full_like(const Tensor& like, double value) { return full(like.shape(), value, like.dtype()); }
Tensor rand_like(const Tensor& like, Generator& generator) {
  return rand(like.shape(), generator, like.dtype());
}
Tensor randn_like(const Tensor& like, Generator& generator) {
  return randn(like.shape(), generator, like.dtype());
}

Tensor eye(std::int64_t rows, DType dtype) { return eye(rows, rows, dtype); }

Tensor eye(std::int64_t rows, std::int64_t columns, DType dtype) {
  Tensor result = zeros({rows, columns}, dtype);
  dispatch(dtype, [&]<class T>(T) {
    const auto values = result.mutable_data<T>();
    for (std::int64_t i = 0; i < std::min(rows, columns); ++i)
      values[static_cast<std::size_t>(i * columns + i)] = T(1);
  });
  return result;
}

Tensor arange(double start, double stop, double step, DType dtype) {
  RILL_CHECK(std::isfinite(start) && std::isfinite(stop) && std::isfinite(step) && step != 0,
             "arange: start is ", start, ", stop ", stop, " and step ", step,
             ", expected finite numbers and a step that is not 0");
  RILL_CHECK((stop - start) / step >= 0, "arange: the step ", step, " leads away from start ", start,
             " to stop ", stop, ", expected the other sign");
  const double count = std::ceil((stop - start) / step);
  RILL_CHECK(count < 0x1p53, "arange: ", count, " elements, expected fewer than 2^53");
  if (dtype == DType::i64 && count > 0) return arange_of_integers(start, stop, step);
  Tensor result = empty({static_cast<std::int64_t>(count)}, dtype);
  dispatch(dtype, [&]<class T>(T) {
    double index = 0;
    for (T& value : result.mutable_data<T>()) value = static_cast<T>(start + step * index++);
  });
  return result;
}

Tensor arange(double stop, DType dtype) { return arange(0, stop, 1, dtype); }

Tensor linspace(double start, double stop, std::int64_t count, DType dtype) {
  RILL_CHECK(count >= 0, "linspace: count is ", count, ", expected 0 or more");
  RILL_CHECK(std::isfinite(start) && std::isfinite(stop), "linspace: start is ", start, " and stop ", stop,
             ", expected finite numbers");
  Tensor result;
  dispatch_floating(dtype, "linspace", [&]<class T>(T) {
    result = empty({count}, dtype);
    const auto values = result.mutable_data<T>();
    // From both ends towards the middle, so that both are exact; in half steps, since the difference of two ends may
    // overflow.
    const double half = count > 1 ? (stop / 2 - start / 2) / static_cast<double>(count - 1) : 0;
    for (std::int64_t i = 0; i < count; ++i) {
      const double value = i < count - i ? start + half * static_cast<double>(2 * i)
                                         : stop - half * static_cast<double>(2 * (count - 1 - i));
      values[static_cast<std::size_t>(i)] = static_cast<T>(value);
    }
  });
  return result;
}

NestedList::NestedList(std::initializer_list<NestedList> parts) {
  std::vector<std::int64_t> sizes{static_cast<std::int64_t>(parts.size())};
  for (const NestedList& part : parts) {
    const Shape& first = parts.begin()->shape_;
    RILL_CHECK(part.shape_ == first, "tensor: the list is ragged, one part is ", first, " and another ",
               part.shape_, ", expected equal shapes");
    values_.insert(values_.end(), part.values_.begin(), part.values_.end());
  }
  if (parts.size() > 0) {
    const Shape& inner = parts.begin()->shape_;
    sizes.insert(sizes.end(), inner.begin(), inner.end());
  }
  shape_ = Shape(sizes);
}

Tensor tensor(const NestedList& list, DType dtype) {
  Tensor result = empty(list.shape(), dtype);
  dispatch(dtype, [&]<class T>(T) {
    std::ranges::transform(list.values(), result.mutable_data<T>().begin(),
                           [](double value) { return checked_element<T>("tensor", value); });
  });
  return result;
}

Tensor tensor(std::initializer_list<NestedList> list, DType dtype) { return tensor(NestedList(list), dtype); }

Tensor tensor(std::span<const float> values, const Shape& shape) { return from_span(values, shape); }
Tensor tensor(std::span<const double> values, const Shape& shape) { return from_span(values, shape); }
Tensor tensor(std::span<const std::int64_t> values, const Shape& shape) { return from_span(values, shape); }
Tensor tensor(std::vector<float>&& values, const Shape& shape) {
  return from_vector(std::move(values), shape);
}
Tensor tensor(std::vector<double>&& values, const Shape& shape) {
  return from_vector(std::move(values), shape);
}
Tensor tensor(std::vector<std::int64_t>&& values, const Shape& shape) {
  return from_vector(std::move(values), shape);
}

}  // namespace rill
