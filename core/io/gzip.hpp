// Gzip data in memory: recognised by its first bytes, inflated under a hard limit.
//
// Invariants: memory for the result grows with the data that really arrived and never beyond the limit, whatever the
// data claims; checksums and lengths of all members are verified before anything is handed out as complete.
// Threads: functions are pure.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace rill::io {

/// Whether `data` starts with gzip's magic bytes 1f 8b.
bool is_gzip(std::span<const std::byte> data);

/// The decoded content of all members of `data`. Throws Error, starting with `where`, if it is longer than
/// `max_bytes` (then no more than that was decoded), truncated, corrupt, or followed by anything else than a member.
std::vector<std::byte> inflate(std::span<const std::byte> data, std::size_t max_bytes,
                               const std::string& where);

/// The first `max_bytes` bytes of the decoded content, fewer if it is shorter; nothing behind them is looked at, so
/// only a shorter result has been verified to its end. Throws Error as inflate() does, but not for the length.
std::vector<std::byte> inflate_prefix(std::span<const std::byte> data, std::size_t max_bytes,
                                      const std::string& where);

}  // namespace rill::io
