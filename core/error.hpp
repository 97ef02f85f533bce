// The one exception family of rill and the one check macro.
//
// A message has the form  <where>: <what is wrong, with the value>, <what was expected>[; <what to do>]
// in lower case, on one line, without a full stop. It is built only when the check fails.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace rill {

/// Thrown for everything that is the caller's fault: shapes, dtypes, values, files, misuse of the graph.
/// A call that throws leaves its arguments as they were.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

namespace detail {

template <class... Parts>
std::string concat(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

[[noreturn]] void fail(const std::string& message);

}  // namespace detail
}  // namespace rill

/// Throws rill::Error with the remaining arguments streamed into one message unless `condition` holds.
#define RILL_CHECK(condition, ...)                               \
  do {                                                           \
    if (!(condition)) [[unlikely]]                               \
      ::rill::detail::fail(::rill::detail::concat(__VA_ARGS__)); \
  } while (false)
