// The inside of a blocked single-precision matrix product: a block of the result, tile by tile.
//
// A tile is sgemm_rows() rows by sgemm_columns(isa) columns, held in registers while k runs. One operand, S, gives a number
// for each row, which is spread over all lanes; the other one, V, gives a vector for all columns. Which of the
// two matrices is S is the caller's choice: with them swapped, the result is written transposed. Sums over k run
// in one order, whatever the block.
#pragma once

#include <rill/core/isa.hpp>

namespace rill::kernels {

/// Columns of a tile.
constexpr long sgemm_columns(Isa isa) { return isa == Isa::avx512 ? 32 : isa == Isa::avx2 ? 16 : 8; }

/// Rows of the tile that begins where `left` rows are left: at most 6; the last two share what is left, because
/// low tiles keep the multipliers waiting.
constexpr long most_sgemm_rows = 6;
constexpr long sgemm_rows(long left) {
  return left >= 2 * most_sgemm_rows || left <= most_sgemm_rows
             ? (left < most_sgemm_rows ? left : most_sgemm_rows)
             : (left + 1) / 2;
}

/// How S lies in memory: element (row, p) is data[row * stride + p] by rows, data[p * stride + row] by columns;
/// packed, each panel of sgemm_rows() rows follows the one before and lies by columns without gaps.
enum class SgemmLayout { rows, columns, packed };

/// rows x columns of the result get the sums over k of S times V, plus what was there if `add`, plus the bias if not null.
struct SgemmBlock {
  long rows, columns, k;
  const float* s;
  long s_stride;
  SgemmLayout s_layout;
  const float* v;
  long v_stride;  ///< from p to p + 1
  long v_panel;   ///< from one panel of sgemm_columns() columns to the next; whole panels must be readable
  float* c;
  long c_stride;
  bool transposed;    ///< c holds columns x rows; S then lies by rows
  const float* bias;  ///< one for each column, or for each row if transposed
  bool add;
};

void sgemm_block(const SgemmBlock& block, Isa isa);

}  // namespace rill::kernels
