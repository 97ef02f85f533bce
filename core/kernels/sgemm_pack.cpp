#include <utility>

#include <rill/core/kernels/sgemm_pack.hpp>
#include <rill/core/kernels/sgemm_tile.hpp>

#define RILL_KERNEL sgemm_pack
#define RILL_KERNEL_BODY <rill/core/kernels/sgemm_pack_body.hpp>
#include <rill/core/kernels/each_isa.hpp>

namespace rill::kernels {

// All by AVX2 where it is: wider vectors make no difference here.
void pack_columns(const float* v, long stride, bool transposed, long columns, long k, float* panels,
                  const SgemmTile& tile) {
  const auto pack = tile.isa == Isa::plain ? sgemm_pack::plain::columns_of<8>
                    : tile.columns == 32   ? sgemm_pack::avx2::columns_of<32>
                                           : sgemm_pack::avx2::columns_of<16>;
  pack(v, stride, transposed, columns, k, panels);
}

void pack_rows(const float* s, long stride, bool transposed, long rows, long k, float* panels,
               const SgemmTile& tile) {
  const auto pack = tile.isa == Isa::plain ? sgemm_pack::plain::rows_of<6>
                    : tile.rows == 12      ? sgemm_pack::avx2::rows_of<12>
                                           : sgemm_pack::avx2::rows_of<6>;
  pack(s, stride, transposed, rows, k, panels);
}

}  // namespace rill::kernels
