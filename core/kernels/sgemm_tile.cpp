#include <utility>

#include <rill/core/kernels/sgemm_tile.hpp>

#define RILL_KERNEL sgemm_tile
#define RILL_KERNEL_WIDE
#define RILL_KERNEL_BODY <rill/core/kernels/sgemm_tile_body.hpp>
#include <rill/core/kernels/each_isa.hpp>

namespace rill::kernels {

void sgemm_block(const SgemmBlock& block, const SgemmTile& tile) {
  const auto compute = tile.isa == Isa::avx512 ? sgemm_tile::avx512::block
                       : tile.isa == Isa::avx2 ? sgemm_tile::avx2::block
                                               : sgemm_tile::plain::block;
  compute(block, tile);
}

}  // namespace rill::kernels
