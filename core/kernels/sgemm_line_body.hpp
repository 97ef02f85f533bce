#if RILL_LANES == 16

// What AVX2 does for eight rows, with its bits: the halves of a vector are two that it has side by side.
static void sum_rows(const float* const* x, const float* y, long whole, float* sums) {
  constexpr int rows = 8, half = 8;
  const float* row[rows];
#pragma GCC unroll 8
  for (int r = 0; r < rows; ++r) row[r] = x[r];
  Floats both[rows] = {};
  long p = 0;
  for (; p + lanes <= whole; p += lanes) {
    const Floats column = load(y + p);
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r) both[r] = fused(load(row[r] + p), column, both[r]);
  }
#pragma GCC unroll 8
  for (int r = 0; r < rows; ++r) {
    __m256 first = __builtin_shufflevector(both[r], both[r], 0, 1, 2, 3, 4, 5, 6, 7);
    const __m256 second = __builtin_shufflevector(both[r], both[r], 8, 9, 10, 11, 12, 13, 14, 15);
    if (p < whole) first = _mm256_fmadd_ps(_mm256_loadu_ps(row[r] + p), _mm256_loadu_ps(y + p), first);
    _mm256_storeu_ps(sums + r * half, first + second);
  }
}

#else

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

// The sums of the numbers from `whole` on are added to those of each lane.
template <int columns>
static inline Floats all_sums(const float* const* x, const float* const* y, long whole, long k,
                              const Floats (&by_lanes)[lanes]) {
  constexpr int rows = static_cast<int>(lanes) / columns;
  const Floats sums = sums_of(by_lanes);
  if (whole == k) return sums;
  const float *last_x[rows], *last_y[columns];
  for (int r = 0; r < rows; ++r) last_x[r] = x[r] + whole;
  for (int c = 0; c < columns; ++c) last_y[c] = y[c] + whole;
  Floats last[lanes];
  last_products<columns>(last_x, last_y, k - whole, last);
  return sums + sums_of(last);
}

// Of two columns, and as many rows as make up a vector of sums.
static Floats two_columns(const float* const* x, const float* const* y, long k) {
  constexpr int columns = 2, rows = static_cast<int>(lanes) / columns;
  const float* row[rows];
#pragma GCC unroll 8
  for (int r = 0; r < rows; ++r) row[r] = x[r];
  const float *first = y[0], *second = y[1];
  Floats sums[lanes];
#pragma GCC unroll 8
  for (int i = 0; i < lanes; ++i) sums[i] = Floats{};
  const long whole = k / lanes * lanes;
  for (long p = 0; p < whole; p += lanes) {
    const Floats y0 = load(first + p), y1 = load(second + p);
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r) {
      const Floats of_row = load(row[r] + p);
      sums[r * columns] = fused(of_row, y0, sums[r * columns]);
      sums[r * columns + 1] = fused(of_row, y1, sums[r * columns + 1]);
    }
  }
  return all_sums<columns>(x, y, whole, k, sums);
}

// For each of `lanes` rows the sums of its products with y over `whole` numbers, lane by lane, `lanes` to a row.
using SumRows = void (*)(const float* const* x, const float* y, long whole, float* sums);

// By four rows at a time, two vectors each.
static void sum_rows(const float* const* x, const float* y, long whole, float* sums) {
  for (long r = 0; r < lanes; r += 4) {
    const float* const row[4] = {x[r], x[r + 1], x[r + 2], x[r + 3]};
    Floats first[4] = {}, second[4] = {};
    long p = 0;
    for (; p + 2 * lanes <= whole; p += 2 * lanes) {
      const Floats y0 = load(y + p), y1 = load(y + p + lanes);
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) {
        first[i] = fused(load(row[i] + p), y0, first[i]);
        second[i] = fused(load(row[i] + p + lanes), y1, second[i]);
      }
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      if (p < whole) first[i] = fused(load(row[i] + p), load(y + p), first[i]);
      store(sums + (r + i) * lanes, first[i] + second[i]);
    }
  }
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

// Of one column, at the speed of the memory that x is read from.
static Floats one_column(const float* const* x, const float* y, long k, SumRows sum) {
  const long whole = k / lanes * lanes;
  float by_lanes[lanes * lanes];
  sum(x, y, whole, by_lanes);
  Floats sums[lanes];
  for (long r = 0; r < lanes; ++r) sums[r] = load(by_lanes + r * lanes);
  return all_sums<1>(x, &y, whole, k, sums);
}

// Rows and columns that are missing at the end are computed from the last ones there are, and not written.
static void dots(const SgemmDots& d, SumRows sum) {
  const int columns = d.columns == 1 ? 1 : 2, rows = static_cast<int>(lanes) / columns;
  for (long i = 0; i < d.rows; i += rows) {
    const int rows_left = static_cast<int>(d.rows - i < rows ? d.rows - i : rows);
    const float* x[lanes];
    for (int r = 0; r < rows; ++r) x[r] = d.x + (i + (r < rows_left ? r : rows_left - 1)) * d.k;
    if (columns == 1) {
      write_dots(d, i, 0, rows_left, 1, 1, one_column(x, d.y, d.k, sum));
      continue;
    }
    for (long j = 0; j < d.columns; j += 2) {
      const int columns_left = d.columns - j < 2 ? 1 : 2;
      const float* const y[2] = {d.y + j * d.k, d.y + (j + columns_left - 1) * d.k};
      write_dots(d, i, j, rows_left, columns_left, 2, two_columns(x, y, d.k));
    }
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

#endif
