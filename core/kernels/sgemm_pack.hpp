// Panels for the tiles of a matrix product: operands copied so that a tile reads them from front to back.
#pragma once

#include <rill/core/kernels/sgemm_tile.hpp>

namespace rill::kernels {

/// Panels of a tile's columns of V, one after the other, each [k, columns]: element (p, j) is v[p * stride + j], or
/// v[j * stride + p] if transposed. The last panel is filled up with zeros.
void pack_columns(const float* v, long stride, bool transposed, long columns, long k, float* panels,
                  const SgemmTile& tile);

/// Panels of sgemm_rows() rows of S, one after the other, each [k, rows]: element (row, p) is s[p * stride + row],
/// or s[row * stride + p] if transposed.
void pack_rows(const float* s, long stride, bool transposed, long rows, long k, float* panels,
               const SgemmTile& tile);

}  // namespace rill::kernels
