#include <algorithm>
#include <array>
#include <cblas.h>
#include <climits>
#include <mutex>
#include <omp.h>
#include <type_traits>
#include <vector>

#include <rill/core/blas.hpp>
#include <rill/core/error.hpp>
#include <rill/core/isa.hpp>
#include <rill/core/kernels/sgemm.hpp>
#include <rill/core/kernels/sparse_product.hpp>
#include <rill/core/memory.hpp>
#include <rill/core/parallel.hpp>

namespace rill::blas {
namespace {

// Keeps OpenBLAS on one thread while it lives. The OpenMP build takes its count from the calling thread's own
// OpenMP setting; the pthread build has one process-wide count, so the first guard in and the last one out
// change it. The build without threads may not be entered by two threads at all.
class SerialBlas {
 public:
  SerialBlas() {
    if (parallel_ == openmp_build) {
      saved_ = omp_get_max_threads();
      if (saved_ != 1) omp_set_num_threads(1);
    } else if (parallel_ == pthread_build) {
      const std::lock_guard lock(mutex_);
      if (users_++ == 0) {
        process_saved_ = openblas_get_num_threads();
        if (process_saved_ != 1) openblas_set_num_threads(1);
      }
    } else {
      mutex_.lock();
    }
  }
  ~SerialBlas() {
    if (parallel_ == openmp_build) {
      if (saved_ != 1) omp_set_num_threads(saved_);
    } else if (parallel_ == pthread_build) {
      const std::lock_guard lock(mutex_);
      // A count other than 1 was set by the host meanwhile, and stays.
      if (--users_ == 0 && process_saved_ != 1 && openblas_get_num_threads() == 1) {
        openblas_set_num_threads(process_saved_);
      }
    } else {
      mutex_.unlock();
    }
  }

  /// Whether several threads may call OpenBLAS under this guard.
  static bool reentrant() { return parallel_ == openmp_build || parallel_ == pthread_build; }
  SerialBlas(const SerialBlas&) = delete;
  SerialBlas& operator=(const SerialBlas&) = delete;

 private:
  static constexpr int pthread_build = 1, openmp_build = 2;
  static inline const int parallel_ = openblas_get_parallel();  // NOLINT(cert-err58-cpp): C throws nothing
  static inline std::mutex mutex_;
  static inline int users_ = 0;
  static inline int process_saved_ = 1;
  int saved_ = 1;
};

void multiply(CBLAS_TRANSPOSE ta, CBLAS_TRANSPOSE tb, int m, int n, int k, const float* a, int lda,
              const float* b, int ldb, float beta, float* c, int ldc) {
  cblas_sgemm(CblasRowMajor, ta, tb, m, n, k, 1.0f, a, lda, b, ldb, beta, c, ldc);
}

void multiply(CBLAS_TRANSPOSE ta, CBLAS_TRANSPOSE tb, int m, int n, int k, const double* a, int lda,
              const double* b, int ldb, double beta, double* c, int ldc) {
  cblas_dgemm(CblasRowMajor, ta, tb, m, n, k, 1.0, a, lda, b, ldb, beta, c, ldc);
}

std::int64_t round_up(std::int64_t value, std::int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

}  // namespace

void check_sizes(std::string_view where, std::int64_t m, std::int64_t n, std::int64_t k) {
  RILL_CHECK(std::max({m, n, k}) <= INT_MAX, where, ": sizes ", m, ", ", n, ", ", k, ", expected at most ",
             INT_MAX);
}

// Strips, each of which packs its own copy of the operand that all of them read. Measured: two strips cost one thread
// 0-7 %, four 4-8 %, eight 8-15 %, and 2-D tiles more; so there are few, and only where a strip is worth the start of a
// thread.
Grid grid_for(std::int64_t m, std::int64_t n, std::int64_t k) {
  constexpr double work_for_2 = 12e6, work_for_4 = 100e6, work_for_8 = 1e9;  // multiply-adds
  constexpr std::int64_t unit = 32;
  const double work = static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
  const std::int64_t strips = work >= work_for_8 ? 8 : work >= work_for_4 ? 4 : work >= work_for_2 ? 2 : 1;
  Grid grid{1, 1, m, n};
  if (strips == 1) return grid;
  if (n > 2 * m && k > m) {  // a wide c and a long k: packing decides, so strips of columns
    grid.tile_columns = round_up((n + strips - 1) / strips, unit);
    grid.columns = (n + grid.tile_columns - 1) / grid.tile_columns;
  } else {  // otherwise writing c decides, so whole rows
    grid.tile_rows = round_up((m + strips - 1) / strips, unit);
    grid.rows = (m + grid.tile_rows - 1) / grid.tile_rows;
  }
  return grid;
}

namespace {

// One tile of one product.
template <class T>
void compute_tile(const Problem& p, const Grid& grid, std::int64_t tile, const Operands<T>& at, const T* bias,
                  bool accumulate) {
  const std::int64_t i = tile / grid.columns * grid.tile_rows, j = tile % grid.columns * grid.tile_columns;
  const std::int64_t rows = std::min(grid.tile_rows, p.m - i), columns = std::min(grid.tile_columns, p.n - j);
  T* corner = at.c + i * p.n + j;
  if (p.k > 0) {
    multiply(p.transpose_a ? CblasTrans : CblasNoTrans, p.transpose_b ? CblasTrans : CblasNoTrans,
             static_cast<int>(rows), static_cast<int>(columns), static_cast<int>(p.k),
             at.a + (p.transpose_a ? i : i * p.k), static_cast<int>(p.transpose_a ? p.m : p.k),
             at.b + (p.transpose_b ? j * p.k : j), static_cast<int>(p.transpose_b ? p.k : p.n),
             accumulate ? T(1) : T(0), corner, static_cast<int>(p.n));
  } else if (!accumulate) {
    for (std::int64_t r = 0; r < rows; ++r) std::fill_n(corner + r * p.n, columns, T(0));
  }
  if (!bias) return;
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t s = 0; s < columns; ++s) corner[r * p.n + s] += bias[j + s];
  }
}

// Calls compute(i) for i in [0, count), in parallel if OpenBLAS may be entered by several threads.
template <class Compute>
void for_each_task(std::int64_t count, const Compute& compute) {
  const SerialBlas serial;
  if (SerialBlas::reentrant()) return parallel_tasks(count, compute);
  for (std::int64_t i = 0; i < count; ++i) compute(i);
}

// Every element is one sum over its terms: nothing is skipped, split or reordered. Some stand side by side, as one alone
// would wait for each of its additions.
template <class T>
void multiply_naively(const Problem& p, const Operands<T>& at, const T* bias, bool accumulate) {
  constexpr std::int64_t together = 8;
  constexpr double work_of_thread = 1e5;  // multiply-adds
  const double work_of_row = static_cast<double>(p.n) * static_cast<double>(std::max<std::int64_t>(p.k, 1));
  const auto elements = [&](std::int64_t i, std::int64_t j, std::int64_t count) {
    std::array<double, together> sums{};
    for (std::int64_t q = 0; q < p.k; ++q) {
      const double a = at.a[p.transpose_a ? q * p.m + i : i * p.k + q];
      for (std::int64_t s = 0; s < count; ++s)
        sums[static_cast<std::size_t>(s)] +=
            a * double{at.b[p.transpose_b ? (j + s) * p.k + q : q * p.n + j + s]};
    }
    for (std::int64_t s = 0; s < count; ++s) {
      T& c = at.c[i * p.n + j + s];
      const T sum = static_cast<T>(sums[static_cast<std::size_t>(s)]);
      c = accumulate ? c + sum : sum;
      if (bias) c += bias[j + s];
    }
  };
  const auto rows = [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      for (std::int64_t j = 0; j < p.n; j += together) elements(i, j, std::min(together, p.n - j));
    }
  };
  parallel_for(p.m, rows, 1 + static_cast<std::int64_t>(work_of_thread / work_of_row));
}

// Whether rill's own kernels compute single-precision products. OpenBLAS has none for AVX2 that are faster; of those for AVX-512
// only some for small matrices are (32 x 10 x 128 in half the time), and they would give other bits than AVX2.
bool own_sgemm() { return takes_avx2(isa()); }

// Calls compute(first, last) for groups of products, so that a task is worth a thread.
template <class Tasks, class Compute>
void for_each_group(std::int64_t count, double work_of_one, const Tasks& tasks, const Compute& compute) {
  constexpr double work_of_task = 1e6;  // multiply-adds
  const auto at_once = static_cast<std::int64_t>(
      std::clamp(work_of_task / std::max(work_of_one, 1.0), 1.0, static_cast<double>(count)));
  tasks((count + at_once - 1) / at_once,
        [&](std::int64_t task) { compute(task * at_once, std::min(count, (task + 1) * at_once)); });
}

void multiply_stack(const Problem& p, double work, std::span<const Operands<float>> products) {
  constexpr double worth_all_threads = 12e6;  // multiply-adds of one product
  const auto compute = [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) {
      const Operands<float>& at = products[static_cast<std::size_t>(i)];
      kernels::sgemm({p.transpose_a, p.transpose_b, p.m, p.n, p.k, at.a, at.b, at.c}, isa());
    }
  };
  if (work >= worth_all_threads) return compute(0, std::ssize(products));
  for_each_group(
      std::ssize(products), work, [](std::int64_t count, const auto& task) { parallel_tasks(count, task); },
      compute);
}

}  // namespace

template <class T>
void gemm(bool transpose_a, bool transpose_b, std::int64_t m, std::int64_t n, std::int64_t k, const T* a,
          const T* b, T* c, const T* bias, bool accumulate) {
  check_sizes("gemm", m, n, k);
  if (m == 0 || n == 0) return;
  const Problem problem{transpose_a, transpose_b, m, n, k};
  if (isa() == Isa::naive) return multiply_naively<T>(problem, {a, b, c}, bias, accumulate);
  if constexpr (std::is_same_v<T, float>) {
    if (kernels::multiply_sparse(problem, a, b, c, bias, accumulate)) return;
    if (k > 0 && own_sgemm()) {
      return kernels::sgemm({transpose_a, transpose_b, m, n, k, a, b, c, bias, accumulate}, isa());
    }
  }
  const Grid grid = grid_for(m, n, k);
  for_each_task(grid.rows * grid.columns, [&](std::int64_t tile) {
    compute_tile(problem, grid, tile, Operands<T>{a, b, c}, bias, accumulate);
  });
}

template <class T>
void gemm_stack(const Problem& problem, std::span<const Operands<T>> products) {
  const std::int64_t m = problem.m, n = problem.n, k = problem.k;
  check_sizes("gemm", m, n, k);
  if (m == 0 || n == 0 || products.empty()) return;
  if (isa() == Isa::naive) {
    for (const Operands<T>& each : products) multiply_naively<T>(problem, each, nullptr, false);
    return;
  }
  std::vector<Operands<T>, memory::Allocator<Operands<T>>> dense;
  if constexpr (std::is_same_v<T, float>) {
    if (kernels::may_multiply_sparse(problem)) {
      dense.reserve(products.size());
      for (const Operands<T>& each : products) {
        if (!kernels::multiply_sparse(problem, each.a, each.b, each.c, nullptr, false)) dense.push_back(each);
      }
      products = dense;
      if (products.empty()) return;
    }
  }
  const double work = static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
  if constexpr (std::is_same_v<T, float>) {
    if (k > 0 && own_sgemm()) return multiply_stack(problem, work, products);
  }
  const Grid grid = grid_for(m, n, k);
  const std::int64_t tiles = grid.rows * grid.columns;
  for_each_group(
      std::ssize(products) * tiles, work / static_cast<double>(tiles),
      [](std::int64_t count, const auto& task) { for_each_task(count, task); },
      [&](std::int64_t first, std::int64_t last) {
        for (std::int64_t i = first; i < last; ++i)
          compute_tile<T>(problem, grid, i % tiles, products[static_cast<std::size_t>(i / tiles)], nullptr,
                          false);
      });
}

template void gemm<float>(bool, bool, std::int64_t, std::int64_t, std::int64_t, const float*, const float*,
                          float*, const float*, bool);
template void gemm<double>(bool, bool, std::int64_t, std::int64_t, std::int64_t, const double*, const double*,
                           double*, const double*, bool);
template void gemm_stack<float>(const Problem&, std::span<const Operands<float>>);
template void gemm_stack<double>(const Problem&, std::span<const Operands<double>>);

const char* description() { return openblas_get_config(); }

std::string advice() {
#if defined(__x86_64__)
  constexpr std::array<std::string_view, 15> without_avx2{
      "Prescott", "Core2",        "Penryn",    "Dunnington", "Nehalem",   "Sandybridge", "Atom",       "Nano",
      "Opteron",  "Opteron_SSE3", "Barcelona", "Bobcat",     "Bulldozer", "Piledriver",  "Steamroller"};
  const std::string_view core = openblas_get_corename();
  const bool chosen_as_it_starts =
      std::string_view(description()).find("DYNAMIC_ARCH") != std::string_view::npos;
  if (!chosen_as_it_starts || !__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return "";
  if (std::ranges::find(without_avx2, core) == without_avx2.end()) return "";
  const bool wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                    __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  return detail::concat("OpenBLAS runs its kernels for ", core,
                        ", an older processor; with OPENBLAS_CORETYPE=", wide ? "SkylakeX" : "Haswell",
                        " in the environment it is faster here");
#else
  return "";
#endif
}

}  // namespace rill::blas
