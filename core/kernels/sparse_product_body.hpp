// See sparse_product.hpp. Rows are padded to whole vectors here, so that only what reads the operands and writes the
// result knows of odd sizes.

// The non-zeros of `count` numbers, with their places, to `values` and `places`; how many. Up to `count` of each are
// written, whatever they come to. NaN is no zero, -0 is one.
static long compress(const float* from, long count, float* values, std::uint8_t* places) {
  long found = 0, i = 0;
#if RILL_LANES == 8
  const __m256 zero = _mm256_setzero_ps();
  std::uint64_t base = 0;
  for (; i + lanes <= count; i += lanes, base += 0x0808080808080808u) {
    const __m256 x = _mm256_loadu_ps(from + i);
    const int mask = _mm256_movemask_ps(_mm256_cmp_ps(x, zero, _CMP_NEQ_UQ));
    const std::uint64_t order = moves[static_cast<std::size_t>(mask)], at = order + base;
    const __m256i lane = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128(static_cast<long long>(order)));
    _mm256_storeu_ps(values + found, _mm256_permutevar8x32_ps(x, lane));
    std::memcpy(places + found, &at, sizeof at);
    found += __builtin_popcount(static_cast<unsigned>(mask));
  }
#endif
  for (; i < count; ++i) {
    values[found] = from[i];
    places[found] = static_cast<std::uint8_t>(i);
    found += from[i] != 0;
  }
  return found;
}

// to[j, i] = from[i, j] for one block of `lanes` by `lanes`; what is 0 where all of it is finite.
__attribute__((always_inline)) static inline Floats transpose_block(const float* from, long from_stride,
                                                                    float* to, long to_stride) {
#if RILL_LANES == 8
  // Halves are loaded apart, which leaves 16 shuffles of 24.
  __m256 half[8], pair[8];
  const auto both = [&](long i, long j) {
    return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(from + i * from_stride + j)),
                                _mm_loadu_ps(from + (i + 4) * from_stride + j), 1);
  };
  for (int i = 0; i < 4; ++i) {
    half[i] = both(i, 0);
    half[i + 4] = both(i, 4);
  }
  Floats check = Floats{};
#pragma GCC unroll 2
  for (int side = 0; side < 8; side += 4) {
    pair[side] = _mm256_unpacklo_ps(half[side], half[side + 1]);
    pair[side + 1] = _mm256_unpackhi_ps(half[side], half[side + 1]);
    pair[side + 2] = _mm256_unpacklo_ps(half[side + 2], half[side + 3]);
    pair[side + 3] = _mm256_unpackhi_ps(half[side + 2], half[side + 3]);
    for (int i = 0; i < 4; ++i) check = fused(reinterpret_cast<Floats>(half[side + i]), Floats{}, check);
    float* row = to + side * to_stride;
    _mm256_storeu_ps(row, _mm256_shuffle_ps(pair[side], pair[side + 2], 0x44));
    _mm256_storeu_ps(row + to_stride, _mm256_shuffle_ps(pair[side], pair[side + 2], 0xee));
    _mm256_storeu_ps(row + 2 * to_stride, _mm256_shuffle_ps(pair[side + 1], pair[side + 3], 0x44));
    _mm256_storeu_ps(row + 3 * to_stride, _mm256_shuffle_ps(pair[side + 1], pair[side + 3], 0xee));
  }
  return check;
#else
  Floats check = Floats{};
  for (long i = 0; i < lanes; ++i) {
    check = fused(load(from + i * from_stride), Floats{}, check);
    for (long j = 0; j < lanes; ++j) to[j * to_stride + i] = from[i * from_stride + j];
  }
  return check;
#endif
}

static inline bool all_zero(Floats x, float rest) {
  for (long i = 0; i < lanes; ++i) rest += x[i];
  return rest == 0;
}

// to[j, i] = from[i, j] for i < rows, j < columns; whether all of it is finite.
static bool transpose(const float* from, long from_stride, long rows, long columns, float* to,
                      long to_stride) {
  Floats check = Floats{};
  float rest = 0;
  const auto one = [&](long i, long j) {
    const float x = from[i * from_stride + j];
    to[j * to_stride + i] = x;
    rest += x * 0;
  };
  const long whole_rows = rows / lanes * lanes, whole_columns = columns / lanes * lanes;
  for (long i = 0; i < whole_rows; i += lanes) {
    for (long j = 0; j < whole_columns; j += lanes) {
      check += transpose_block(from + i * from_stride + j, from_stride, to + j * to_stride + i, to_stride);
    }
    for (long r = i; r < i + lanes; ++r) {
      for (long j = whole_columns; j < columns; ++j) one(r, j);
    }
  }
  for (long i = whole_rows; i < rows; ++i) {
    for (long j = 0; j < columns; ++j) one(i, j);
  }
  return all_zero(check, rest);
}

// to[i, j] = from[i, j]; whether all of it is finite.
static bool copy(const float* from, long from_stride, long rows, long columns, float* to, long to_stride) {
  Floats check = Floats{};
  float rest = 0;
  for (long i = 0; i < rows; ++i) {
    long j = 0;
    for (; j + lanes <= columns; j += lanes) {
      const Floats x = load(from + i * from_stride + j);
      check = fused(x, Floats{}, check);
      store(to + i * to_stride + j, x);
    }
    for (; j < columns; ++j) {
      const float x = from[i * from_stride + j];
      to[i * to_stride + j] = x;
      rest += x * 0;
    }
  }
  return all_zero(check, rest);
}

static void compress_rows(const float* from, long stride, long rows, long depth, const Lists& to) {
  long found = 0;
  to.starts[0] = 0;
  for (long r = 0; r < rows; ++r) {
    found += compress(from + r * stride, depth, to.values + found, to.places + found);
    to.starts[r + 1] = static_cast<std::int32_t>(found);
  }
}

static void compress_columns(const float* from, long stride, long columns, long depth, const Lists& to) {
  constexpr long at_once = 16;
  alignas(64) float turned[at_once * most_depth];
  long found = 0;
  to.starts[0] = 0;
  for (long begin = 0; begin < columns; begin += at_once) {
    const long count = columns - begin < at_once ? columns - begin : at_once;
    transpose(from + begin, stride, depth, count, turned, depth);
    for (long c = 0; c < count; ++c) {
      found += compress(turned + c * depth, depth, to.values + found, to.places + found);
      to.starts[begin + c + 1] = static_cast<std::int32_t>(found);
    }
  }
}

// sums[r] = (from[r] or `first`) + Σ value · tile[place] over list r, in its order.
template <int vectors>
static void add_lists(const Lists& lists, long begin, long end, const float* tile, const float* first,
                      float* sums) {
  constexpr long width = vectors * lanes;
  for (long r = begin; r < end; ++r, sums += width) {
    const float* start = first ? first : sums;
    Floats sum[vectors];
    for (int v = 0; v < vectors; ++v) sum[v] = load(start + v * lanes);
    const std::int32_t stop = lists.starts[r + 1];
    for (std::int32_t e = lists.starts[r]; e < stop; ++e) {
      const Floats value = all(lists.values[e]);
      const float* row = tile + lists.places[e] * width;
      for (int v = 0; v < vectors; ++v) sum[v] = fused(value, load(row + v * lanes), sum[v]);
    }
    for (int v = 0; v < vectors; ++v) store(sums + v * lanes, sum[v]);
  }
}

static constexpr Kernels functions() {
  return {lanes,
          compress_rows,
          compress_columns,
          copy,
          transpose,
          {add_lists<1>, add_lists<2>, add_lists<3>, add_lists<4>, add_lists<5>, add_lists<6>, add_lists<7>,
           add_lists<8>}};
}
