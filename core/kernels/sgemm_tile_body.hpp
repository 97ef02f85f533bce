// What one tile needs of an SgemmBlock; `columns` of the tile's are written.
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

template <int rows, int vectors>
using Sums = Floats[rows][vectors];

template <int rows, int vectors, bool by_rows>
static inline __attribute__((always_inline)) void multiply(const Tile& t, Sums<rows, vectors>& sums) {
  // Three rows share a pointer, as there are not registers for twelve.
  constexpr int sharing = rows > 6 ? 3 : 1, pointers = (rows + sharing - 1) / sharing;
  const long k = t.k, s_stride = t.s_stride, v_stride = t.v_stride;
  const float *row[pointers], *v = t.v;
#pragma GCC unroll 8
  for (int i = 0; i < pointers; ++i) row[i] = by_rows ? t.s + i * sharing * s_stride : t.s;
#pragma GCC unroll 16
  for (int r = 0; r < rows; ++r) {
#pragma GCC unroll 2
    for (int i = 0; i < vectors; ++i) sums[r][i] = Floats{};
  }
  for (long p = 0; p < k; ++p) {
    Floats column[vectors];
#pragma GCC unroll 2
    for (int i = 0; i < vectors; ++i) column[i] = load(v + i * lanes);
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r) {
      const Floats each = all(by_rows ? row[r / sharing][r % sharing * s_stride] : row[0][r]);
#pragma GCC unroll 2
      for (int i = 0; i < vectors; ++i) sums[r][i] = fused(each, column[i], sums[r][i]);
    }
    v += v_stride;
#pragma GCC unroll 8
    for (int i = 0; i < pointers; ++i) row[i] += by_rows ? 1 : s_stride;
  }
}

// Columns that are not all of a tile's: `lines` has the sums, `width` to a row.
static __attribute__((noinline)) void write_part(const Tile& t, const float* lines, int rows, int width) {
  for (int r = 0; r < rows; ++r) {
    const float* line = lines + r * width;
    float* c = t.c + r * t.c_stride;
    for (long j = 0; j < t.columns; ++j) {
      float value = t.add ? c[j] + line[j] : line[j];
      if (t.bias) value += t.bias[j];  // else -0 stays -0
      c[j] = value;
    }
  }
}

template <int rows, int vectors>
static inline __attribute__((always_inline)) void write_rows(const Tile& t, Sums<rows, vectors>& sums) {
  constexpr int width = vectors * lanes;
  if (t.columns < width) {
    float lines[rows * width];
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r) {
#pragma GCC unroll 2
      for (int i = 0; i < vectors; ++i) store(lines + r * width + i * lanes, sums[r][i]);
    }
    return write_part(t, lines, rows, width);
  }
  float* const c = t.c;
  const long stride = t.c_stride;
  const float* const bias = t.bias;
  if (t.add) {
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r) {
#pragma GCC unroll 2
      for (int i = 0; i < vectors; ++i) sums[r][i] = load(c + r * stride + i * lanes) + sums[r][i];
    }
  }
  if (bias) {
#pragma GCC unroll 2
    for (int i = 0; i < vectors; ++i) {
      const Floats each = load(bias + i * lanes);
#pragma GCC unroll 16
      for (int r = 0; r < rows; ++r) sums[r][i] = sums[r][i] + each;
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < rows; ++r) {
#pragma GCC unroll 2
    for (int i = 0; i < vectors; ++i) store(c + r * stride + i * lanes, sums[r][i]);
  }
}

template <int rows, int vectors>
static inline __attribute__((always_inline)) void write_columns(const Tile& t, Sums<rows, vectors>& sums) {
  static_assert(rows <= 8);
  float lines[vectors * lanes][8];
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

template <int rows, int vectors, bool by_rows, bool transposed>
static void tile(const Tile& t) {
  // What is written last is fetched first.
  if (transposed) {
    for (long j = 0; j < t.columns; ++j) __builtin_prefetch(t.c + j * t.c_stride, 1);
  } else {
    for (int r = 0; r < rows; ++r) __builtin_prefetch(t.c + r * t.c_stride, 1);
  }
  Sums<rows, vectors> sums;
  multiply<rows, vectors, by_rows>(t, sums);
  if constexpr (transposed) {
    write_columns<rows, vectors>(t, sums);
  } else {
    write_rows<rows, vectors>(t, sums);
  }
}

using TileFunction = void (*)(const Tile&);

// Of each number of rows from 1 on.
template <int vectors, bool by_rows, bool transposed, int... rows>
static TileFunction tile_of(long wanted, std::integer_sequence<int, rows...>) {
  static constexpr TileFunction tiles[] = {tile<rows + 1, vectors, by_rows, transposed>...};
  return tiles[wanted - 1];
}

// The shapes that sgemm_tile_for() gives for many columns, and for few.
constexpr Isa own = lanes == 16 ? Isa::avx512 : lanes == 8 ? Isa::avx2 : Isa::plain;
constexpr SgemmTile wide = sgemm_tile_for(64, false, own), narrow = sgemm_tile_for(1, false, own);
constexpr int wide_vectors = wide.columns / lanes, narrow_vectors = narrow.columns / lanes;
using Rows = std::make_integer_sequence<int, wide.rows>;
using RowsOfTransposed = std::make_integer_sequence<int, sgemm_tile_for(64, true, own).rows>;

template <int vectors>
static TileFunction straight_tile(long rows, SgemmLayout layout) {
  return layout == SgemmLayout::rows ? tile_of<vectors, true, false>(rows, Rows())
                                     : tile_of<vectors, false, false>(rows, Rows());
}

static TileFunction tile_function(long rows, const SgemmBlock& b, const SgemmTile& most) {
  if (b.transposed) return tile_of<wide_vectors, true, true>(rows, RowsOfTransposed());
  if (most.columns == wide.columns) return straight_tile<wide_vectors>(rows, b.s_layout);
  return straight_tile<narrow_vectors>(rows, b.s_layout);
}

static Tile tile_at(const SgemmBlock& b, long i, long rows, long panel, long width) {
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

static void block(const SgemmBlock& b, const SgemmTile& most) {
  const long panels = (b.columns + most.columns - 1) / most.columns;
  for (long i = 0; i < b.rows;) {
    const long rows = sgemm_rows(b.rows - i, most.rows);
    const TileFunction function = tile_function(rows, b, most);
    for (long panel = 0; panel < panels; ++panel) {
      fetch_next(b, i, rows, panel, panels);
      function(tile_at(b, i, rows, panel, most.columns));
    }
    i += rows;
  }
}
