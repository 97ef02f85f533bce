#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <optional>
#include <string_view>
#include <vector>

#include <rill/core/error.hpp>
#include <rill/core/io/npy.hpp>
#include <rill/core/io/npy_header.hpp>

namespace rill::io {
namespace {

constexpr std::string_view magic = "\x93NUMPY";
constexpr std::size_t max_dict = 1 << 20;
constexpr std::string_view supported = "f2, f4, f8, i1, i2, i4, i8, u1, u2, u4, u8 or b1";

/// The Python literals that a header may hold, read from the front of a text.
class Literals {
 public:
  Literals(std::string_view text, const std::string& where) : text_(text), where_(where) {}

  bool skip(char c) {
    skip_spaces();
    if (used_ == text_.size() || text_[used_] != c) return false;
    ++used_;
    return true;
  }

  void expect(char c) {
    if (!skip(c)) refuse(std::string_view(&c, 1));
  }

  bool at_end() {
    skip_spaces();
    return used_ == text_.size();
  }

  std::string_view string() {
    skip_spaces();
    const char quote = used_ < text_.size() ? text_[used_] : '\0';
    if (quote != '\'' && quote != '"') refuse("a string");
    const std::size_t end = text_.find(quote, used_ + 1);
    if (end == std::string_view::npos) refuse("a string that ends");
    const std::string_view found = text_.substr(used_ + 1, end - used_ - 1);
    used_ = end + 1;
    return found;
  }

  bool boolean() {
    skip_spaces();
    const std::string_view rest = text_.substr(used_);
    const bool value = rest.starts_with("True");
    if (!value && !rest.starts_with("False")) refuse("True or False");
    used_ += value ? 4 : 5;
    return value;
  }

  std::vector<std::int64_t> tuple() {
    expect('(');
    std::vector<std::int64_t> sizes;
    bool comma = false;
    while (!skip(')')) {
      if (!sizes.empty() && !comma) refuse(", or )");
      sizes.push_back(integer());
      comma = skip(',');
    }
    // Python's (3) is a number.
    if (sizes.size() == 1 && !comma) refuse("a tuple such as (3,)");
    return sizes;
  }

  [[noreturn]] void refuse(std::string_view expected) const {
    const std::size_t shown = std::min<std::size_t>(used_, text_.size());
    detail::fail(detail::concat(where_, ": header has ",
                                shown == text_.size()
                                    ? std::string("nothing")
                                    : detail::concat("\"", printable(text_.substr(shown, 20)), "\""),
                                " at byte ", shown, " of its dict, expected ", expected));
  }

  static std::string printable(std::string_view text) {
    std::string out(text);
    std::replace_if(
        out.begin(), out.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
    return out;
  }

 private:
  void skip_spaces() {
    while (used_ < text_.size() && (text_[used_] == ' ' || text_[used_] == '\n')) ++used_;
  }

  std::int64_t integer() {
    skip_spaces();
    std::int64_t value = 0;
    const char* const begin = text_.data() + used_;
    const auto [stop, error] = std::from_chars(begin, text_.data() + text_.size(), value);
    if (error != std::errc{} || *begin == '-') refuse("a size from 0 to 2^63 - 1");
    used_ += static_cast<std::size_t>(stop - begin);
    // Python 2 wrote long integers with an L.
    if (used_ < text_.size() && text_[used_] == 'L') ++used_;
    return value;
  }

  std::string_view text_;
  const std::string& where_;
  std::size_t used_ = 0;
};

void parse_descr(std::string_view descr, NpyHeader& header, const std::string& where) {
  const auto fail = [&](std::string_view what) {
    detail::fail(detail::concat(where, ": descr is '", Literals::printable(descr.substr(0, 40)), "'", what,
                                ", expected <, > or | and ", supported));
  };
  if (descr.size() < 2) fail("");
  const char order = descr[0];
  header.kind = descr[1];
  if (std::string_view("<>|=").find(order) == std::string_view::npos) fail("");
  if (header.kind == 'O') fail(" (Python objects, which rill does not load)");
  if (header.kind == 'U' || header.kind == 'S') fail(" (texts)");
  if (header.kind == 'c') fail(" (complex numbers)");
  if (header.kind == 'M' || header.kind == 'm') fail(" (dates or times)");
  const std::string_view width = descr.substr(2);
  const bool known = (header.kind == 'f' && (width == "2" || width == "4" || width == "8")) ||
                     ((header.kind == 'i' || header.kind == 'u') &&
                      (width == "1" || width == "2" || width == "4" || width == "8")) ||
                     (header.kind == 'b' && width == "1");
  if (!known) fail("");
  header.width = static_cast<std::size_t>(width[0] - '0');
  // | means that the order does not matter, which holds for single bytes alone.
  if (order == '|' && header.width > 1) fail(" (without a byte order)");
  header.big_endian = order == '>' || (order == '=' && std::endian::native == std::endian::big);
}

struct Dict {
  std::optional<std::string_view> descr;
  std::optional<bool> fortran_order;
  std::optional<std::vector<std::int64_t>> shape;
};

Dict parse_dict(std::string_view text, const std::string& where) {
  Literals literals(text, where);
  Dict dict;
  const auto once = [&](bool present, std::string_view key) {
    RILL_CHECK(!present, where, ": header has ", key, " twice, expected it once");
  };
  literals.expect('{');
  while (!literals.skip('}')) {
    const std::string_view key = literals.string();
    literals.expect(':');
    if (key == "descr") {
      once(dict.descr.has_value(), key);
      RILL_CHECK(!literals.skip('['), where, ": descr is a list (records), expected ", supported);
      dict.descr = literals.string();
    } else if (key == "fortran_order") {
      once(dict.fortran_order.has_value(), key);
      dict.fortran_order = literals.boolean();
    } else if (key == "shape") {
      once(dict.shape.has_value(), key);
      dict.shape = literals.tuple();
    } else {
      detail::fail(detail::concat(where, ": header has the key \"", Literals::printable(key.substr(0, 40)),
                                  "\", expected descr, fortran_order and shape"));
    }
    if (literals.skip(',')) continue;
    literals.expect('}');
    break;
  }
  if (!literals.at_end()) literals.refuse("nothing but spaces behind it");
  const char* missing = !dict.descr           ? "descr"
                        : !dict.fortran_order ? "fortran_order"
                        : !dict.shape         ? "shape"
                                              : nullptr;
  RILL_CHECK(!missing, where, ": header has no ", missing, ", expected descr, fortran_order and shape");
  return dict;
}

// Sizes of 0 count as 1 in the bound, so that the other sizes stay harmless.
void set_shape(const std::vector<std::int64_t>& sizes, NpyHeader& header, const std::string& where) {
  RILL_CHECK(sizes.size() <= Shape::max_rank, where, ": array has ", sizes.size(),
             " dimensions, expected at most ", Shape::max_rank);
  std::uint64_t bytes = header.width;
  bool fits = true;
  std::string printed;
  for (const std::int64_t size : sizes) {
    fits = fits && !__builtin_mul_overflow(bytes, static_cast<std::uint64_t>(std::max<std::int64_t>(size, 1)),
                                           &bytes);
    printed += detail::concat(printed.empty() ? "" : ", ", size);
  }
  RILL_CHECK(fits && bytes <= max_npy_bytes, where, ": header declares ", header.kind, header.width, " [",
             printed, "], expected at most ", max_npy_bytes, " bytes");
  header.shape = Shape(sizes);
  header.data_bytes = static_cast<std::size_t>(header.shape.numel()) * header.width;
}

}  // namespace

NpyHeader parse_npy_header(std::span<const std::byte> content, const std::string& where) {
  const std::string_view text(reinterpret_cast<const char*>(content.data()), content.size());
  RILL_CHECK(text.starts_with(magic), where, ": file does not start with 0x93 NUMPY, expected a npy file");
  RILL_CHECK(text.size() >= 8, where, ": file is ", text.size(),
             " bytes, expected a version at byte 6; it is truncated");
  const auto byte_at = [&](std::size_t i) { return std::to_integer<std::size_t>(content[i]); };
  const std::size_t major = byte_at(6), minor = byte_at(7);
  RILL_CHECK(major >= 1 && major <= 3 && minor == 0, where, ": version is ", major, ".", minor,
             ", expected 1.0, 2.0 or 3.0");
  const std::size_t fixed = major == 1 ? 10 : 12;
  RILL_CHECK(text.size() >= fixed, where, ": file is ", text.size(),
             " bytes, expected the header's length in the first ", fixed, "; it is truncated");
  std::size_t length = 0;
  for (std::size_t i = fixed; i-- > 8;) length = length << 8 | byte_at(i);
  RILL_CHECK(length <= max_dict, where, ": header is ", length, " bytes, expected at most ", max_dict);
  RILL_CHECK(length <= text.size() - fixed, where, ": file is ", text.size(), " bytes, expected ",
             fixed + length, " for the header alone; it is truncated");
  NpyHeader header;
  header.header_bytes = fixed + length;
  const Dict dict = parse_dict(text.substr(fixed, length), where);
  parse_descr(*dict.descr, header, where);
  header.fortran_order = *dict.fortran_order;
  set_shape(*dict.shape, header, where);
  const std::size_t expected = header.header_bytes + header.data_bytes;
  const bool shorter = text.size() < expected;
  RILL_CHECK(text.size() == expected, where, ": file is ", text.size(), " bytes, expected ", expected, " (",
             header.header_bytes, " of header, ", header.data_bytes, " for ", header.kind, header.width, " ",
             header.shape, "); ", shorter ? expected - text.size() : text.size() - expected,
             shorter ? " missing" : " too many");
  return header;
}

}  // namespace rill::io
