// The one exception family of rill and the one check macro.
//
// A message has the form  <where>: <what is wrong, with the value>, <what was expected>[; <what to do>]
// in lower case, on one line, without a full stop. It is built only when the check fails.
#pragma once

#include <initializer_list>
#include <ostream>
#include <stdexcept>
#include <string>
#include <type_traits>

namespace rill {

/// Thrown for everything that is the caller's fault: shapes, dtypes, values, files, misuse of the graph.
/// A call that throws leaves its arguments as they were.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

namespace detail {

// A part of a message, by reference. How it is streamed is compiled once for each type, not at each check.
class Part {
 public:
  Part(const char* text)
      : value_(text),
        write_([](std::ostream& out, const void* value) { out << static_cast<const char*>(value); }) {}
  template <class T>
  requires(!std::is_array_v<T>) Part(const T& value)
      : value_(&value),
        write_([](std::ostream& out, const void* at) { out << *static_cast<const T*>(at); }) {}

  friend std::ostream& operator<<(std::ostream& out, const Part& part) {
    part.write_(out, part.value_);
    return out;
  }

 private:
  const void* value_;
  void (*write_)(std::ostream&, const void*);
};

std::string joined(std::initializer_list<Part> parts);

template <class... Parts>
[[gnu::always_inline]] inline std::string concat(const Parts&... parts) {
  return joined({Part(parts)...});
}

[[noreturn]] void fail(const std::string& message);
[[noreturn]] void fail_with(std::initializer_list<Part> parts);

}  // namespace detail
}  // namespace rill

/// Throws rill::Error with the remaining arguments streamed into one message unless `condition` holds.
#define RILL_CHECK(condition, ...)              \
  do {                                          \
    if (!(condition)) [[unlikely]]              \
      ::rill::detail::fail_with({__VA_ARGS__}); \
  } while (false)
