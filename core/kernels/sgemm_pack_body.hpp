// `width` is that of a panel.

// lanes x lanes numbers of which each line follows the other at `stride`, to columns of a panel.
template <long width>
static inline void pack_square(const float* from, long stride, float* to) {
  Floats x[lanes];
#pragma GCC unroll 8
  for (long i = 0; i < lanes; ++i) x[i] = load(from + i * stride);
  transpose(x);
#pragma GCC unroll 8
  for (long i = 0; i < lanes; ++i) store(to + i * width, x[i]);
}

template <long width>
static void pack_transposed(const float* v, long stride, long columns, long k, float* panel) {
  const long whole_columns = columns / lanes * lanes, whole_k = k / lanes * lanes;
  for (long p = 0; p < whole_k; p += lanes) {
    for (long j = 0; j < whole_columns; j += lanes) {
      pack_square<width>(v + j * stride + p, stride, panel + p * width + j);
    }
  }
  for (long p = 0; p < k; ++p) {
    for (long j = p < whole_k ? whole_columns : 0; j < width; ++j) {
      panel[p * width + j] = j < columns ? v[j * stride + p] : 0.0f;
    }
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
    for (int r = 0; r < rows; ++r) panel[p * rows + r] = s[p * stride + r];
  }
}

// Four panels of six rows side by side: a line of s is read at once. Stores of eight overlap, the last ones do not.
static void pack_straight_panels(const float* s, long stride, long k, float* panels) {
  long p = 0;
  for (; p + 2 <= k; ++p) {
    const float* from = s + p * stride;
    __builtin_prefetch(from + 8 * stride);
    __builtin_prefetch(from + 8 * stride + 16);
#pragma GCC unroll 4
    for (long i = 0; i < 4; ++i) {
      float* to = panels + (i * k + p) * 6;
#if RILL_LANES == 8
      if (i < 3) {
        store(to, load(from + 6 * i));
        continue;
      }
#endif
      __builtin_memcpy(to, from + 6 * i, 6 * sizeof(float));
    }
  }
  for (; p < k; ++p) {
    for (long i = 0; i < 4; ++i)
      __builtin_memcpy(panels + (i * k + p) * 6, s + p * stride + 6 * i, 6 * sizeof(float));
  }
}

// Each line of `rows` numbers is stored as whole vectors, of which the next line overwrites what is too much.
template <int rows>
static void pack_transposed_rows(const float* s, long stride, long k, float* panel) {
  long p = 0;
  for (; p + 3 * lanes <= k; p += lanes) {
    Floats x[8];
#pragma GCC unroll 8
    for (int r = 0; r < 8; ++r) x[r] = r < rows ? load(s + r * stride + p) : Floats{};
#if RILL_LANES == 8
    transpose(x);
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) store(panel + (p + i) * rows, x[i]);
#else
    Floats(&first)[4] = reinterpret_cast<Floats(&)[4]>(x[0]);
    Floats(&second)[4] = reinterpret_cast<Floats(&)[4]>(x[4]);
    transpose(first);
    transpose(second);
    for (int i = 0; i < 4; ++i) {
      store(panel + (p + i) * rows, first[i]);
      if (rows > 4) store(panel + (p + i) * rows + 4, second[i]);
    }
#endif
  }
  for (; p < k; ++p) {
    for (int r = 0; r < rows; ++r) panel[p * rows + r] = s[r * stride + p];
  }
}

using PackRows = void (*)(const float*, long, long, float*);

static void rows_of(const float* s, long stride, bool transposed, long rows, long k, float* panels) {
  static constexpr PackRows straight[] = {pack_straight_rows<1>, pack_straight_rows<2>,
                                          pack_straight_rows<3>, pack_straight_rows<4>,
                                          pack_straight_rows<5>, pack_straight_rows<6>};
  static constexpr PackRows across[] = {pack_transposed_rows<1>, pack_transposed_rows<2>,
                                        pack_transposed_rows<3>, pack_transposed_rows<4>,
                                        pack_transposed_rows<5>, pack_transposed_rows<6>};
  for (long i = 0; i < rows;) {
    const long count = sgemm_rows(rows - i);
    if (!transposed && rows - i >= 30) {  // four of six, and more to come
      pack_straight_panels(s + i, stride, k, panels + i * k);
      i += 24;
      continue;
    }
    (transposed ? across : straight)[count - 1](s + (transposed ? i * stride : i), stride, k, panels + i * k);
    i += count;
  }
}
