// Random choices of the checks.
#pragma once

#include <vector>

#include <rill/core/random.hpp>

namespace rill::trust {

class Draw {
 public:
  explicit Draw(Stream stream) : stream_(stream) {}

  std::int64_t below(std::int64_t bound) {
    return static_cast<std::int64_t>(stream_.below(static_cast<std::uint64_t>(bound)));
  }
  std::int64_t between(std::int64_t least, std::int64_t most) { return least + below(most - least + 1); }
  bool one_in(std::int64_t n) { return below(n) == 0; }
  template <class T>
  T any_of(const std::vector<T>& all) {
    return all[static_cast<std::size_t>(below(std::ssize(all)))];
  }

 private:
  Stream stream_;
};

}  // namespace rill::trust
