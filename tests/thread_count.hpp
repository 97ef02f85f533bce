// ThreadCount: rill's thread count for as long as it lives.
#pragma once

#include <rill/core/parallel.hpp>

namespace rill::test {

struct ThreadCount {
  int before = num_threads();
  explicit ThreadCount(int n) { set_num_threads(n); }
  ~ThreadCount() { set_num_threads(before); }
  ThreadCount(const ThreadCount&) = delete;
  ThreadCount& operator=(const ThreadCount&) = delete;
};

}  // namespace rill::test
