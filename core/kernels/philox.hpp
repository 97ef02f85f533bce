// Blocks of Philox4x32-10 side by side (core/random.hpp has one at a time, for which this is no other sequence).
#pragma once

#include <cstdint>

#include <rill/core/isa.hpp>

namespace rill::kernels {

/// Counters (first + i, of[0], of[1], of[2]) for i from 0 to philox_blocks - 1, under one key.
struct PhiloxBlocks {
  std::uint32_t first, of[3], key[2];
};

constexpr long philox_blocks = 32;

/// The four words of each block, one block after the other. The same bits in every instruction set.
void draw_philox(const PhiloxBlocks& blocks, std::uint32_t* to, Isa isa);

}  // namespace rill::kernels
