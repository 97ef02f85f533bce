// System calls that signals interrupt.
#pragma once

#include <cerrno>

namespace rill::io {

/// The result of a system call, repeated for as long as signals interrupt it.
template <class Call>
auto uninterrupted(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

}  // namespace rill::io
