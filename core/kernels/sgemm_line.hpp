// Products that read or write a matrix once, and have no use for tiles: few rows against many along k, one row, k = 1.
#pragma once

#include <rill/core/isa.hpp>

namespace rill::kernels {

/// Element (i, j) of the result, at c[i * row_step + j * column_step], is the sum over k of x[i * k + p] y[j * k + p],
/// plus what was there if `add`, plus bias[i * bias_row + j * bias_column] if there is one.
struct SgemmDots {
  long rows, columns, k;
  const float *x, *y;
  float* c;
  long row_step, column_step;
  const float* bias;
  long bias_row, bias_column;
  bool add;
};

void sgemm_dots(const SgemmDots& dots, Isa isa);

/// One row times the [k, columns] matrix b, of which `stride` numbers lie between two rows, plus c if `add`, plus the bias if not null.
struct SgemmRow {
  long columns, k;
  const float *a, *b;
  long stride;
  float* c;
  const float* bias;
  bool add;
};

void sgemm_row(const SgemmRow& row, Isa isa);

/// c[i * columns + j] = a[i] b[j], plus what was there if `add`, plus bias[j] if there is one.
struct SgemmOuter {
  long rows, columns;
  const float *a, *b;
  float* c;
  const float* bias;
  bool add;
};

void sgemm_outer(const SgemmOuter& outer, Isa isa);

}  // namespace rill::kernels
