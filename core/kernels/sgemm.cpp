#include <algorithm>

#include <rill/core/kernels/scratch.hpp>
#include <rill/core/kernels/sgemm.hpp>
#include <rill/core/kernels/sgemm_line.hpp>
#include <rill/core/kernels/sgemm_pack.hpp>
#include <rill/core/kernels/sgemm_tile.hpp>
#include <rill/core/parallel.hpp>

namespace rill::kernels {
namespace {

long round_up(long value, long multiple) { return (value + multiple - 1) / multiple * multiple; }

// A product as S [rows, k] times V [k, columns], the operands of sgemm_block(), and how it is cut.
struct Blocked {
  SgemmTile tile;
  long rows, columns, k;
  const float *s, *v;
  long s_stride, v_stride;
  bool s_by_rows;     // element (row, p) is s[row * s_stride + p], else s[p * s_stride + row]
  bool v_transposed;  // element (p, j) is v[j * v_stride + p], else v[p * v_stride + j]
  bool swapped;       // S is op(b) transposed, and c holds columns x rows
  float* c;
  long c_stride;
  const float* bias;
  bool accumulate;

  bool pack_s,
      pack_v;  // swapped, V is packed once for all tasks; otherwise S is, and V for each strip of columns
  long k_block;
  long row_strip, column_strip;
  const float *packed_s = nullptr, *packed_v = nullptr;
};

Blocked operands_of(const Sgemm& p, Isa isa) {
  // x W^T with few rows in x: all of W would have to be transposed for a few products each, so x is.
  constexpr long few_rows = 40;
  Blocked b{};
  b.k = p.k;
  b.swapped = !p.transpose_a && p.transpose_b && p.m <= few_rows && p.m < p.n;
  b.rows = b.swapped ? p.n : p.m;
  b.columns = b.swapped ? p.m : p.n;
  b.tile = sgemm_tile_for(b.columns, b.swapped, isa);
  b.s = b.swapped ? p.b : p.a;
  b.v = b.swapped ? p.a : p.b;
  b.s_by_rows = b.swapped || !p.transpose_a;
  b.v_transposed = b.swapped || p.transpose_b;
  b.s_stride = b.s_by_rows ? p.k : b.rows;
  b.v_stride = b.v_transposed ? p.k : b.columns;
  b.c = p.c;
  b.c_stride = p.n;
  b.bias = p.bias;
  b.accumulate = p.accumulate;
  return b;
}

// Measured. A block of V, 256 columns of a block of k, fits a second-level cache of 512 KB. Packing pays when what is
// packed is read often enough, or when lines of the matrix are so far apart that they evict each other.
void plan(Blocked& b) {
  constexpr long longest_k = 272, small_k = 64, least_columns = 128;
  const long blocks = (b.k + longest_k - 1) / longest_k;
  b.k_block = (b.k + blocks - 1) / blocks;
  // Twelve rows where they lie stay in the nearest cache for a few panels, unless many fall on the same sets of it.
  const bool few_times = b.tile.rows > 6 && b.columns <= 4 * b.tile.columns && b.s_stride % 512 != 0;
  const bool s_is_near = b.s_by_rows ? b.k <= 128 || few_times : b.k <= small_k && b.rows <= 256;
  b.pack_s = !b.swapped && b.columns > 64 && !s_is_near;
  const bool v_is_near = b.rows <= 24 || b.k <= 16 || (b.k <= small_k && b.columns <= 128);
  b.pack_v = b.v_transposed || !v_is_near;
  // Strips are tasks: few, and none where a thread is not worth its start.
  const double work = static_cast<double>(b.rows) * static_cast<double>(b.columns) *
                      static_cast<double>(b.k);  // multiply-adds
  const long strips = work < 3e6 ? 1 : work < 12e6 ? 2 : work < 48e6 ? 4 : work < 4e8 ? 8 : 16;
  b.row_strip = b.rows;
  b.column_strip = b.columns;
  if (b.swapped) {
    b.row_strip = std::min(b.rows, round_up((b.rows + strips - 1) / strips, b.tile.rows));
  } else {
    const long least = strips > 2 ? std::min(least_columns, (b.columns + 1) / 2) : b.tile.columns;
    b.column_strip =
        std::min(b.columns, round_up(std::max(least, (b.columns + strips - 1) / strips), b.tile.columns));
  }
}

// Calls each(begin, length) for pieces of [0, count) of at most `most`.
template <class Each>
void for_pieces(long count, long most, const Each& each) {
  for (long begin = 0; begin < count; begin += most) each(begin, std::min(most, count - begin));
}

void pack_s_of(const Blocked& b, long i, long rows, long p, long k, float* to) {
  const float* from = b.s + (b.s_by_rows ? i * b.s_stride + p : p * b.s_stride + i);
  pack_rows(from, b.s_stride, b.s_by_rows, rows, k, to, b.tile);
}

void pack_v_of(const Blocked& b, long j, long columns, long p, long k, float* to) {
  const float* from = b.v + (b.v_transposed ? j * b.v_stride + p : p * b.v_stride + j);
  pack_columns(from, b.v_stride, b.v_transposed, columns, k, to, b.tile);
}

// A part of the result, for one block of k.
struct Part {
  long i, rows, j, columns, p, k;
};

// All of the part but V.
SgemmBlock block_of(const Blocked& b, const Part& at) {
  SgemmBlock block{};
  block.rows = at.rows;
  block.columns = at.columns;
  block.k = at.k;
  if (b.pack_s) {
    block.s = b.packed_s + at.p * b.rows + at.i * at.k;
    block.s_layout = SgemmLayout::packed;
  } else {
    block.s = b.s + (b.s_by_rows ? at.i * b.s_stride + at.p : at.p * b.s_stride + at.i);
    block.s_layout = b.s_by_rows ? SgemmLayout::rows : SgemmLayout::columns;
    block.s_stride = b.s_stride;
  }
  block.v_stride = b.tile.columns;
  block.v_panel = b.tile.columns * at.k;
  block.c = b.c + (b.swapped ? at.j * b.c_stride + at.i : at.i * b.c_stride + at.j);
  block.c_stride = b.c_stride;
  block.transposed = b.swapped;
  block.add = b.accumulate || at.p > 0;
  block.bias = b.bias && at.p + at.k == b.k ? b.bias + (b.swapped ? at.i : at.j) : nullptr;
  return block;
}

// Columns are packed into `scratch`, or read where they are as far as panels are whole.
void compute(const Blocked& b, const Part& at, float* scratch) {
  SgemmBlock block = block_of(b, at);
  if (b.swapped) {
    block.v = b.packed_v + at.p * round_up(b.columns, b.tile.columns) + at.j * at.k;
    return sgemm_block(block, b.tile);
  }
  const long direct = b.pack_v ? 0 : at.columns / b.tile.columns * b.tile.columns;
  if (direct > 0) {
    SgemmBlock whole = block;
    whole.columns = direct;
    whole.v = b.v + at.p * b.v_stride + at.j;
    whole.v_stride = b.v_stride;
    whole.v_panel = b.tile.columns;
    sgemm_block(whole, b.tile);
  }
  if (direct == at.columns) return;
  pack_v_of(b, at.j + direct, at.columns - direct, at.p, at.k, scratch);
  block.columns = at.columns - direct;
  block.v = scratch;
  block.c += direct;
  if (block.bias) block.bias += direct;
  sgemm_block(block, b.tile);
}

constexpr long most_columns = 256;  // of a strip that are packed at a time

// How many numbers compute_strip() packs at a time.
long packed_at_once(const Blocked& b) {
  if (b.swapped) return 0;
  return b.k_block *
         (b.pack_v ? std::min(round_up(b.column_strip, b.tile.columns), most_columns) : b.tile.columns);
}

void compute_strip(const Blocked& b, long i, long rows, long j, long columns, float* scratch) {
  for_pieces(b.k, b.k_block, [&](long p, long k) {
    for_pieces(columns, most_columns, [&](long first, long count) {
      compute(b, {i, rows, j + first, count, p, k}, scratch);
    });
  });
}

// What all tasks share: panels of S, or of V where the product is swapped. Large ones are packed by all threads.
void pack_shared(const Blocked& b, float* s, float* v) {
  constexpr long worth_a_thread = 1 << 17;
  const long rows_of_task = round_up(96, b.tile.rows);  // whole panels
  const long tasks = s && b.rows * b.k >= worth_a_thread ? std::max(b.rows / rows_of_task, 1L) : 1;
  parallel_tasks(tasks, [&](std::int64_t task) {
    const long i = task * rows_of_task, rows = task + 1 < tasks ? rows_of_task : b.rows - i;
    for_pieces(b.k, b.k_block, [&](long p, long k) {
      if (s) pack_s_of(b, i, rows, p, k, s + p * b.rows + i * k);
      if (v) pack_v_of(b, 0, b.columns, p, k, v + p * round_up(b.columns, b.tile.columns));
    });
  });
}

void multiply_blocked(Blocked b) {
  plan(b);
  const Scratch<float> s(b.pack_s ? b.rows * b.k : 0),
      v(b.swapped ? round_up(b.columns, b.tile.columns) * b.k : 0);
  if (s.get() || v.get()) pack_shared(b, s.get(), v.get());
  b.packed_s = s.get();
  b.packed_v = v.get();
  const long down = (b.rows + b.row_strip - 1) / b.row_strip,
             across = (b.columns + b.column_strip - 1) / b.column_strip;
  const Workplaces workplaces(down * across, packed_at_once(b));
  parallel_tasks(down * across, [&](std::int64_t task) {
    const long i = task / across * b.row_strip, j = task % across * b.column_strip;
    workplaces.with_one([&](float* scratch) {
      compute_strip(b, i, std::min(b.row_strip, b.rows - i), j, std::min(b.column_strip, b.columns - j),
                    scratch);
    });
  });
}

// Products that read or write a matrix once: each thread takes whole lines of it. What fits the second-level cache of one
// core stays with one thread, as the optimizer's loops do: else the threads fetch from each other what they have written.
template <class Lines>
void for_lines(long lines, long length, long unit, const Lines& compute) {
  constexpr long worth_a_thread = 1 << 17;  // numbers of the matrix
  parallel_ranges(lines, round_up((worth_a_thread + length - 1) / length, unit), unit, compute);
}

void multiply_dots(const SgemmDots& all, Isa isa) {
  constexpr long unit = 8;  // lines that a kernel takes at a time
  for_lines(all.rows, all.k, unit, [&](std::int64_t begin, std::int64_t end) {
    SgemmDots part = all;
    part.rows = end - begin;
    part.x += begin * all.k;
    part.c += begin * all.row_step;
    if (part.bias) part.bias += begin * all.bias_row;
    sgemm_dots(part, isa);
  });
}

void multiply_row(const SgemmRow& all, Isa isa) {
  constexpr long unit = 64;  // columns that a kernel takes at a time
  for_lines(all.columns, all.k, unit, [&](std::int64_t begin, std::int64_t end) {
    SgemmRow part = all;
    part.columns = end - begin;
    part.b += begin;
    part.c += begin;
    if (part.bias) part.bias += begin;
    sgemm_row(part, isa);
  });
}

void multiply_outer(const SgemmOuter& all, Isa isa) {
  for_lines(all.rows, all.columns, 1, [&](std::int64_t begin, std::int64_t end) {
    SgemmOuter part = all;
    part.rows = end - begin;
    part.a += begin;
    part.c += begin * all.columns;
    sgemm_outer(part, isa);
  });
}

}  // namespace

void sgemm(const Sgemm& p, Isa isa) {
  constexpr long few = 4;
  if (p.k == 1) return multiply_outer({p.m, p.n, p.a, p.b, p.c, p.bias, p.accumulate}, isa);
  const bool along_k = (!p.transpose_a || p.m == 1) && (p.transpose_b || p.n == 1);
  if (along_k && p.n == 1) {
    return multiply_dots({p.m, 1, p.k, p.a, p.b, p.c, 1, 1, p.bias, 0, 0, p.accumulate}, isa);
  }
  if (along_k && p.m <= few) {
    return multiply_dots({p.n, p.m, p.k, p.b, p.a, p.c, 1, p.n, p.bias, 1, 0, p.accumulate}, isa);
  }
  if (p.m == 1) return multiply_row({p.n, p.k, p.a, p.b, p.n, p.c, p.bias, p.accumulate}, isa);
  multiply_blocked(operands_of(p, isa));
}

}  // namespace rill::kernels
