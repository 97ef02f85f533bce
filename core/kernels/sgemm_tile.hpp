// The inside of a blocked single-precision matrix product: a block of the result, tile by tile.
//
// A tile, some rows by some columns, is held in registers while k runs. One operand, S, gives a number for each row, which
// is spread over all lanes; the other one, V, gives a vector or two for all columns. Which of the two matrices is S is the
// caller's choice: with them swapped, the result is written transposed. Sums over k run in one order, whatever the tile.
#pragma once

#include <rill/core/isa.hpp>

namespace rill::kernels {

/// The largest tile, and what computes it.
struct SgemmTile {
  Isa isa;
  long rows, columns;
};

/// The tile for a result with so many columns. AVX-512 has registers for twelve rows, which halve what is read of V for each
/// product; but a transposed result is written by eight rows at most. Half a wide tile
/// would stay empty for up to 16 columns.
constexpr SgemmTile sgemm_tile_for(long columns, bool transposed, Isa isa) {
  if (!takes_avx2(isa)) return {Isa::plain, 6, 8};
  if (isa == Isa::avx2 || (transposed && columns <= 16)) return {Isa::avx2, 6, 16};
  return {Isa::avx512, transposed ? 6 : 12, columns <= 16 ? 16 : 32};
}

/// Rows of the tile that begins where `left` rows are left, of at most `most`; the last two share what is left, because
/// low tiles keep the multipliers waiting.
constexpr long sgemm_rows(long left, long most) {
  return left >= 2 * most || left <= most ? (left < most ? left : most) : (left + 1) / 2;
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
  long v_panel;   ///< from one panel of a tile's columns to the next; whole panels must be readable
  float* c;
  long c_stride;
  bool transposed;    ///< c holds columns x rows; S then lies by rows
  const float* bias;  ///< one for each column, or for each row if transposed
  bool add;
};

void sgemm_block(const SgemmBlock& block, const SgemmTile& tile);

}  // namespace rill::kernels
