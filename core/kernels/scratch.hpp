// Memory of the pool that kernels work in.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <new>

#include <rill/core/memory.hpp>
#include <rill/core/parallel.hpp>

namespace rill::kernels {

/// Room for `count` numbers, null for none.
template <class T>
class Scratch {
 public:
  explicit Scratch(long count)
      : bytes_(static_cast<std::size_t>(count) * sizeof(T)),
        data_(count > 0 ? static_cast<T*>(memory::allocate(bytes_)) : nullptr) {}
  ~Scratch() {
    if (data_) memory::release(data_, bytes_);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  T* get() const { return data_; }

 private:
  std::size_t bytes_;
  T* data_;
};

/// What the tasks of a loop work in, one for each thread: taken before the threads start, since a thread that comes late to
/// its first task would go to the system's allocator for it.
class Workplaces {
 public:
  Workplaces(long tasks, long floats)
      : count_(std::min<long>(tasks, num_threads())),
        floats_(floats),
        taken_(count_),
        memory_(count_ * floats) {
    for (long i = 0; i < count_; ++i) ::new (taken_.get() + i) std::atomic_flag;
  }

  /// Calls work(memory) with a place that no other thread has.
  template <class Work>
  void with_one(const Work& work) const {
    long i = 0;
    while (taken_.get()[i].test_and_set(std::memory_order_acquire)) i = (i + 1) % count_;
    work(memory_.get() + i * floats_);
    taken_.get()[i].clear(std::memory_order_release);
  }

 private:
  long count_, floats_;
  Scratch<std::atomic_flag> taken_;
  Scratch<float> memory_;
};

}  // namespace rill::kernels
