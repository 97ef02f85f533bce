// See sparse_product.hpp. Rows are padded to whole vectors here, so that only what reads the operands, and copies or transposes sums
// into the result, knows of odd sizes.

// The non-zeros of `count` numbers, with their places, to `values` and `places`; how many. Up to `count` of each are
// written, whatever they come to. NaN is no zero, -0 is one.
static long compress(const float* from, long count, float* values, std::uint8_t* places) {
  long found = 0, i = 0;
#if RILL_LANES == 16
  __m512i at = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  for (; i < count; i += lanes, at = _mm512_add_epi32(at, _mm512_set1_epi32(lanes))) {
    const auto there = static_cast<__mmask16>(count - i < lanes ? (1u << (count - i)) - 1 : 0xffff);
    const __m512 x = _mm512_maskz_loadu_ps(there, from + i);
    const __mmask16 mask = _mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_NEQ_UQ);
    _mm512_mask_storeu_ps(values + found, there, _mm512_maskz_compress_ps(mask, x));
    _mm512_mask_cvtepi32_storeu_epi8(places + found, there, _mm512_maskz_compress_epi32(mask, at));
    found += __builtin_popcount(mask);
  }
#elif RILL_LANES == 8
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

#if RILL_LANES >= 8
typedef float Quad __attribute__((vector_size(16), aligned(4), may_alias));

// Four numbers each of the rows i, i + 4, i + 8 ...: of as many as fill a vector.
static inline Floats quads(const float* from, long stride) {
  const auto row = [&](long i) { return *reinterpret_cast<const Quad*>(from + i * stride); };
#if RILL_LANES == 16
  const auto low = __builtin_shufflevector(row(0), row(4), 0, 1, 2, 3, 4, 5, 6, 7);
  const auto high = __builtin_shufflevector(row(8), row(12), 0, 1, 2, 3, 4, 5, 6, 7);
  return __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
#else
  return __builtin_shufflevector(row(0), row(4), 0, 1, 2, 3, 4, 5, 6, 7);
#endif
}
#endif

// to[j, i] = from[i, j] for `lanes` rows of four numbers; what is 0 where all of them are finite.
__attribute__((always_inline)) static inline Floats transpose_block(const float* from, long from_stride,
                                                                    float* to, long to_stride) {
  Floats check = Floats{};
#if RILL_LANES >= 8
  Floats row[4];
#pragma GCC unroll 4
  for (long i = 0; i < 4; ++i) {
    row[i] = quads(from + i * from_stride, from_stride);
    check = fused(row[i], Floats{}, check);
  }
  const Floats a = of_fours<0, 4, 1, 5>(row[0], row[1]), b = of_fours<0, 4, 1, 5>(row[2], row[3]);
  const Floats c = of_fours<2, 6, 3, 7>(row[0], row[1]), d = of_fours<2, 6, 3, 7>(row[2], row[3]);
  store(to, of_fours<0, 1, 4, 5>(a, b));
  store(to + to_stride, of_fours<2, 3, 6, 7>(a, b));
  store(to + 2 * to_stride, of_fours<0, 1, 4, 5>(c, d));
  store(to + 3 * to_stride, of_fours<2, 3, 6, 7>(c, d));
#else
  for (long i = 0; i < lanes; ++i) {
    check = fused(load(from + i * from_stride), Floats{}, check);
    for (long j = 0; j < 4; ++j) to[j * to_stride + i] = from[i * from_stride + j];
  }
#endif
  return check;
}

static inline bool all_zero(Floats x, float rest) {
  for (long i = 0; i < lanes; ++i) rest += x[i];
  return rest == 0;
}

// to[j, i] = from[i, j] for i < rows, j < columns; whether all of it is finite. The last blocks lie over others.
static bool transpose(const float* from, long from_stride, long rows, long columns, float* to,
                      long to_stride) {
  Floats check = Floats{};
  float rest = 0;
  if (rows >= lanes && columns >= 4) {
    for (long row = 0; row < rows; row += lanes) {
      const long i = row + lanes <= rows ? row : rows - lanes;
      for (long column = 0; column < columns; column += 4) {
        const long j = column + 4 <= columns ? column : columns - 4;
        check += transpose_block(from + i * from_stride + j, from_stride, to + j * to_stride + i, to_stride);
      }
    }
  } else {
    for (long i = 0; i < rows; ++i) {
      for (long j = 0; j < columns; ++j) {
        const float x = from[i * from_stride + j];
        to[j * to_stride + i] = x;
        rest += x * 0;
      }
    }
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

static void compress_rows(const float* from, long stride, long rows, long depth, Lists to) {
  long found = 0;
  to.starts[0] = 0;
  for (long r = 0; r < rows; ++r) {
    found += compress(from + r * stride, depth, to.values + found, to.places + found);
    to.starts[r + 1] = static_cast<std::int32_t>(found);
  }
}

static void compress_columns(const float* from, long stride, long columns, long depth, Lists to) {
  constexpr long at_once = 32;
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

// sums[r - begin] = (itself or `first`) + Σ value · tile[place] over list r, in its order. Rows of sums have whole vectors, and stand
// `sums_stride` apart.
template <int vectors>
static void add_lists(const Lists& lists, long begin, long end, const float* tile, const float* first,
                      float* sums, long sums_stride) {
  constexpr long width = vectors * lanes;
  for (long r = begin; r < end; ++r, sums += sums_stride) {
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
