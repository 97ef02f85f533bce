// core/blas: products against a naive oracle, the grid, and what a product leaves alone.

#include <cblas.h>
#include <dlfcn.h>
#include <omp.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <limits>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <rill/core/blas.hpp>
#include <rill/core/error.hpp>
#include <rill/core/isa.hpp>
#include <rill/core/parallel.hpp>
#include <rill/core/random.hpp>

#include "skip.hpp"
#include "subprocess.hpp"
#include "thread_count.hpp"

namespace {

using namespace rill;
using rill::test::ThreadCount;

struct Sizes {
  std::int64_t m, n, k;
};

template <class T>
std::vector<T> random_values(std::int64_t count, std::uint32_t index) {
  Stream stream(42, Purpose::user, 0, index);
  std::vector<T> all(static_cast<std::size_t>(count));
  for (T& value : all) value = static_cast<T>(stream.uniform(-1, 1));
  return all;
}

// The largest |c - oracle| in units of what rounding may do: eps · (k + 2) · Σ|a b|.
template <class T>
double worst_error(Sizes size, bool transpose_a, bool transpose_b, bool with_bias, bool accumulate) {
  const auto [m, n, k] = size;
  const auto a = random_values<T>(m * k, 1), b = random_values<T>(k * n, 2), bias = random_values<T>(n, 3);
  const auto start = random_values<T>(m * n, 4);
  std::vector<T> c = start;
  if (!accumulate) std::ranges::fill(c, std::numeric_limits<T>::quiet_NaN());
  blas::gemm<T>(transpose_a, transpose_b, m, n, k, a.data(), b.data(), c.data(),
                with_bias ? bias.data() : nullptr, accumulate);
  double worst = 0;
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t j = 0; j < n; ++j) {
      const auto at = static_cast<std::size_t>(i * n + j);
      long double sum = 0, magnitude = 0;
      const auto add = [&](long double term) {
        sum += term;
        magnitude += std::abs(term);
      };
      for (std::int64_t p = 0; p < k; ++p) {
        add(static_cast<long double>(a[static_cast<std::size_t>(transpose_a ? p * m + i : i * k + p)]) *
            static_cast<long double>(b[static_cast<std::size_t>(transpose_b ? j * k + p : p * n + j)]));
      }
      if (with_bias) add(bias[static_cast<std::size_t>(j)]);
      if (accumulate) add(start[at]);
      const long double allowed =
          std::numeric_limits<T>::epsilon() * static_cast<long double>(k + 2) * magnitude;
      const long double error = std::abs(static_cast<long double>(c[at]) - sum);
      // Written so that NaN counts as the worst.
      if (!(error <= allowed)) return 2;
      if (allowed > 0) worst = std::max(worst, static_cast<double>(error / allowed));
    }
  }
  return worst;
}

void check_all_forms(Sizes size) {
  for (int form = 0; form < 16; ++form) {
    const bool ta = form & 1, tb = form & 2, bias = form & 4, accumulate = form & 8;
    if (worst_error<float>(size, ta, tb, bias, accumulate) > 1 ||
        worst_error<double>(size, ta, tb, bias, accumulate) > 1) {
      FAIL_CHECK("wrong at m ", size.m, " n ", size.n, " k ", size.k, ", transposed ", ta, tb, ", bias ",
                 bias, ", accumulate ", accumulate);
    }
  }
}

TEST_CASE("blas: small products match the oracle in every form") {
  for (const std::int64_t m : {0, 1, 2, 7, 10}) {
    for (const std::int64_t n : {0, 1, 2, 7, 10}) {
      for (const std::int64_t k : {0, 1, 2, 7, 10}) check_all_forms({m, n, k});
    }
  }
}

TEST_CASE("blas: products match the oracle in every form, around the sizes of kernels") {
  for (const Sizes size : {Sizes{64, 64, 64},
                           {65, 10, 128},
                           {64, 10, 128},
                           {1, 300, 65},
                           {300, 1, 65},
                           {128, 64, 1},
                           {10, 64, 300},
                           {7, 128, 65},
                           {128, 128, 2},
                           {63, 31, 33}}) {
    check_all_forms(size);
  }
}

TEST_CASE("blas: products of several strips match the oracle, in either direction") {
  const ThreadCount threads(3);
  for (const Sizes size : {Sizes{400, 150, 300}, {100, 500, 300}, {33, 1001, 400}}) {
    REQUIRE(blas::grid_for(size.m, size.n, size.k).rows * blas::grid_for(size.m, size.n, size.k).columns > 1);
    for (const bool ta : {false, true}) {
      for (const bool tb : {false, true}) {
        CHECK(worst_error<float>(size, ta, tb, true, false) < 1);
        CHECK(worst_error<double>(size, ta, tb, true, true) < 1);
      }
    }
  }
}

TEST_CASE("blas: the oracle's check can fail") {
  // A bias that is left out must show.
  CHECK(worst_error<float>({7, 7, 7}, false, false, true, false) < 1);
  std::vector<float> a(49, 1), b(49, 1), c(49);
  blas::gemm<float>(false, false, 7, 7, 7, a.data(), b.data(), c.data());
  CHECK(c[0] == 7);
  CHECK(c[48] == 7);
}

TEST_CASE("blas: k = 0 gives zeros, the bias, or what was there") {
  const std::vector<float> bias{1, 2};
  std::vector<float> c(6, 9);
  blas::gemm<float>(false, false, 3, 2, 0, nullptr, nullptr, c.data());
  CHECK(c == std::vector<float>(6, 0));
  blas::gemm<float>(false, false, 3, 2, 0, nullptr, nullptr, c.data(), bias.data());
  CHECK(c == std::vector<float>{1, 2, 1, 2, 1, 2});
  blas::gemm<float>(false, false, 3, 2, 0, nullptr, nullptr, c.data(), bias.data(), true);
  CHECK(c == std::vector<float>{2, 4, 2, 4, 2, 4});
}

TEST_CASE("blas: NaN and infinity go through, also past zeros") {
  for (const float special : {NAN, INFINITY, -INFINITY}) {
    std::vector<float> a(64 * 64, 0), b(64 * 64, 0), c(64 * 64, 5);
    a[3 * 64 + 5] = special;  // times a row of zeros: NaN for infinities, too
    blas::gemm<float>(false, false, 64, 64, 64, a.data(), b.data(), c.data());
    int wrong = 0;
    for (std::size_t i = 0; i < 64; ++i) {
      for (std::size_t j = 0; j < 64; ++j) wrong += i == 3 ? !std::isnan(c[i * 64 + j]) : c[i * 64 + j] != 0;
    }
    CHECK(wrong == 0);
    std::ranges::fill(b, 1.0F);
    blas::gemm<float>(false, false, 64, 64, 64, a.data(), b.data(), c.data());
    CHECK((std::isnan(special) ? std::isnan(c[3 * 64]) : c[3 * 64] == special));
    CHECK(c[0] == 0);
  }
}

TEST_CASE("blas: sizes over 2^31 - 1 are refused") {
  CHECK_THROWS_WITH_AS(
      blas::gemm<float>(false, false, std::int64_t{1} << 31, 2, 3, nullptr, nullptr, nullptr),
      "gemm: sizes 2147483648, 2, 3, expected at most 2147483647", Error);
}

// --- the grid --------------------------------------------------------------------------------------------------------

TEST_CASE("blas: the grid covers every element exactly once") {
  for (const std::int64_t m : {1, 2, 31, 32, 33, 64, 100, 1000, 4097, 100'000}) {
    for (const std::int64_t n : {1, 10, 32, 63, 64, 784, 1023, 60'000}) {
      for (const std::int64_t k : {0, 1, 10, 784, 5000}) {
        const blas::Grid grid = blas::grid_for(m, n, k);
        CAPTURE(m);
        CAPTURE(n);
        CAPTURE(k);
        REQUIRE(grid.rows >= 1);
        REQUIRE(grid.columns >= 1);
        // The last tile begins inside and reaches the end.
        CHECK((grid.rows - 1) * grid.tile_rows < m);
        CHECK(grid.rows * grid.tile_rows >= m);
        CHECK((grid.columns - 1) * grid.tile_columns < n);
        CHECK(grid.columns * grid.tile_columns >= n);
      }
    }
  }
}

TEST_CASE("blas: the grid does not depend on the number of threads") {
  const auto grids = [] {
    std::vector<std::int64_t> all;
    for (const Sizes size : {Sizes{64, 784, 512}, {1000, 1000, 1000}, {100'000, 10, 64}, {10, 10, 10}}) {
      const blas::Grid grid = blas::grid_for(size.m, size.n, size.k);
      all.insert(all.end(), {grid.rows, grid.columns, grid.tile_rows, grid.tile_columns});
    }
    return all;
  };
  const auto before = grids();
  for (const int n : {1, 2, 3, 8, 64}) {
    const ThreadCount threads(n);
    CHECK(grids() == before);
  }
}

TEST_CASE("blas: large products are cut, small ones are not") {
  const auto tiles = [](Sizes size) {
    const blas::Grid grid = blas::grid_for(size.m, size.n, size.k);
    return grid.rows * grid.columns;
  };
  CHECK(tiles({64, 64, 64}) == 1);
  CHECK(tiles({64, 784, 256}) > 1);
  CHECK(tiles({784, 64, 256}) > 1);
}

template <class T>
void check_same_bits() {
  for (const Sizes size : {Sizes{64, 1040, 256},
                           {1040, 64, 256},
                           {256, 784, 64},
                           {301, 299, 303},
                           {1, 4000, 4000},
                           {4000, 10, 512}}) {
    const auto a = random_values<T>(size.m * size.k, 1), b = random_values<T>(size.k * size.n, 2);
    for (int form = 0; form < 4; ++form) {
      std::vector<T> first;
      for (const int n : {1, 2, 3, 8}) {
        const ThreadCount threads(n);
        std::vector<T> c(static_cast<std::size_t>(size.m * size.n));
        blas::gemm<T>(form & 1, form & 2, size.m, size.n, size.k, a.data(), b.data(), c.data());
        if (first.empty()) {
          first = c;
        } else if (std::memcmp(first.data(), c.data(), c.size() * sizeof(T)) != 0) {
          FAIL_CHECK("m ", size.m, " n ", size.n, " k ", size.k, ", form ", form, ", ", n, " threads");
        }
      }
    }
  }
}

TEST_CASE("blas: f32 products have the same bits for 1, 2, 3 and 8 threads") { check_same_bits<float>(); }
TEST_CASE("blas: f64 products have the same bits for 1, 2, 3 and 8 threads") { check_same_bits<double>(); }

TEST_CASE("blas: products on several threads at once get the bits that they get alone") {
  const std::vector<Sizes> sizes{{64, 784, 256}, {100, 90, 80}, {256, 256, 256}};
  const auto product = [&](std::size_t which) {
    const auto [m, n, k] = sizes[which];
    const auto a = random_values<float>(m * k, 1), b = random_values<float>(k * n, 2);
    std::vector<float> c(static_cast<std::size_t>(m * n));
    blas::gemm<float>(false, true, m, n, k, a.data(), b.data(), c.data());
    return c;
  };
  std::vector<std::vector<float>> expected;
  {
    const ThreadCount serial(1);
    for (std::size_t i = 0; i < sizes.size(); ++i) expected.push_back(product(i));
  }
  for (const int n : {1, 3}) {
    const ThreadCount of_each(n);
    std::atomic<int> wrong{0};
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < sizes.size(); ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < 50; ++i) wrong += product(t) != expected[t];
      });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(wrong == 0);
  }
}

// --- the host's settings ---------------------------------------------------------------------------------------------

struct HostSettings {
  int openmp = omp_get_max_threads();
  int openblas = openblas_get_num_threads();
  bool operator==(const HostSettings&) const = default;
};

// One product of one strip, one of several, and one that fails.
void multiply() {
  for (const Sizes size : {Sizes{8, 8, 8}, {64, 784, 256}}) {
    const auto a = random_values<float>(size.m * size.k, 1), b = random_values<float>(size.k * size.n, 2);
    std::vector<float> c(static_cast<std::size_t>(size.m * size.n));
    blas::gemm<float>(false, false, size.m, size.n, size.k, a.data(), b.data(), c.data());
  }
  CHECK_THROWS_AS(blas::gemm<float>(false, false, std::int64_t{1} << 31, 1, 1, nullptr, nullptr, nullptr),
                  Error);
}

TEST_CASE("blas: a product leaves the host's thread counts as they were") {
  const HostSettings before;
  multiply();
  CHECK(omp_get_max_threads() == before.openmp);
  CHECK(openblas_get_num_threads() == before.openblas);
}

TEST_CASE("blas: a product leaves thread counts that the host has set as they were") {
  const HostSettings before;
  openblas_set_num_threads(3);
  omp_set_num_threads(3);
  const HostSettings set;
  for (const int n : {1, 2, 3}) {
    const ThreadCount threads(n);
    multiply();
    CHECK(omp_get_max_threads() == set.openmp);
    CHECK(openblas_get_num_threads() == set.openblas);
  }
  openblas_set_num_threads(before.openblas);
  omp_set_num_threads(before.openmp);
}

TEST_CASE("blas: after a product, the host's own BLAS calls still see the host's thread count") {
  const HostSettings before;
  openblas_set_num_threads(3);
  omp_set_num_threads(3);
  const HostSettings set;
  multiply();
  // A call of the host's, large enough for threads, after ours: the counts must survive that, too.
  const auto a = random_values<float>(400 * 400, 1);
  std::vector<float> c(400 * 400);
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, 400, 400, 400, 1, a.data(), 400, a.data(), 400, 0,
              c.data(), 400);
  CHECK(omp_get_max_threads() == set.openmp);
  CHECK(openblas_get_num_threads() == set.openblas);
  openblas_set_num_threads(before.openblas);
  omp_set_num_threads(before.openmp);
}

TEST_CASE("blas: products on two threads at once leave the host's thread counts as they were") {
  const HostSettings before;
  openblas_set_num_threads(3);
  omp_set_num_threads(3);
  const HostSettings set;
  std::vector<std::thread> threads;
  std::atomic<int> changed{0};
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&] {
      const int own = omp_get_max_threads();
      for (int i = 0; i < 20; ++i) {
        multiply();
        changed += omp_get_max_threads() != own;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(changed == 0);
  CHECK(omp_get_max_threads() == set.openmp);
  CHECK(openblas_get_num_threads() == set.openblas);
  openblas_set_num_threads(before.openblas);
  omp_set_num_threads(before.openmp);
}

// --- every build of OpenBLAS -----------------------------------------------------------------------------------------

std::filesystem::path loaded_library() {
  Dl_info info{};
  if (::dladdr(reinterpret_cast<const void*>(&openblas_get_config), &info) == 0 || !info.dli_fname) return {};
  return std::filesystem::canonical(info.dli_fname);
}

// Set by the case below for its child.
constexpr const char* folder_variable = "RILL_TEST_OPENBLAS";

TEST_CASE("blas: the description names OpenBLAS, and the library is the one that was asked for") {
  CHECK(std::strstr(blas::description(), "OpenBLAS") != nullptr);
  if (const char* folder = std::getenv(folder_variable)) CHECK(loaded_library().parent_path() == folder);
}

TEST_CASE("blas: other builds of OpenBLAS pass the same tests of products and threads") {
  if (isa() == Isa::naive) return test::skip("RILL_ISA=naive calls none of them");
  const std::filesystem::path own = loaded_library().parent_path();
  if (!own.filename().string().starts_with("openblas")) {
    return test::skip("OpenBLAS was not loaded from a folder of its own, but from " + own.string());
  }
  int others = 0;
  for (const auto& entry : std::filesystem::directory_iterator(own.parent_path())) {
    const std::filesystem::path folder = entry.path();
    if (!folder.filename().string().starts_with("openblas") || folder == own) continue;
    if (!std::filesystem::exists(folder / "libopenblas.so.0")) continue;
    ++others;
    const test::Outcome outcome = test::run_self(
        {"--test-case=blas:*,threads:*", "--test-case-exclude=*other builds of OpenBLAS*"},
        {{"LD_LIBRARY_PATH", folder.string()},
         {folder_variable, folder.string()},
         {"OMP_WAIT_POLICY", "passive"}});  // spinning would only take turns with whoever else runs here
    CAPTURE(folder.string());
    CAPTURE(outcome.output);
    CHECK(outcome.status == 0);
    CHECK(outcome.says(" passed, 0 failed"));
  }
  if (others == 0) test::skip("no other build of OpenBLAS stands beside " + own.string());
}

}  // namespace
