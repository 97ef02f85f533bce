// --- dots: `rows` of x times `columns` of y, so that rows * columns = lanes sums fill one vector ---------------------

static inline Floats load_some(const float* p, long count) {
  Floats x = {};
  __builtin_memcpy(&x, p, static_cast<unsigned long>(count) * sizeof(float));
  return x;
}

// The products of the last few elements, which fill no vector. Kept apart: it would take registers from the loop.
template <int columns>
__attribute__((noinline)) static void last_products(const float* const* x, const float* const* y, long count,
                                                    Floats* products) {
  for (int i = 0; i < lanes; ++i)
    products[i] = load_some(x[i / columns], count) * load_some(y[i % columns], count);
}

template <int columns>
static Floats dot_tile(const float* const* x, const float* const* y, long k) {
  constexpr int rows = static_cast<int>(lanes) / columns;
  const float *row[rows], *column[columns];
#pragma GCC unroll 8
  for (int r = 0; r < rows; ++r) row[r] = x[r];
#pragma GCC unroll 8
  for (int c = 0; c < columns; ++c) column[c] = y[c];
  Floats sums[lanes];
#pragma GCC unroll 8
  for (int i = 0; i < lanes; ++i) sums[i] = Floats{};
  const long whole = k / lanes * lanes;
  for (long p = 0; p < whole; p += lanes) {
    Floats each[columns];
#pragma GCC unroll 8
    for (int c = 0; c < columns; ++c) each[c] = load(column[c] + p);
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r) {
      const Floats of_row = load(row[r] + p);
#pragma GCC unroll 8
      for (int c = 0; c < columns; ++c) sums[r * columns + c] = fused(of_row, each[c], sums[r * columns + c]);
    }
  }
  Floats result = sums_of(sums);
  if (whole < k) {
    const float *last_x[rows], *last_y[columns];
    for (int r = 0; r < rows; ++r) last_x[r] = row[r] + whole;
    for (int c = 0; c < columns; ++c) last_y[c] = column[c] + whole;
    Floats last[lanes];
    last_products<columns>(last_x, last_y, k - whole, last);
    result = result + sums_of(last);
  }
  return result;
}

// The same for one column, which is read from memory's speed on: four rows at a time, two vectors each.
static inline void four_dots(const float* const* x, const float* y, long whole, Floats* result) {
  const float *x0 = x[0], *x1 = x[1], *x2 = x[2], *x3 = x[3];
  Floats a0 = {}, a1 = {}, a2 = {}, a3 = {}, b0 = {}, b1 = {}, b2 = {}, b3 = {};
  long p = 0;
  for (; p + 2 * lanes <= whole; p += 2 * lanes) {
    const Floats first = load(y + p), second = load(y + p + lanes);
    a0 = fused(load(x0 + p), first, a0);
    b0 = fused(load(x0 + p + lanes), second, b0);
    a1 = fused(load(x1 + p), first, a1);
    b1 = fused(load(x1 + p + lanes), second, b1);
    a2 = fused(load(x2 + p), first, a2);
    b2 = fused(load(x2 + p + lanes), second, b2);
    a3 = fused(load(x3 + p), first, a3);
    b3 = fused(load(x3 + p + lanes), second, b3);
  }
  if (p < whole) {
    const Floats last = load(y + p);
    a0 = fused(load(x0 + p), last, a0);
    a1 = fused(load(x1 + p), last, a1);
    a2 = fused(load(x2 + p), last, a2);
    a3 = fused(load(x3 + p), last, a3);
  }
  result[0] = a0 + b0;
  result[1] = a1 + b1;
  result[2] = a2 + b2;
  result[3] = a3 + b3;
}

template <>
Floats dot_tile<1>(const float* const* x, const float* const* y, long k) {
  const long whole = k / lanes * lanes;
  Floats sums[lanes];
  for (long r = 0; r < lanes; r += 4) four_dots(x + r, y[0], whole, sums + r);
  Floats result = sums_of(sums);
  if (whole < k) {
    const float *last_x[lanes], *last_y = y[0] + whole;
    for (int r = 0; r < lanes; ++r) last_x[r] = x[r] + whole;
    Floats last[lanes];
    last_products<1>(last_x, &last_y, k - whole, last);
    result = result + sums_of(last);
  }
  return result;
}

static void write_dots(const SgemmDots& d, long i, long j, int rows, int columns, int step, Floats sums) {
  float values[lanes];
  store(values, sums);
  for (int r = 0; r < rows; ++r) {
    for (int c = 0; c < columns; ++c) {
      float& to = d.c[(i + r) * d.row_step + (j + c) * d.column_step];
      float value = values[r * step + c];
      if (d.add) value = to + value;
      if (d.bias) value += d.bias[(i + r) * d.bias_row + (j + c) * d.bias_column];
      to = value;
    }
  }
}

// Rows and columns that are missing at the end are computed from the last ones there are, and not written.
template <int columns>
static void dots_of(const SgemmDots& d, long i, long j) {
  constexpr int rows = static_cast<int>(lanes) / columns;
  const int rows_left = static_cast<int>(d.rows - i < rows ? d.rows - i : rows);
  const int columns_left = static_cast<int>(d.columns - j < columns ? d.columns - j : columns);
  const float *x[rows], *y[columns];
  for (int r = 0; r < rows; ++r) x[r] = d.x + (i + (r < rows_left ? r : rows_left - 1)) * d.k;
  for (int c = 0; c < columns; ++c) y[c] = d.y + (j + (c < columns_left ? c : columns_left - 1)) * d.k;
  write_dots(d, i, j, rows_left, columns_left, columns, dot_tile<columns>(x, y, d.k));
}

static void dots(const SgemmDots& d) {
  if (d.columns == 1) {
    for (long i = 0; i < d.rows; i += lanes) dots_of<1>(d, i, 0);
    return;
  }
  for (long i = 0; i < d.rows; i += lanes / 2) {
    for (long j = 0; j < d.columns; j += 2) dots_of<2>(d, i, j);
  }
}

// --- one row ---------------------------------------------------------------------------------------------------------

template <int vectors>
static inline void row_part(const SgemmRow& row, long j) {
  Floats sums[vectors] = {};
  const float* b = row.b + j;
  for (long p = 0; p < row.k; ++p, b += row.stride) {
    const Floats a = all(row.a[p]);
#pragma GCC unroll 8
    for (int v = 0; v < vectors; ++v) sums[v] = fused(a, load(b + v * lanes), sums[v]);
  }
#pragma GCC unroll 8
  for (int v = 0; v < vectors; ++v) {
    Floats x = sums[v];
    if (row.add) x = load(row.c + j + v * lanes) + x;
    if (row.bias) x = x + load(row.bias + j + v * lanes);
    store(row.c + j + v * lanes, x);
  }
}

static void one_row(const SgemmRow& row) {
  long j = 0;
  for (; j + 8 * lanes <= row.columns; j += 8 * lanes) row_part<8>(row, j);
  for (; j + lanes <= row.columns; j += lanes) row_part<1>(row, j);
  const long left = row.columns - j;
  if (left == 0) return;
  Floats sum = {};
  for (long p = 0; p < row.k; ++p)
    sum = fused(all(row.a[p]), load_some(row.b + p * row.stride + j, left), sum);
  float values[lanes];
  store(values, sum);
  for (long i = 0; i < left; ++i) {
    float value = row.add ? row.c[j + i] + values[i] : values[i];
    if (row.bias) value += row.bias[j + i];
    row.c[j + i] = value;
  }
}

// --- k = 1 -----------------------------------------------------------------------------------------------------------

static void outer(const SgemmOuter& o) {
  const long columns = o.columns;
  const float *b = o.b, *bias = o.bias;
  for (long i = 0; i < o.rows; ++i) {
    const float a = o.a[i];
    float* c = o.c + i * columns;
    if (o.add && bias) {
      for (long j = 0; j < columns; ++j) c[j] = c[j] + a * b[j] + bias[j];
    } else if (o.add) {
      for (long j = 0; j < columns; ++j) c[j] = c[j] + a * b[j];
    } else if (bias) {
      for (long j = 0; j < columns; ++j) c[j] = a * b[j] + bias[j];
    } else {
      for (long j = 0; j < columns; ++j) c[j] = a * b[j];
    }
  }
}
