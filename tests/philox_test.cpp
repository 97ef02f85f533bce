// Blocks of Philox side by side, in each instruction set, against the one that draws one block at a time.

#include <algorithm>
#include <array>
#include <cstdint>

#include <doctest/doctest.h>

#include <rill/core/kernels/philox.hpp>
#include <rill/core/random.hpp>

#include "instruction_sets.hpp"

namespace {

using namespace rill;

TEST_CASE("philox: blocks side by side are those of one at a time, also where the counter begins anew") {
  for (const std::uint32_t first : {0u, 5u, 0x80000000u, 0xfffffff3u}) {
    const kernels::PhiloxBlocks blocks{first, {0x12345678, 0xfedcba98, 3}, {0xdeadbeef, 0x80000001}};
    for (const Isa use : test::instruction_sets()) {
      std::array<std::uint32_t, 4 * kernels::philox_blocks> drawn;
      kernels::draw_philox(blocks, drawn.data(), use);
      int differing = 0;
      for (std::uint32_t i = 0; i < kernels::philox_blocks; ++i) {
        const auto one = philox4x32({first + i, 0x12345678, 0xfedcba98, 3}, {0xdeadbeef, 0x80000001});
        differing += !std::equal(one.begin(), one.end(), drawn.begin() + 4 * i);
      }
      CAPTURE(first);
      CAPTURE(isa_name(use));
      CHECK(differing == 0);
    }
  }
}

}  // namespace
