#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#include <rill/core/create.hpp>
#include <rill/core/error.hpp>
#include <rill/core/io/file.hpp>
#include <rill/core/io/npy.hpp>
#include <rill/core/io/npy_header.hpp>

namespace rill::io {
namespace {

static_assert(std::endian::native == std::endian::little, "elements are copied as they are in memory");

/// Bits of an IEEE half, as its value.
struct Half {
  std::uint16_t bits;
  operator float() const {  // NOLINT(google-explicit-constructor)
    const int exponent = bits >> 10 & 31, fraction = bits & 1023;
    float value = 0;
    if (exponent == 31) {
      value =
          fraction == 0 ? std::numeric_limits<float>::infinity() : std::numeric_limits<float>::quiet_NaN();
    } else if (exponent == 0) {
      value = std::ldexp(static_cast<float>(fraction), -24);
    } else {
      value = std::ldexp(static_cast<float>(fraction + 1024), exponent - 25);
    }
    return (bits & 0x8000) != 0 ? -value : value;
  }
};

template <class Body>
void dispatch_element(const NpyHeader& header, Body&& body) {
  const auto integer = [&]<class One, class Two, class Four, class Eight>(One one, Two two, Four four,
                                                                          Eight eight) {
    if (header.width == 1) return body(one);
    if (header.width == 2) return body(two);
    if (header.width == 4) return body(four);
    body(eight);
  };
  if (header.kind == 'i') return integer(std::int8_t{}, std::int16_t{}, std::int32_t{}, std::int64_t{});
  if (header.kind == 'u') return integer(std::uint8_t{}, std::uint16_t{}, std::uint32_t{}, std::uint64_t{});
  if (header.kind == 'b') return body(false);
  if (header.width == 2) return body(Half{});
  if (header.width == 4) return body(float{});
  body(double{});
}

template <class To, class From>
To converted(From value, std::int64_t index, const std::string& where) {
  if constexpr (std::is_same_v<To, std::int64_t>) {
    if constexpr (std::is_same_v<From, std::uint64_t>) {
      RILL_CHECK(value >> 63 == 0, where, ": element ", index, " is ", value,
                 ", expected less than 2^63 to make i64 from");
    } else if constexpr (std::is_floating_point_v<From> || std::is_same_v<From, Half>) {
      const double wide = value;
      constexpr double bound = 9223372036854775808.0;  // 2^63, exact
      RILL_CHECK(wide >= -bound && wide < bound && std::trunc(wide) == wide, where, ": element ", index,
                 " is ", wide, ", expected an integer to make i64 from");
    }
  }
  if constexpr (std::is_same_v<From, Half>)
    return static_cast<To>(static_cast<float>(value));
  else
    return static_cast<To>(value);
}

/// The element at `from`, of one byte order or the other.
template <class From>
From read_element(const std::byte* from, bool swap, std::int64_t index, const std::string& where) {
  std::array<std::byte, sizeof(From)> bytes{};
  for (std::size_t i = 0; i < sizeof(From); ++i) bytes[i] = from[swap ? sizeof(From) - 1 - i : i];
  if constexpr (std::is_same_v<From, bool>) {
    RILL_CHECK(std::to_integer<unsigned>(bytes[0]) <= 1, where, ": element ", index, " is ",
               std::to_integer<unsigned>(bytes[0]), ", expected 0 or 1 for b1");
  }
  return std::bit_cast<From>(bytes);
}

/// Calls visit(element) in row-major order, with the number of the element in a file whose first index runs fastest.
template <class Visit>
void walk_columns(const Shape& shape, const Visit& visit) {
  std::array<std::int64_t, Shape::max_rank> index{}, stride{};
  for (std::int64_t axis = 0, step = 1; axis < shape.rank(); step *= shape[static_cast<int>(axis++)])
    stride[static_cast<std::size_t>(axis)] = step;
  std::int64_t place = 0;
  for (std::int64_t i = 0; i < shape.numel(); ++i) {
    visit(place);
    for (int axis = shape.rank() - 1; axis >= 0; --axis) {
      const auto a = static_cast<std::size_t>(axis);
      place += stride[a];
      if (++index[a] < shape[axis]) break;
      place -= stride[a] * std::exchange(index[a], 0);
    }
  }
}

}  // namespace

Tensor parse_npy(std::span<const std::byte> content, const std::string& where,
                 const std::optional<DType>& dtype) {
  const NpyHeader header = parse_npy_header(content, where);
  const DType natural = header.kind != 'f' ? DType::i64 : header.width == 8 ? DType::f64 : DType::f32;
  Tensor result = empty(header.shape, dtype.value_or(natural));
  const std::byte* const data = content.data() + header.header_bytes;
  dispatch(result.dtype(), [&]<class To>(To) {
    To* out = result.mutable_data<To>().data();
    dispatch_element(header, [&]<class From>(From) {
      const auto take = [&](std::int64_t place) {
        const From element = read_element<From>(data + static_cast<std::size_t>(place) * sizeof(From),
                                                header.big_endian, place, where);
        *out++ = converted<To>(element, place, where);
      };
      if (header.fortran_order) {
        walk_columns(header.shape, take);
      } else {
        for (std::int64_t i = 0; i < header.shape.numel(); ++i) take(i);
      }
    });
  });
  return result;
}

Tensor load_npy(const std::string& path, const std::optional<DType>& dtype) {
  return parse_npy(read_file(path, max_npy_bytes), path, dtype);
}

void save_npy(const std::string& path, const Tensor& tensor) {
  std::string shape;
  for (const std::int64_t size : tensor.shape()) shape += detail::concat(size, ", ");
  if (tensor.dim() > 1) shape.resize(shape.size() - 2);
  if (tensor.dim() == 1) shape.pop_back();
  const char* const descr = tensor.dtype() == DType::f32   ? "<f4"
                            : tensor.dtype() == DType::f64 ? "<f8"
                                                           : "<i8";
  std::string dict =
      detail::concat("{'descr': '", descr, "', 'fortran_order': False, 'shape': (", shape, "), }");
  constexpr std::size_t fixed = 10, unit = 64;
  // The elements start at a multiple of 64, behind a line feed.
  dict.append(unit - 1 - (fixed + dict.size()) % unit, ' ');
  dict += '\n';
  const auto length = static_cast<unsigned>(dict.size());
  std::string head("\x93NUMPY\x01\x00", 8);
  head += static_cast<char>(length & 0xff);
  head += static_cast<char>(length >> 8);
  write_file_atomically(path, [&](Writer& writer) {
    writer.write(head + dict);
    dispatch(tensor.dtype(), [&]<class T>(T) { writer.write(std::as_bytes(tensor.data<T>())); });
  });
}

}  // namespace rill::io
