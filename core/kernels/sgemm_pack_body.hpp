// `width` is that of a panel.

// lanes x lanes numbers of which each line follows the other at `stride`, to columns of a panel; lines from `count` on are zeros.
template <long width>
static inline __attribute__((always_inline)) void pack_square(const float* from, long stride, long count,
                                                              float* to) {
  Floats x[lanes];
#pragma GCC unroll 8
  for (long i = 0; i < lanes; ++i) x[i] = i < count ? load(from + i * stride) : Floats{};
  transpose(x);
#pragma GCC unroll 8
  for (long i = 0; i < lanes; ++i) store(to + i * width, x[i]);
}

template <long width>
static void pack_transposed(const float* v, long stride, long columns, long k, float* panel) {
  const long whole_k = k / lanes * lanes;
  for (long p = 0; p < whole_k; p += lanes) {
    long j = 0;
    for (; j + lanes <= columns; j += lanes) {
      pack_square<width>(v + j * stride + p, stride, lanes, panel + p * width + j);
    }
    for (; j < width; j += lanes) {
      pack_square<width>(v + j * stride + p, stride, columns - j, panel + p * width + j);
    }
  }
  for (long p = whole_k; p < k; ++p) {
    for (long j = 0; j < width; ++j) panel[p * width + j] = j < columns ? v[j * stride + p] : 0.0f;
  }
}

// `count` whole panels side by side: a line of v is read at once.
template <long width, int count>
static void pack_straight(const float* v, long stride, long k, float* panels) {
  for (long p = 0; p < k; ++p) {
    const float* from = v + p * stride;
#pragma GCC unroll 8
    for (long j = 0; j < count * width; j += 16) __builtin_prefetch(from + 8 * stride + j);
#pragma GCC unroll 4
    for (int i = 0; i < count; ++i) {
      float* to = panels + (i * k + p) * width;
#pragma GCC unroll 4
      for (long j = 0; j < width; j += lanes) store(to + j, load(from + i * width + j));
    }
  }
}

template <long width>
static void pack_rest(const float* v, long stride, long columns, long k, float* panel) {
  for (long p = 0; p < k; ++p) {
    for (long j = 0; j < width; ++j) panel[p * width + j] = j < columns ? v[p * stride + j] : 0.0f;
  }
}

template <long width>
static void columns_of(const float* v, long stride, bool transposed, long columns, long k, float* panels) {
  if (transposed) {
    for (long j = 0; j < columns; j += width) {
      const long count = columns - j < width ? columns - j : width;
      pack_transposed<width>(v + j * stride, stride, count, k, panels + j * k);
    }
    return;
  }
  long j = 0;
  constexpr long few = 64 / width;
  for (; j + few * width <= columns; j += few * width) {
    pack_straight<width, few>(v + j, stride, k, panels + j * k);
  }
  for (; j + width <= columns; j += width) pack_straight<width, 1>(v + j, stride, k, panels + j * k);
  if (j < columns) pack_rest<width>(v + j, stride, columns - j, k, panels + j * k);
}

template <int rows>
static void pack_straight_rows(const float* s, long stride, long k, float* panel) {
  for (long p = 0; p < k; ++p) {
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r) panel[p * rows + r] = s[p * stride + r];
  }
}

// 24 rows, in panels of `most` side by side: a line of s is read at once. Stores of eight overlap, the last ones do not.
template <int most>
static void pack_straight_panels(const float* s, long stride, long k, float* panels) {
  static_assert(24 % most == 0);
  constexpr int count = 24 / most;
  long p = 0;
  for (; p + 2 <= k; ++p) {
    const float* from = s + p * stride;
    __builtin_prefetch(from + 8 * stride);
    __builtin_prefetch(from + 8 * stride + 16);
#pragma GCC unroll 4
    for (long i = 0; i < count; ++i) {
      float* to = panels + (i * k + p) * most;
#if RILL_LANES == 8
      if (most == 6 && i < count - 1) {
        store(to, load(from + most * i));
        continue;
      }
#endif
      __builtin_memcpy(to, from + most * i, most * sizeof(float));
    }
  }
  for (; p < k; ++p) {
    for (long i = 0; i < count; ++i)
      __builtin_memcpy(panels + (i * k + p) * most, s + p * stride + most * i, most * sizeof(float));
  }
}

// Each line of `rows` numbers is stored as whole vectors, of which the next line overwrites what is too much.
template <int rows>
static void pack_transposed_rows(const float* s, long stride, long k, float* panel) {
  constexpr int squares = (rows + lanes - 1) / lanes;
  long p = 0;
  for (; p + (squares + 1) * lanes <= k; p += lanes) {
    Floats x[squares][lanes];
#pragma GCC unroll 3
    for (int square = 0; square < squares; ++square) {
#pragma GCC unroll 8
      for (int i = 0; i < lanes; ++i) {
        const long r = square * lanes + i;
        x[square][i] = r < rows ? load(s + r * stride + p) : Floats{};
      }
      transpose(x[square]);
    }
#pragma GCC unroll 8
    for (int i = 0; i < lanes; ++i) {
#pragma GCC unroll 3
      for (int square = 0; square < squares; ++square)
        store(panel + (p + i) * rows + square * lanes, x[square][i]);
    }
  }
  for (; p < k; ++p) {
    for (int r = 0; r < rows; ++r) panel[p * rows + r] = s[r * stride + p];
  }
}

using PackRows = void (*)(const float*, long, long, float*);

// For each number of rows from 1 on.
template <int... rows>
static PackRows pack_rows_of(long wanted, bool transposed, std::integer_sequence<int, rows...>) {
  static constexpr PackRows straight[] = {pack_straight_rows<rows + 1>...};
  static constexpr PackRows across[] = {pack_transposed_rows<rows + 1>...};
  return (transposed ? across : straight)[wanted - 1];
}

template <int most>
static void rows_of(const float* s, long stride, bool transposed, long rows, long k, float* panels) {
  for (long i = 0; i < rows;) {
    if (!transposed && rows - i >= 24 + most) {  // and more to come
      pack_straight_panels<most>(s + i, stride, k, panels + i * k);
      i += 24;
      continue;
    }
    const long count = sgemm_rows(rows - i, most);
    const PackRows pack = pack_rows_of(count, transposed, std::make_integer_sequence<int, most>());
    pack(s + (transposed ? i * stride : i), stride, k, panels + i * k);
    i += count;
  }
}
