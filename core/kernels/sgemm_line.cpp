#include <rill/core/kernels/sgemm_line.hpp>

#define RILL_KERNEL sgemm_line
#define RILL_KERNEL_WIDE
#define RILL_KERNEL_BODY <rill/core/kernels/sgemm_line_body.hpp>
#include <rill/core/kernels/each_isa.hpp>

namespace rill::kernels {

void sgemm_dots(const SgemmDots& dots, Isa isa) {
  if (!takes_avx2(isa)) return sgemm_line::plain::dots(dots, sgemm_line::plain::sum_rows);
  sgemm_line::avx2::dots(dots,
                         isa == Isa::avx512 ? sgemm_line::avx512::sum_rows : sgemm_line::avx2::sum_rows);
}

void sgemm_row(const SgemmRow& row, Isa isa) {
  takes_avx2(isa) ? sgemm_line::avx2::one_row(row) : sgemm_line::plain::one_row(row);
}

void sgemm_outer(const SgemmOuter& outer, Isa isa) {
  takes_avx2(isa) ? sgemm_line::avx2::outer(outer) : sgemm_line::plain::outer(outer);
}

}  // namespace rill::kernels
