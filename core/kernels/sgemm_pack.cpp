#include <utility>

#include <rill/core/kernels/sgemm_pack.hpp>
#include <rill/core/kernels/sgemm_tile.hpp>

#define RILL_KERNEL sgemm_pack
#define RILL_KERNEL_BODY <rill/core/kernels/sgemm_pack_body.hpp>
#include <rill/core/kernels/each_isa.hpp>

namespace rill::kernels {

namespace {

constexpr SgemmTile plain_tile = sgemm_tile_for(1, false, Isa::plain),
                    avx2_tile = sgemm_tile_for(1, false, Isa::avx2),
                    wide_tile = sgemm_tile_for(64, false, Isa::avx512);

}  // namespace

// All by AVX2 where it is: wider vectors make no difference here.
void pack_columns(const float* v, long stride, bool transposed, long columns, long k, float* panels,
                  const SgemmTile& tile) {
  const auto pack = tile.isa == Isa::plain              ? sgemm_pack::plain::columns_of<plain_tile.columns>
                    : tile.columns == wide_tile.columns ? sgemm_pack::avx2::columns_of<wide_tile.columns>
                                                        : sgemm_pack::avx2::columns_of<avx2_tile.columns>;
  pack(v, stride, transposed, columns, k, panels);
}

void pack_rows(const float* s, long stride, bool transposed, long rows, long k, float* panels,
               const SgemmTile& tile) {
  const auto pack = tile.isa == Isa::plain        ? sgemm_pack::plain::rows_of<plain_tile.rows>
                    : tile.rows == wide_tile.rows ? sgemm_pack::avx2::rows_of<wide_tile.rows>
                                                  : sgemm_pack::avx2::rows_of<avx2_tile.rows>;
  pack(s, stride, transposed, rows, k, panels);
}

}  // namespace rill::kernels
