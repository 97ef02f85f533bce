// The JSON header of a safetensors file, and the words that its errors share with the rest of the format.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <rill/core/dtype.hpp>

namespace rill::io::safetensors {

inline constexpr std::string_view metadata_key = "__metadata__";

/// How the file holds the elements of a tensor, and what they are in memory: F16 and BF16 are converted, exactly.
struct Stored {
  std::string_view name;  // "F32"
  std::size_t size;       // bytes of an element
  DType dtype;
};

/// The format's dtypes that can be read.
inline constexpr std::array stored_types{Stored{"F32", 4, DType::f32}, Stored{"F64", 8, DType::f64},
                                         Stored{"I64", 8, DType::i64}, Stored{"F16", 2, DType::f32},
                                         Stored{"BF16", 2, DType::f32}};

/// The format's spelling of a dtype: rill's in capitals.
std::string format_name(DType dtype);

/// `text` in quotes, on one line and of bounded length, for messages. Bytes above 127 stay only if it is UTF-8.
std::string in_quotes(std::string_view text, bool utf8 = true);

/// How an error about the tensor `name` starts.
std::string about(const std::string& where, const std::string& name);

/// What the header says of one tensor.
struct Entry {
  std::string name;
  Stored stored = stored_types[0];
  std::vector<std::uint64_t> shape;
  std::vector<std::uint64_t> offsets;
  unsigned seen = 0;  // fields that the header gives, a bit for each

  std::string describe() const {  // f32 [2, 10]
    std::string sizes, type;
    for (const char c : stored.name) type += static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    for (const std::uint64_t size : shape) sizes += (sizes.empty() ? "" : ", ") + std::to_string(size);
    return rill::detail::concat(type, " [", sizes, "]");
  }
};

struct Header {
  std::vector<Entry> entries;  // in the order of the header
  std::map<std::string, std::string> metadata;
};

/// Reads the header's text, `{` to `}`. Throws Error, starting with `where`, for everything that is not exactly what
/// the format allows: nesting, values of another kind, unknown fields, a key twice, an unsupported dtype.
Header parse_header(std::string_view text, const std::string& where);

}  // namespace rill::io::safetensors
