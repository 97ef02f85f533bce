constexpr int vectors = 2;
constexpr long width = vectors * lanes;

// What one tile needs of an SgemmBlock; `columns` of the width are written.
struct Tile {
  long k;
  const float* s;
  long s_stride;
  const float* v;
  long v_stride;
  float* c;
  long c_stride, columns;
  const float* bias;
  bool add;
};

template <int rows>
using Sums = Floats[rows][vectors];

template <int rows, bool by_rows>
static inline __attribute__((always_inline)) void multiply(const Tile& t, Sums<rows>& sums) {
  const float* row[rows];
#pragma GCC unroll 8
  for (int r = 0; r < rows; ++r) row[r] = by_rows ? t.s + r * t.s_stride : t.s;
#pragma GCC unroll 8
  for (int r = 0; r < rows; ++r) sums[r][0] = sums[r][1] = Floats{};
  const float *s = t.s, *v = t.v;
  const long k = t.k, s_stride = t.s_stride, v_stride = t.v_stride;
  for (long p = 0; p < k; ++p) {
    const Floats v0 = load(v), v1 = load(v + lanes);
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r) {
      const Floats each = all(by_rows ? row[r][p] : s[r]);
      sums[r][0] = fused(each, v0, sums[r][0]);
      sums[r][1] = fused(each, v1, sums[r][1]);
    }
    v += v_stride;
    s += s_stride;
  }
}

template <int rows>
static inline __attribute__((always_inline)) void write_rows(const Tile& t, Sums<rows>& sums) {
  if (t.columns < width) {
    float line[width];
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r) {
      store(line, sums[r][0]);
      store(line + lanes, sums[r][1]);
      float* c = t.c + r * t.c_stride;
      for (long j = 0; j < t.columns; ++j) {
        float value = t.add ? c[j] + line[j] : line[j];
        if (t.bias) value += t.bias[j];  // else -0 stays -0
        c[j] = value;
      }
    }
    return;
  }
  float* const c = t.c;
  const long stride = t.c_stride;
  const float* const bias = t.bias;
  if (t.add) {
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r) {
      sums[r][0] = load(c + r * stride) + sums[r][0];
      sums[r][1] = load(c + r * stride + lanes) + sums[r][1];
    }
  }
  if (bias) {
    const Floats b0 = load(bias), b1 = load(bias + lanes);
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r) {
      sums[r][0] = sums[r][0] + b0;
      sums[r][1] = sums[r][1] + b1;
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < rows; ++r) {
    store(c + r * stride, sums[r][0]);
    store(c + r * stride + lanes, sums[r][1]);
  }
}

template <int rows>
static inline __attribute__((always_inline)) void write_columns(const Tile& t, Sums<rows>& sums) {
  float lines[width][8];
  constexpr int square = lanes < 8 ? lanes : 8, blocks = (rows + square - 1) / square;
#pragma GCC unroll 2
  for (int v = 0; v < vectors; ++v) {
#pragma GCC unroll 2
    for (int block = 0; block < blocks; ++block) {
      Floats x[square];
#pragma GCC unroll 8
      for (int r = 0; r < square; ++r) {
        const int from = block * square + r;
        x[r] = from < rows ? sums[from < rows ? from : 0][v] : Floats{};
      }
      transpose(x);
#pragma GCC unroll 8
      for (int r = 0; r < square; ++r) {
#pragma GCC unroll 2
        for (long half = 0; half < lanes / square; ++half) {
          __builtin_memcpy(&lines[v * lanes + half * square + r][long{block} * square],
                           reinterpret_cast<const float*>(&x[r]) + half * square, square * sizeof(float));
        }
      }
    }
  }
  for (long j = 0; j < t.columns; ++j) {
    float* c = t.c + j * t.c_stride;
    const float* line = lines[j];
    if (t.add && t.bias) {
      for (int r = 0; r < rows; ++r) c[r] = c[r] + line[r] + t.bias[r];
    } else if (t.add) {
      for (int r = 0; r < rows; ++r) c[r] = c[r] + line[r];
    } else if (t.bias) {
      for (int r = 0; r < rows; ++r) c[r] = line[r] + t.bias[r];
    } else {
      for (int r = 0; r < rows; ++r) c[r] = line[r];
    }
  }
}

template <int rows, bool by_rows, bool transposed>
static void tile(const Tile& t) {
  // What is written last is fetched first.
  if (transposed) {
    for (long j = 0; j < t.columns; ++j) __builtin_prefetch(t.c + j * t.c_stride, 1);
  } else {
    for (int r = 0; r < rows; ++r) __builtin_prefetch(t.c + r * t.c_stride, 1);
  }
  Sums<rows> sums;
  multiply<rows, by_rows>(t, sums);
  if (transposed) {
    write_columns<rows>(t, sums);
  } else {
    write_rows<rows>(t, sums);
  }
}

using TileFunction = void (*)(const Tile&);

template <bool by_rows, bool transposed>
static constexpr TileFunction tiles[most_sgemm_rows] = {
    tile<1, by_rows, transposed>, tile<2, by_rows, transposed>, tile<3, by_rows, transposed>,
    tile<4, by_rows, transposed>, tile<5, by_rows, transposed>, tile<6, by_rows, transposed>};

static TileFunction tile_function(long rows, const SgemmBlock& b) {
  if (b.transposed) return tiles<true, true>[rows - 1];
  return b.s_layout == SgemmLayout::rows ? tiles<true, false>[rows - 1] : tiles<false, false>[rows - 1];
}

static Tile tile_at(const SgemmBlock& b, long i, long rows, long panel) {
  const long j = panel * width;
  Tile t;
  t.k = b.k;
  t.s = b.s + (b.s_layout == SgemmLayout::rows      ? i * b.s_stride
               : b.s_layout == SgemmLayout::columns ? i
                                                    : i * b.k);
  t.s_stride = b.s_layout == SgemmLayout::packed ? rows : b.s_stride;
  t.v = b.v + panel * b.v_panel;
  t.v_stride = b.v_stride;
  t.c = b.transposed ? b.c + j * b.c_stride + i : b.c + i * b.c_stride + j;
  t.c_stride = b.c_stride;
  t.columns = b.columns - j < width ? b.columns - j : width;
  t.bias = b.bias ? b.bias + (b.transposed ? i : j) : nullptr;
  t.add = b.add;
  return t;
}

// Fetches a share of the rows that come next, so that they are there when their turn comes.
static inline void fetch_next(const SgemmBlock& b, long i, long rows, long panel, long panels) {
  if (i + rows >= b.rows) return;
  if (b.s_layout == SgemmLayout::packed) {
    const float* next = b.s + (i + rows) * b.k;
    const long share = (rows * b.k / panels + 15) / 16 * 16;
    for (long at = panel * share; at < (panel + 1) * share; at += 16) __builtin_prefetch(next + at);
  } else if (b.s_layout == SgemmLayout::rows) {
    const float* next = b.s + (i + rows) * b.s_stride;
    const long share = (b.k / panels + 15) / 16 * 16;
    for (long p = panel * share; p < (panel + 1) * share && p < b.k; p += 16) {
      for (long r = 0; r < rows; ++r) __builtin_prefetch(next + r * b.s_stride + p);
    }
  }
}

static void block(const SgemmBlock& b) {
  const long panels = (b.columns + width - 1) / width;
  for (long i = 0; i < b.rows;) {
    const long rows = sgemm_rows(b.rows - i);
    const TileFunction function = tile_function(rows, b);
    for (long panel = 0; panel < panels; ++panel) {
      fetch_next(b, i, rows, panel, panels);
      function(tile_at(b, i, rows, panel));
    }
    i += rows;
  }
}
