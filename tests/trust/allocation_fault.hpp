// Allocations that fail on purpose: this program replaces operator new, behind which rill's pool stands as well, and counts
// what the thread has taken and not given back.
#pragma once

#include <cstdint>

namespace rill::trust {

/// While it lives, one of this thread's allocations fails, or it and all that follow. One at a time in a thread.
class AllocationFault {
 public:
  /// `at` counts allocations from 0. With `spare_json` those within the destructors of nlohmann's documents do not fail, for they
  /// cannot: they allocate, and have no way to say that there is no memory.
  AllocationFault(std::int64_t at, bool for_ever, bool spare_json);
  AllocationFault(const AllocationFault&) = delete;
  AllocationFault& operator=(const AllocationFault&) = delete;
  ~AllocationFault();

  bool fired() const;
  /// How many were spared.
  std::int64_t spared() const;
};

/// Pieces that this thread has taken, less those that it has given back.
std::int64_t pieces_held();

}  // namespace rill::trust
