// Text in messages.
#pragma once

namespace rill::detail {

/// Whether a terminal would obey the byte instead of showing it, or would begin a new line.
constexpr bool is_control(char c) { return (c >= 0 && c < 0x20) || c == 0x7f; }

}  // namespace rill::detail
