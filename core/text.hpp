// Text in messages.
#pragma once

#include <cstddef>
#include <string_view>

namespace rill::detail {

/// Whether a terminal would obey the byte instead of showing it, or would begin a new line.
constexpr bool is_control(char c) {
  const auto byte = static_cast<unsigned char>(c);  // char may have a sign, or none
  return byte < 0x20 || byte == 0x7f;
}

/// The first `most` bytes of the text, or fewer where a character of UTF-8 would be cut.
std::string_view beginning(std::string_view text, std::size_t most);

/// Whether the text is UTF-8 as RFC 3629 has it: no longer forms than needed, no surrogates, nothing above U+10FFFF.
bool is_utf8(std::string_view text);

}  // namespace rill::detail
