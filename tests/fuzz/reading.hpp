// What the targets share: how content is refused, and what is to be the same when it is read again.
#pragma once

#include <algorithm>
#include <stdexcept>
#include <string>
#include <string_view>

#include <rill/core/error.hpp>
#include <rill/core/tensor.hpp>

#include "../temp_dir.hpp"
#include "targets.hpp"

namespace rill::fuzz {

/// What must not be, whatever the input: neither an Error nor caught by a target.
class Finding : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

inline void require(bool holds, const std::string& what) {
  if (!holds) throw Finding(what);
}

inline std::string_view text_of(Bytes input) {
  return {reinterpret_cast<const char*>(input.data()), input.size()};
}

/// Whether `read` ends without an Error, whose message has to be one line, not too long, and to begin with `where`. Other
/// exceptions pass through.
template <class Read>
bool accepted(std::string_view where, const Read& read, std::size_t longest = 2000) {
  std::string message;
  try {
    read();
    return true;
  } catch (const Error& error) {
    message = error.what();
  }
  const auto is_control = [](char c) { return (c >= 0 && c < 0x20) || c == 0x7f; };
  require(std::ranges::none_of(message, is_control), "a message is more than one line: " + message);
  require(message.starts_with(where) && message.size() > where.size(),
          "a message does not begin with the file: " + message);
  require(message.size() < longest, "a message is too long: " + message);
  return false;
}

/// The folder that targets may write to.
inline const test::TempDir& scratch() {
  static const test::TempDir folder;
  return folder;
}

inline void require_same(const Tensor& a, const Tensor& b, const std::string& what) {
  require(a.shape() == b.shape() && a.dtype() == b.dtype(), what + ": shape or dtype is another one");
  dispatch(a.dtype(), [&]<class T>(T) {
    const auto x = std::as_bytes(a.data<T>()), y = std::as_bytes(b.data<T>());
    require(std::ranges::equal(x, y), what + ": an element is another one");
  });
}

}  // namespace rill::fuzz
