#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstring>
#include <new>

#include <rill/core/blas.hpp>
#include <rill/core/kernels/density.hpp>
#include <rill/core/kernels/scratch.hpp>
#include <rill/core/kernels/sparse_product.hpp>
#include <rill/core/memory.hpp>
#include <rill/core/parallel.hpp>

namespace rill::kernels {
namespace {

constexpr long most_depth = 128;  // rows of the dense operand that are at work at a time; places are bytes
constexpr long most_rows = 256;   // of the result, at work at a time
constexpr int most_vectors = 8;   // sums of a row that are at work at a time, in registers
constexpr int most_lanes = 16;
constexpr long tile_numbers = 8192;  // that the first-level cache holds

// The non-zeros of a number of lists, one list after the other; those of list r are [starts[r], starts[r + 1]).
struct Lists {
  float* values;
  std::uint8_t* places;
  std::int32_t* starts;
};

// What is compiled for each instruction set.
struct Kernels {
  long lanes;
  void (*compress_rows)(const float*, long, long, long, Lists);
  void (*compress_columns)(const float*, long, long, long, Lists);
  bool (*copy)(const float*, long, long, long, float*, long);
  bool (*transpose)(const float*, long, long, long, float*, long);
  void (*add_lists[most_vectors])(const Lists&, long, long, const float*, const float*, float*, long);
};

// For each set of lanes, the order that brings them to the front.
constexpr std::array<std::uint64_t, 256> moves = [] {
  std::array<std::uint64_t, 256> all{};
  for (unsigned mask = 0; mask < 256; ++mask) {
    int found = 0;
    for (std::uint64_t lane = 0; lane < 8; ++lane) {
      if (mask >> lane & 1) all[mask] |= lane << (8 * found++);
    }
  }
  return all;
}();

}  // namespace
}  // namespace rill::kernels

#define RILL_KERNEL sparse_product
#define RILL_KERNEL_WIDE
#define RILL_KERNEL_BODY <rill/core/kernels/sparse_product_body.hpp>
#include <rill/core/kernels/each_isa.hpp>

namespace rill::kernels {
namespace {

// out[r, j] = Σ_p sparse[r, p] dense[p, j] (+ bias[j]). An operand's element [i, j] is at i · stride + j, or at
// j · stride + i if it is turned.
struct Matrix {
  const float* data;
  long stride;
  bool turned;
  const float* at(long i, long j) const { return turned ? data + j * stride + i : data + i * stride + j; }
};
struct Job {
  Matrix sparse, dense;
  float* out;
  long out_stride;
  bool out_turned;
  const float* bias;
  long rows, width, depth;
};

long parts_of(long count, long most) { return (count + most - 1) / most; }

// Of parts of at most `most` of about one size.
long even_part(long count, long most) { return parts_of(count, parts_of(count, most)); }

// How a job is cut: a task is a chunk of rows by a block of columns; it goes through the depth tile by tile.
struct Plan {
  long tile, tiles, chunk, chunks, block, blocks;
  long sums;    // rows whose sums are at work at a time
  int vectors;  // of a block

  Plan(const Job& job, long lanes, long rows) {
    tile = even_part(job.depth, most_depth);
    tiles = parts_of(job.depth, tile);
    chunk = even_part(rows, most_rows);
    if (job.out_turned) chunk = parts_of(chunk, lanes) * lanes;  // which are transposed as whole vectors
    chunks = parts_of(rows, chunk);
    const bool all_vectors = tile * most_vectors * lanes <= tile_numbers;
    const long widest = (all_vectors ? most_vectors : most_vectors / 2) * lanes;
    vectors = static_cast<int>(parts_of(even_part(job.width, widest), lanes));
    block = vectors * lanes;
    blocks = parts_of(job.width, block);
    sums = tiles == 1 ? std::min(chunk, 16L) : chunk;
  }
};

// The product for the rows [begin, begin + rows) of a job.
class Product {
 public:
  Product(const Job& job, const Kernels& run, long begin, long rows)
      : job_(job),
        run_(run),
        begin_(begin),
        rows_(rows),
        plan_(job, run.lanes, rows),
        values_(rows * job.depth),
        places_(rows * job.depth),
        starts_(plan_.tiles * (rows + plan_.chunks)) {}

  /// Fills the lists; how many non-zeros there are.
  long compress() {
    for_each(plan_.tiles * plan_.chunks, 20 * rows_ * job_.depth,
             [&](long unit) { compress(unit / plan_.chunks, unit % plan_.chunks); });
    found_ = 0;
    for (long tile = 0; tile < plan_.tiles; ++tile) {
      for (long chunk = 0; chunk < plan_.chunks; ++chunk) found_ += lists(tile, chunk).starts[rows_of(chunk)];
    }
    return found_;
  }

  /// After compress(): writes the rows of the result, and says whether the dense operand is finite.
  bool multiply() const {
    const long tasks = plan_.chunks * plan_.blocks;
    const Workplaces workplaces(tasks, (plan_.tile + plan_.sums) * plan_.block);
    std::atomic<bool> finite = true;
    for_each(tasks, found_ * job_.width + job_.width * job_.depth, [&](long task) {
      workplaces.with_one([&](float* memory) {
        if (!multiply(task % plan_.chunks, task / plan_.chunks, memory))
          finite.store(false, std::memory_order_relaxed);
      });
    });
    return finite;
  }

 private:
  // In parallel where the work is worth a second thread, which has to fetch what the first one wrote. Work counts in
  // multiplications; compressing a number takes as long as 10 or 20 of them (density.cpp).
  template <class Task>
  static void for_each(long tasks, long work, const Task& task) {
    if (work >= 1'000'000) return parallel_tasks(tasks, task);
    for (long i = 0; i < tasks; ++i) task(i);
  }

  long rows_of(long chunk) const { return std::min(plan_.chunk, rows_ - chunk * plan_.chunk); }
  long depth_of(long tile) const { return std::min(plan_.tile, job_.depth - tile * plan_.tile); }

  Lists lists(long tile, long chunk) const {
    const long at = tile * plan_.tile * rows_ + chunk * plan_.chunk * depth_of(tile);
    return {values_.get() + at, places_.get() + at,
            starts_.get() + tile * (rows_ + plan_.chunks) + chunk * (plan_.chunk + 1)};
  }

  void compress(long tile, long chunk) {
    const float* from = job_.sparse.at(begin_ + chunk * plan_.chunk, tile * plan_.tile);
    const auto compress_lists = job_.sparse.turned ? run_.compress_columns : run_.compress_rows;
    compress_lists(from, job_.sparse.stride, rows_of(chunk), depth_of(tile), lists(tile, chunk));
  }

  bool pack(long tile, long column, long width, float* to) const {
    const float* from = job_.dense.at(tile * plan_.tile, column);
    const long depth = depth_of(tile);
    if (width < plan_.block) std::fill_n(to, depth * plan_.block, 0.0f);
    if (job_.dense.turned) return run_.transpose(from, job_.dense.stride, width, depth, to, plan_.block);
    return run_.copy(from, job_.dense.stride, depth, width, to, plan_.block);
  }

  bool multiply(long chunk, long block, float* memory) const {
    const long column = block * plan_.block, width = std::min(plan_.block, job_.width - column);
    const long rows = rows_of(chunk), first_row = begin_ + chunk * plan_.chunk;
    const auto add_lists = run_.add_lists[plan_.vectors - 1];
    float* packed = memory;
    float start[most_vectors * most_lanes] = {};
    if (job_.bias) std::copy_n(job_.bias + column, width, start);
    // Sums of whole blocks lie in the result; others are brought there in the end.
    const bool in_place = !job_.out_turned && width == plan_.block;
    const long sums_stride = in_place ? job_.out_stride : plan_.block;
    // With one tile it is packed once, and what is to be transposed stays in the nearest cache.
    for (long row = 0; row < rows; row += plan_.sums) {
      const long end = std::min(rows, row + plan_.sums), at = first_row + row;
      float* sums = in_place ? job_.out + at * job_.out_stride + column : memory + plan_.tile * plan_.block;
      for (long tile = 0; tile < plan_.tiles; ++tile) {
        if (row == 0 && !pack(tile, column, width, packed)) return false;
        add_lists(lists(tile, chunk), row, end, packed, tile == 0 ? start : nullptr, sums, sums_stride);
      }
      if (job_.out_turned) {
        float* out = job_.out + column * job_.out_stride + at;
        run_.transpose(sums, plan_.block, end - row, width, out, job_.out_stride);
      } else if (!in_place) {
        run_.copy(sums, plan_.block, end - row, width, job_.out + at * job_.out_stride + column,
                  job_.out_stride);
      }
    }
    return true;
  }

  const Job& job_;
  const Kernels& run_;
  long begin_, rows_;
  Plan plan_;
  long found_ = 0;
  Scratch<float> values_;
  Scratch<std::uint8_t> places_;
  Scratch<std::int32_t> starts_;
};

// False where the dense product is the better one, or the only right one.
bool run(const Job& job, Isa use) {
  static constexpr Kernels plain = sparse_product::plain::functions(),
                           avx2 = sparse_product::avx2::functions(),
                           avx512 = sparse_product::avx512::functions();
  // Lists shorter than a vector are turned number by number.
  const bool wide = use == Isa::avx512 && job.depth >= avx512.lanes;
  const Kernels& kernels = wide ? avx512 : takes_avx2(use) ? avx2 : plain;
  const double limit = density_limit({job.rows, job.width, job.depth, job.sparse.turned});
  const Matrix& x = job.sparse;
  if (limit <= 0 || !may_be_sparse(x.data, x.turned ? job.depth : job.rows, x.stride, limit)) return false;
  // So many rows at a time that the lists take some 20 MB at most.
  constexpr long most_numbers = 4'000'000;
  const long at_once = std::max(most_numbers / job.depth / most_rows, 1L) * most_rows;
  for (long begin = 0; begin < job.rows; begin += at_once) {
    const long rows = std::min(at_once, job.rows - begin);
    Product product(job, kernels, begin, rows);
    const auto found = static_cast<double>(product.compress());
    // The first rows stand for all: what is begun is finished. Here much of the work is done, so there is some room.
    if (begin == 0 && found > (limit + 0.05) * static_cast<double>(rows * job.depth)) return false;
    if (!product.multiply()) return false;
  }
  return true;
}

}  // namespace

bool may_multiply_sparse(const blas::Problem& p) {
  return density_limit({p.m, p.n, p.k, p.transpose_a}) > 0 ||
         density_limit({p.n, p.m, p.k, !p.transpose_b}) > 0;
}

bool multiply_sparse(const blas::Problem& p, const float* a, const float* b, float* c, const float* bias,
                     bool accumulate, Isa use) {
  if (accumulate) return false;
  const Matrix left{a, p.transpose_a ? p.m : p.k, p.transpose_a};
  const Matrix right{b, p.transpose_b ? p.k : p.n, p.transpose_b};
  if (run({left, right, c, p.n, false, bias, p.m, p.n, p.k}, use)) return true;
  // The other way round it is cᵀ = op(b)ᵀ op(a)ᵀ.
  const Matrix right_lists{b, right.stride, !p.transpose_b}, left_dense{a, left.stride, !p.transpose_a};
  return !bias && run({right_lists, left_dense, c, p.n, true, nullptr, p.n, p.m, p.k}, use);
}

}  // namespace rill::kernels
