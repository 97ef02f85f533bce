// Text in messages.
#pragma once

namespace rill::detail {

/// Whether a terminal would obey the byte instead of showing it, or would begin a new line.
constexpr bool is_control(char c) {
  const auto byte = static_cast<unsigned char>(c);  // char may have a sign, or none
  return byte < 0x20 || byte == 0x7f;
}

}  // namespace rill::detail
