// Damage to the bytes of a checkpoint, and whether it is seen.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include <rill/core/io/safetensors.hpp>

namespace rill::test {

inline bool is_read(const std::string& content) {
  try {
    io::parse_safetensors(std::as_bytes(std::span(content)), "x");
    return true;
  } catch (const Error&) {
    return false;
  }
}

/// How many of all single flipped bits, or of all cuts, leave a file that is read.
inline std::size_t unseen_flips(const std::string& good) {
  std::size_t unseen = 0;
  for (std::size_t bit = 0; bit < 8 * good.size(); ++bit) {
    std::string changed = good;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ 1 << bit % 8);
    unseen += is_read(changed);
  }
  return unseen;
}

inline std::size_t unseen_cuts(const std::string& good) {
  std::size_t unseen = 0;
  for (std::size_t size = 0; size < good.size(); ++size) unseen += is_read(good.substr(0, size));
  return unseen;
}

}  // namespace rill::test
