// Element types of a Tensor: f32 and f64 for values, i64 for labels.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <ostream>
#include <string_view>
#include <type_traits>

#include <rill/core/error.hpp>

namespace rill {

enum class DType : std::uint8_t { f32, f64, i64 };

constexpr std::string_view name_of(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return "f32";
    case DType::f64:
      return "f64";
    case DType::i64:
      return "i64";
  }
  return "?";
}

constexpr std::size_t size_of(DType dtype) { return dtype == DType::f32 ? 4 : 8; }

constexpr bool is_floating(DType dtype) { return dtype != DType::i64; }

inline std::ostream& operator<<(std::ostream& out, DType dtype) { return out << name_of(dtype); }

/// A C++ type that a Tensor can hold.
template <class T>
concept Element = std::is_same_v<T, float> || std::is_same_v<T, double> || std::is_same_v<T, std::int64_t>;

template <Element T>
constexpr DType dtype_of() {
  if constexpr (std::is_same_v<T, float>) return DType::f32;
  if constexpr (std::is_same_v<T, double>) return DType::f64;
  return DType::i64;
}

/// The largest finite number of a floating dtype.
constexpr double largest_finite(DType dtype) {
  return dtype == DType::f32 ? double{std::numeric_limits<float>::max()} : std::numeric_limits<double>::max();
}

/// The smallest number above 0 of a floating dtype, a denormal one.
constexpr double smallest_positive(DType dtype) {
  return dtype == DType::f32 ? double{std::numeric_limits<float>::denorm_min()}
                             : std::numeric_limits<double>::denorm_min();
}

namespace detail {

/// `value` as an element. Throws Error, naming `where`, for what an i64 cannot hold.
template <class T>
T checked_element(std::string_view where, double value) {
  if constexpr (std::is_same_v<T, std::int64_t>) {
    RILL_CHECK(value >= -0x1p63 && value < 0x1p63 && value == std::trunc(value), where, ": value ", value,
               " for i64, expected an integer from -2^63 to 2^63 - 1");
  }
  return static_cast<T>(value);
}

}  // namespace detail

/// Calls `body(T{})` with T = float or double; throws for i64, naming `where`.
template <class Body>
void dispatch_floating(DType dtype, std::string_view where, Body&& body) {
  RILL_CHECK(is_floating(dtype), where, ": dtype is ", dtype, ", expected f32 or f64");
  if (dtype == DType::f32) {
    body(float{});
  } else {
    body(double{});
  }
}

/// Calls `body(T{})` with the C++ type of any dtype.
template <class Body>
void dispatch(DType dtype, Body&& body) {
  switch (dtype) {
    case DType::f32:
      return body(float{});
    case DType::f64:
      return body(double{});
    case DType::i64:
      return body(std::int64_t{});
  }
}

}  // namespace rill
