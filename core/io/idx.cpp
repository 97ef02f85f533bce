#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include <rill/core/error.hpp>
#include <rill/core/io/file.hpp>
#include <rill/core/io/gzip.hpp>
#include <rill/core/io/idx.hpp>

namespace rill::io {
namespace {

constexpr std::size_t fixed_header = 4;
constexpr std::size_t max_header = fixed_header + std::size_t{4} * Shape::max_rank;
constexpr std::size_t piece = 1 << 16;  // of a write; a multiple of every element size

struct TypeName {
  IdxType type;
  std::string_view name;
};
constexpr std::array<TypeName, 6> types{{{IdxType::u8, "u8"},
                                         {IdxType::i8, "i8"},
                                         {IdxType::i16, "i16"},
                                         {IdxType::i32, "i32"},
                                         {IdxType::f32, "f32"},
                                         {IdxType::f64, "f64"}}};

std::string hex(unsigned byte) {
  constexpr std::string_view digits = "0123456789abcdef";
  return {'0', 'x', digits[byte >> 4 & 15], digits[byte & 15]};
}

/// Calls `body` with a value of the element's C++ type.
template <class Body>
auto dispatch_type(IdxType type, Body&& body) {
  switch (type) {
    case IdxType::u8:
      return body(std::uint8_t{});
    case IdxType::i8:
      return body(std::int8_t{});
    case IdxType::i16:
      return body(std::int16_t{});
    case IdxType::i32:
      return body(std::int32_t{});
    case IdxType::f32:
      return body(float{});
    case IdxType::f64:
      return body(double{});
  }
  detail::fail(detail::concat("idx: element type ", hex(static_cast<unsigned>(type)),
                              " is unknown, expected one of IdxType"));
}

unsigned byte_at(std::span<const std::byte> bytes, std::size_t index) {
  return std::to_integer<unsigned>(bytes[index]);
}

/// Between the format's byte order and the machine's.
void swap_order(std::span<std::byte> bytes, std::size_t width) {
  if (std::endian::native == std::endian::big || width == 1) return;
  for (std::size_t i = 0; i + width <= bytes.size(); i += width) {
    std::reverse(bytes.data() + i, bytes.data() + i + width);
  }
}

// --- the header ------------------------------------------------------------------------------------------------------

struct Header {
  IdxType type = IdxType::u8;
  Shape shape;
  std::size_t header_bytes = 0;
  std::size_t total_bytes = 0;

  /// Where the expected length comes from: `16 of header, 84 for u8 [3, 28]`.
  std::string explain() const {
    return detail::concat(header_bytes, " of header, ", total_bytes - header_bytes, " for ", type, " ",
                          shape);
  }
};

IdxType parse_type(unsigned code, const std::string& where) {
  std::string known;
  for (const TypeName& entry : types) {
    if (static_cast<unsigned>(entry.type) == code) return entry.type;
    known += detail::concat(known.empty() ? "" : ", ", hex(static_cast<unsigned>(entry.type)), " (",
                            entry.name, ")");
  }
  detail::fail(detail::concat(where, ": element type ", hex(code), " is unknown, expected one of ", known));
}

/// The number of bytes that the elements take; empty dimensions count as 1, so that the sizes stay harmless.
std::uint64_t checked_bytes(std::span<const std::int64_t> sizes, const Header& header,
                            const std::string& where) {
  std::uint64_t bytes = size_of(header.type);
  bool overflow = false;
  std::string printed;
  for (const std::int64_t size : sizes) {
    overflow |=
        __builtin_mul_overflow(bytes, static_cast<std::uint64_t>(std::max<std::int64_t>(size, 1)), &bytes);
    printed += detail::concat(printed.empty() ? "" : ", ", size);
  }
  const bool fits = !overflow && bytes <= max_idx_bytes - header.header_bytes;
  RILL_CHECK(fits, where, ": header declares ", header.type, " [", printed, "], ",
             overflow ? std::string("2^64 bytes or more") : detail::concat(bytes, " bytes"),
             ", expected at most ", max_idx_bytes - header.header_bytes);
  return std::find(sizes.begin(), sizes.end(), 0) == sizes.end() ? bytes : 0;
}

/// `content` names what `head` is the start of: "file" or "decoded data".
Header parse_header(std::span<const std::byte> head, std::string_view content, const std::string& where) {
  RILL_CHECK(!head.empty(), where, ": ", content, " is empty, expected an idx header of 8 bytes or more");
  for (std::size_t i = 0; i < std::min<std::size_t>(head.size(), 2); ++i)
    RILL_CHECK(byte_at(head, i) == 0, where, ": byte ", i, " is ", hex(byte_at(head, i)),
               ", expected 0x00; idx files start with 00 00 <type> <rank>");
  RILL_CHECK(head.size() >= fixed_header, where, ": ", content, " is ", head.size(),
             " bytes, expected an idx header of 8 or more; it is truncated");
  Header header;
  header.type = parse_type(byte_at(head, 2), where);
  const std::size_t rank = byte_at(head, 3);
  RILL_CHECK(rank >= 1 && rank <= Shape::max_rank, where, ": ", rank, " dimensions, expected 1 to ",
             Shape::max_rank);
  header.header_bytes = fixed_header + 4 * rank;
  RILL_CHECK(head.size() >= header.header_bytes, where, ": ", content, " is ", head.size(),
             " bytes, expected ", header.header_bytes, " for the header of ", rank,
             " dimensions; it is truncated");
  std::array<std::int64_t, Shape::max_rank> sizes{};
  for (std::size_t i = 0; i < header.header_bytes - fixed_header; ++i)
    sizes[i / 4] = sizes[i / 4] << 8 | byte_at(head, fixed_header + i);
  const std::span<const std::int64_t> used(sizes.data(), rank);
  header.total_bytes = header.header_bytes + static_cast<std::size_t>(checked_bytes(used, header, where));
  header.shape = Shape(used);
  return header;
}

void check_length(std::size_t actual, const Header& header, bool decoded, const std::string& where) {
  const std::size_t expected = header.total_bytes;
  const std::string_view content = decoded ? "decoded data" : "file";
  RILL_CHECK(actual >= expected, where, ": ", content, " is ", actual, " bytes, expected ", expected, " (",
             header.explain(), "); ", expected - actual, " missing");
  // Decoding stops one byte beyond what is declared, so that the true length is unknown.
  RILL_CHECK(actual <= expected || !decoded, where, ": decoded data is more than ", expected,
             " bytes, expected ", expected, " (", header.explain(), ")");
  RILL_CHECK(actual <= expected, where, ": file is ", actual, " bytes, expected ", expected, " (",
             header.explain(), "); ", actual - expected, " too many");
}

// --- elements --------------------------------------------------------------------------------------------------------

void check_consistent(const IdxArray& array, const std::string& where) {
  const std::size_t width = size_of(array.type);
  const std::size_t expected = static_cast<std::size_t>(array.shape.numel()) * width;
  RILL_CHECK(array.bytes.size() == expected, where, ": array holds ", array.bytes.size(), " bytes, expected ",
             expected, " for ", array.type, " ", array.shape);
}

template <class To, class From>
To converted(From value, std::size_t index) {
  if constexpr (std::is_same_v<To, std::int64_t> && std::is_floating_point_v<From>) {
    constexpr From bound = 9223372036854775808.0;  // 2^63, exact
    RILL_CHECK(value >= -bound && value < bound && std::trunc(value) == value, "idx: element ", index, " is ",
               value, ", expected an integer to make i64 from");
  }
  return static_cast<To>(value);
}

}  // namespace

std::ostream& operator<<(std::ostream& out, IdxType type) {
  const auto entry =
      std::find_if(types.begin(), types.end(), [&](const TypeName& each) { return each.type == type; });
  return out << (entry == types.end() ? "?" : entry->name);
}

std::size_t size_of(IdxType type) {
  return dispatch_type(type, [](auto element) { return sizeof(element); });
}

Tensor IdxArray::to_tensor(DType dtype) const {
  check_consistent(*this, "idx");
  Tensor result = empty(shape, dtype);
  const auto fill = [&]<class To, class From>(To, From element) {
    const std::span<To> out = result.mutable_data<To>();
    for (std::size_t i = 0; i < out.size(); ++i) {
      std::memcpy(&element, bytes.data() + i * sizeof(From), sizeof(From));
      out[i] = converted<To>(element, i);
    }
  };
  dispatch(dtype, [&](auto to) { dispatch_type(type, [&](auto from) { fill(to, from); }); });
  return result;
}

std::span<const std::uint8_t> IdxArray::as_bytes() const {
  RILL_CHECK(type == IdxType::u8, "idx: elements read as u8, the array ", shape, " holds ", type);
  return {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()};
}

IdxArray parse_idx(std::vector<std::byte> content, const std::string& where) {
  const bool packed = is_gzip(content);
  Header header;
  if (packed) {
    header = parse_header(inflate_prefix(content, max_header, where), "decoded data", where);
    content = inflate_prefix(content, header.total_bytes + 1, where);
  } else {
    header = parse_header(std::span(content).first(std::min(content.size(), max_header)), "file", where);
  }
  check_length(content.size(), header, packed, where);
  content.erase(content.begin(), content.begin() + static_cast<std::ptrdiff_t>(header.header_bytes));
  swap_order(content, size_of(header.type));
  return {header.shape, header.type, std::move(content)};
}

IdxArray read_idx(const std::string& path) { return parse_idx(read_file(path, max_idx_bytes), path); }

void write_idx(const std::string& path, const IdxArray& array) {
  const int rank = array.shape.rank();
  RILL_CHECK(rank >= 1, path, ": array has rank 0, expected 1 to ", Shape::max_rank, " dimensions");
  check_consistent(array, path);
  std::vector<std::byte> header{std::byte{0}, std::byte{0}, static_cast<std::byte>(array.type),
                                static_cast<std::byte>(rank)};
  for (const std::int64_t size : array.shape) {
    RILL_CHECK(size <= std::numeric_limits<std::uint32_t>::max(), path, ": size ", size, " of ", array.shape,
               ", expected less than 2^32");
    for (int shift = 24; shift >= 0; shift -= 8)
      header.push_back(static_cast<std::byte>(size >> shift & 0xff));
  }
  write_file_atomically(path, [&](Writer& writer) {
    writer.write(header);
    std::vector<std::byte> buffer;
    for (std::size_t i = 0; i < array.bytes.size(); i += piece) {
      const auto part = std::span(array.bytes).subspan(i, std::min(piece, array.bytes.size() - i));
      buffer.assign(part.begin(), part.end());
      swap_order(buffer, size_of(array.type));
      writer.write(buffer);
    }
  });
}

}  // namespace rill::io
