#include <rill/core/kernels/sgemm_pack.hpp>
#include <rill/core/kernels/sgemm_tile.hpp>

#define RILL_KERNEL sgemm_pack
#define RILL_KERNEL_BODY <rill/core/kernels/sgemm_pack_body.hpp>
#include <rill/core/kernels/each_isa.hpp>

namespace rill::kernels {

void pack_columns(const float* v, long stride, bool transposed, long columns, long k, float* panels,
                  Isa isa) {
  const auto pack = isa == Isa::avx512 ? sgemm_pack::avx2::columns_of<sgemm_columns(Isa::avx512)>
                    : isa == Isa::avx2 ? sgemm_pack::avx2::columns_of<sgemm_columns(Isa::avx2)>
                                       : sgemm_pack::plain::columns_of<sgemm_columns(Isa::plain)>;
  pack(v, stride, transposed, columns, k, panels);
}

void pack_rows(const float* s, long stride, bool transposed, long rows, long k, float* panels, Isa isa) {
  const auto pack = takes_avx2(isa) ? sgemm_pack::avx2::rows_of : sgemm_pack::plain::rows_of;
  pack(s, stride, transposed, rows, k, panels);
}

}  // namespace rill::kernels
