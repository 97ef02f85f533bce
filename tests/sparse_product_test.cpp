// core/kernels/sparse_product: products that skip zeros, beside a naive oracle in double.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include <doctest/doctest.h>

#include <rill/core/blas.hpp>
#include <rill/core/isa.hpp>
#include <rill/core/kernels/density.hpp>
#include <rill/core/kernels/sparse_product.hpp>
#include <rill/core/memory.hpp>
#include <rill/core/random.hpp>

#include "instruction_sets.hpp"
#include "skip.hpp"
#include "thread_count.hpp"

namespace {

using namespace rill;
using rill::test::instruction_sets;
using rill::test::ThreadCount;

constexpr float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();

std::vector<float> random_floats(std::int64_t count, std::uint32_t index, double density = 1) {
  Stream stream(7, Purpose::user, 0, index);
  std::vector<float> all(static_cast<std::size_t>(count));
  for (float& value : all) {
    const bool there = stream.uniform(0, 1) < density;
    const auto drawn = static_cast<float>(stream.uniform(-1, 1));
    value = there ? drawn : 0.0f;
  }
  return all;
}

// c = op(a) op(b), of which one operand is sparse.
struct Case {
  blas::Problem problem;
  std::vector<float> a, b, bias, c;

  Case(const blas::Problem& p, double density_a, double density_b)
      : problem(p),
        a(random_floats(p.m * p.k, 1, density_a)),
        b(random_floats(p.k * p.n, 2, density_b)),
        c(static_cast<std::size_t>(p.m * p.n), nan) {}

  bool run(Isa use = isa()) {
    return kernels::multiply_sparse(problem, a.data(), b.data(), c.data(),
                                    bias.empty() ? nullptr : bias.data(), false, use);
  }
  float& at_a(std::int64_t i, std::int64_t p) {
    return a[static_cast<std::size_t>(problem.transpose_a ? p * problem.m + i : i * problem.k + p)];
  }
  float& at_b(std::int64_t p, std::int64_t j) {
    return b[static_cast<std::size_t>(problem.transpose_b ? j * problem.k + p : p * problem.n + j)];
  }

  // The largest |c - oracle| in units of what rounding may do: eps · (terms + 1) · Σ|a b|.
  double worst_error() {
    double worst = 0;
    for (std::int64_t i = 0; i < problem.m; ++i) {
      for (std::int64_t j = 0; j < problem.n; ++j) worst = std::max(worst, error_at(i, j));
    }
    return worst;
  }
  double error_at(std::int64_t i, std::int64_t j) {
    double sum = bias.empty() ? 0 : bias[static_cast<std::size_t>(j)], magnitude = std::abs(sum), terms = 1;
    for (std::int64_t p = 0; p < problem.k; ++p) {
      const double term = static_cast<double>(at_a(i, p)) * static_cast<double>(at_b(p, j));
      sum += term;
      magnitude += std::abs(term);
      terms += term != 0;
    }
    const double error = std::abs(static_cast<double>(c[static_cast<std::size_t>(i * problem.n + j)]) - sum);
    const double allowed = std::numeric_limits<float>::epsilon() * terms * magnitude;
    // Written so that NaN counts as the worst.
    return !(error <= allowed) ? 2 : allowed > 0 ? error / allowed : 0;
  }
};

blas::Problem forward(std::int64_t batch, std::int64_t out, std::int64_t in) {
  return {false, true, batch, out, in};
}
blas::Problem to_weight(std::int64_t batch, std::int64_t out, std::int64_t in) {
  return {true, false, out, in, batch};
}

// Around whole vectors, blocks of 64 columns (128 with AVX-512 where tiles are short), chunks of 256 rows and tiles of 128.
struct Sizes {
  std::int64_t batch, out, in;
};
constexpr Sizes sizes[] = {{32, 128, 300}, {33, 129, 401}, {128, 65, 300}, {257, 72, 127}, {520, 80, 129},
                           {31, 100, 257}, {64, 257, 128}, {270, 72, 400}, {16, 513, 783}, {100, 63, 112},
                           {300, 128, 64}, {100, 130, 40}, {24, 128, 784}, {13, 300, 1000}};

// Compares made(size, density) with its oracle, for all sizes and instruction sets.
template <class Make>
void check_sizes(std::initializer_list<double> densities, const Make& made) {
  for (const Sizes& size : sizes) {
    for (const double density : densities) {
      for (const Isa use : instruction_sets()) {
        CAPTURE(size.batch);
        CAPTURE(size.out);
        CAPTURE(size.in);
        CAPTURE(density);
        CAPTURE(isa_name(use));
        Case product = made(size, density);
        REQUIRE(product.run(use));
        CHECK(product.worst_error() <= 1);
      }
    }
  }
}

TEST_CASE("sparse product: a forward product is that of a naive loop, whatever the sizes and the density") {
  check_sizes({0.0, 0.001, 0.25}, [](const Sizes& size, double density) {
    return Case(forward(std::max<std::int64_t>(size.batch, 16), size.out, size.in), density, 1);
  });
}

TEST_CASE(
    "sparse product: less than 16 rows are left to the dense product, as the other operand is brought into "
    "tiles for them") {
  for (const Isa use : instruction_sets()) {
    CHECK_FALSE(Case(forward(1, 512, 784), 0.1, 1).run(use));
    CHECK_FALSE(Case(forward(15, 512, 784), 0.1, 1).run(use));
    CHECK(Case(forward(16, 512, 784), 0.1, 1).run(use));
  }
}

TEST_CASE("sparse product: no zeros are skipped while DenseProducts lives") {
  Case product(forward(64, 512, 784), 0.1, 1);
  {
    const kernels::DenseProducts dense;
    CHECK_FALSE(product.run());
  }
  CHECK(product.run());
}

TEST_CASE("sparse product: a weight's gradient is that of a naive loop, whatever the sizes and the density") {
  check_sizes({0.0, 0.001, 0.15}, [](const Sizes& size, double density) {
    return Case(to_weight(size.batch, size.out, size.in), 1, density);
  });
}

TEST_CASE("sparse product: either operand may hold the zeros, transposed or not") {
  for (const bool transpose_a : {false, true}) {
    for (const bool transpose_b : {false, true}) {
      for (const bool in_a : {false, true}) {
        for (const Isa use : instruction_sets()) {
          CAPTURE(transpose_a);
          CAPTURE(transpose_b);
          CAPTURE(in_a);
          CAPTURE(isa_name(use));
          Case product({transpose_a, transpose_b, 137, 150, 141}, in_a ? 0.1 : 1, in_a ? 1 : 0.1);
          REQUIRE(product.run(use));
          CHECK(product.worst_error() <= 1);
        }
      }
    }
  }
}

TEST_CASE("sparse product: a bias is added to every row, also to rows of zeros") {
  for (const Isa use : instruction_sets()) {
    CAPTURE(isa_name(use));
    for (const blas::Problem& problem :
         {forward(70, 130, 300), forward(300, 128, 64), forward(300, 250, 40)}) {
      CAPTURE(problem.k);
      Case product(problem, 0.1, 1);
      product.bias = random_floats(problem.n, 3);
      std::fill_n(product.a.begin(), problem.k, 0.0f);
      REQUIRE(product.run(use));
      CHECK(product.worst_error() <= 1);
      CHECK(std::equal(product.bias.begin(), product.bias.end(), product.c.begin()));
    }
  }
}

TEST_CASE(
    "sparse product: a product by columns with a bias, and one that accumulates, are left to the dense one") {
  Case by_columns(to_weight(64, 128, 300), 1, 0.1);
  by_columns.bias = random_floats(300, 3);
  CHECK_FALSE(by_columns.run());
  Case product(forward(64, 128, 300), 0.1, 1);
  CHECK_FALSE(kernels::multiply_sparse(product.problem, product.a.data(), product.b.data(), product.c.data(),
                                       nullptr, true));
  CHECK(std::all_of(product.c.begin(), product.c.end(), [](float x) { return std::isnan(x); }));
}

TEST_CASE("sparse product: many rows go by panels") {
  Case product(forward(2600, 64, 1600), 0.02, 1);  // more than 4 million numbers
  REQUIRE(product.run());
  for (std::int64_t i = 0; i < 2600; i += i % 256 < 254 ? 127 : 1) {
    for (std::int64_t j = 0; j < 64; ++j) REQUIRE(product.error_at(i, j) <= 1);
  }
}

TEST_CASE("sparse product: lists as full as the last numbers of a tile are right, though the rest is empty") {
  for (const Isa use : instruction_sets()) {
    CAPTURE(isa_name(use));
    Case product(forward(300, 130, 270), 0, 1);
    for (std::int64_t i = 250; i < 300; ++i) {
      for (std::int64_t p = 0; p < 270; ++p) product.at_a(i, p) = static_cast<float>(i - p);
    }
    REQUIRE(product.run(use));
    CHECK(product.worst_error() <= 1);
  }
}

struct Place {
  std::int64_t i, j;
};

TEST_CASE("sparse product: a NaN or an infinity of the other operand is not skipped") {
  for (const float bad : {nan, inf, -inf}) {
    for (const Isa use : instruction_sets()) {
      for (const Place& at : {Place{0, 0}, {129, 300}, {5, 299}, {128, 7}}) {
        CAPTURE(bad);
        CAPTURE(at.i);
        CAPTURE(at.j);
        CAPTURE(isa_name(use));
        Case product(forward(40, 130, 301), 0.1, 1);
        product.at_b(at.j, at.i) = bad;
        CHECK_FALSE(product.run(use));
        Case gradient(to_weight(301, 130, 200), 1, 0.1);
        gradient.at_a(at.i, at.j) = bad;
        CHECK_FALSE(gradient.run(use));
      }
    }
  }
}

TEST_CASE("sparse product: a NaN is found wherever it stands in a block that is transposed") {
  for (const Isa use : instruction_sets()) {
    CAPTURE(isa_name(use));
    for (std::int64_t at = 0; at < 64; ++at) {
      CAPTURE(at);
      Case product(forward(40, 128, 64), 0.1, 1);
      product.at_b(at % 4 + 20, at / 4 + 32) = nan;
      CHECK_FALSE(product.run(use));
    }
  }
}

TEST_CASE("sparse product: what a NaN found late leaves behind does not show") {
  Case product(forward(600, 128, 301), 0.1, 1);
  product.bias = random_floats(128, 3);
  product.at_b(300, 127) = nan;
  std::vector<float> dense = product.c;
  const auto multiply = [&](std::vector<float>& c) {
    blas::gemm<float>(false, true, 600, 128, 301, product.a.data(), product.b.data(), c.data(),
                      product.bias.data());
  };
  multiply(product.c);
  {
    const kernels::DenseProducts all;
    multiply(dense);
  }
  for (std::size_t i = 0; i < dense.size(); ++i) {
    REQUIRE(std::isnan(dense[i]) == (i % 128 == 127));
    REQUIRE((std::isnan(product.c[i]) ? std::isnan(dense[i]) : product.c[i] == dense[i]));
  }
}

TEST_CASE("sparse product: gemm gives NaN where a skipped zero would meet one") {
  Case product(forward(40, 130, 301), 0.1, 1);
  product.at_a(3, 7) = 0;
  product.at_b(7, 11) = nan;
  blas::gemm<float>(false, true, 40, 130, 301, product.a.data(), product.b.data(), product.c.data());
  for (std::size_t i = 0; i < 40; ++i) CHECK(std::isnan(product.c[i * 130 + 11]));
  CHECK_FALSE(std::isnan(product.c[10]));
}

TEST_CASE("sparse product: a stack has the bits of single products, sparse and dense ones") {
  constexpr std::int64_t m = 70, n = 130, k = 300;
  Case sparse({false, false, m, n, k}, 0.1, 1), dense({false, false, m, n, k}, 1, 1);
  std::vector<float> stacked(4 * m * n);
  std::vector<blas::Operands<float>> products;
  for (int i = 0; i < 4; ++i) {
    const Case& each = i % 2 == 0 ? sparse : dense;
    products.push_back({each.a.data(), each.b.data(), stacked.data() + i * m * n});
  }
  blas::gemm_stack<float>(sparse.problem, products);
  for (int i = 0; i < 4; ++i) {
    Case& each = i % 2 == 0 ? sparse : dense;
    blas::gemm<float>(false, false, m, n, k, each.a.data(), each.b.data(), each.c.data());
    CHECK(std::memcmp(each.c.data(), stacked.data() + i * m * n, m * n * sizeof(float)) == 0);
  }
}

TEST_CASE("sparse product: a NaN or an infinity among the non-zeros reaches its row alone") {
  for (const float bad : {nan, inf}) {
    for (const Isa use : instruction_sets()) {
      CAPTURE(bad);
      CAPTURE(isa_name(use));
      Case product(forward(40, 130, 301), 0.1, 1);
      product.at_a(3, 299) = bad;
      REQUIRE(product.run(use));
      for (std::size_t i = 0; i < product.c.size(); ++i)
        REQUIRE(std::isfinite(product.c[i]) == (i / 130 != 3));
    }
  }
}

TEST_CASE("sparse product: -0 is a zero") {
  Case product(forward(40, 130, 301), 0.1, 1);
  Case negative = product;
  std::replace_if(
      negative.a.begin(), negative.a.end(), [](float x) { return x == 0; }, -0.0f);
  REQUIRE(product.run());
  REQUIRE(negative.run());
  CHECK(std::memcmp(product.c.data(), negative.c.data(), product.c.size() * sizeof(float)) == 0);
}

TEST_CASE("sparse product: AVX-512 gives the bits of AVX2") {
  if (isa() != Isa::avx512) return test::skip("the machine has no AVX-512, or RILL_ISA forbids it");
  const auto same = [](Case product, bool with_bias = false) {
    CAPTURE(product.problem.m);
    CAPTURE(product.problem.n);
    CAPTURE(product.problem.k);
    if (with_bias) product.bias = random_floats(product.problem.n, 3);
    REQUIRE(product.run(Isa::avx2));
    const std::vector<float> of_avx2 = product.c;
    std::ranges::fill(product.c, nan);
    REQUIRE(product.run(Isa::avx512));
    CHECK(std::memcmp(product.c.data(), of_avx2.data(), of_avx2.size() * sizeof(float)) == 0);
  };
  for (const Sizes& size : sizes) {
    const blas::Problem problem = forward(std::max<std::int64_t>(size.batch, 16), size.out, size.in);
    same(Case(problem, 0.2, 1));
    same(Case(problem, 0.2, 1), true);
    same(Case(to_weight(size.batch, size.out, size.in), 1, 0.15));
  }
  for (const bool transpose_a : {false, true}) {
    for (const bool transpose_b : {false, true}) {
      same(Case({transpose_a, transpose_b, 137, 150, 141}, 0.1, 1));
      same(Case({transpose_a, transpose_b, 137, 150, 141}, 1, 0.1));
    }
  }
}

TEST_CASE("sparse product: bits are the same for any number of threads") {
  for (const blas::Problem& problem :
       {forward(600, 200, 784), to_weight(128, 200, 784), to_weight(300, 64, 2000)}) {
    const bool in_a = !problem.transpose_a;
    Case one(problem, in_a ? 0.2 : 1, in_a ? 1 : 0.2);
    {
      const ThreadCount threads(1);
      REQUIRE(one.run());
    }
    for (const int n : {2, 3, 4}) {
      CAPTURE(n);
      const ThreadCount threads(n);
      Case several(problem, in_a ? 0.2 : 1, in_a ? 1 : 0.2);
      REQUIRE(several.run());
      CHECK(std::memcmp(one.c.data(), several.c.data(), one.c.size() * sizeof(float)) == 0);
    }
  }
}

TEST_CASE("sparse product: a warm product takes no memory from the system") {
  for (const int n : {1, 2, 4}) {
    CAPTURE(n);
    const ThreadCount threads(n);
    Case product(forward(300, 200, 784), 0.2, 1), gradient(to_weight(300, 200, 784), 1, 0.2);
    const auto both = [&] { return product.run() && gradient.run(); };
    REQUIRE(both());
    const auto before = memory::stats().system_allocations;
    for (int i = 0; i < 20; ++i) REQUIRE(both());
    CHECK(memory::stats().system_allocations == before);
  }
}

TEST_CASE("sparse product: dense numbers never go this way") {
  for (const double density : {1.0, 0.8, 0.55}) {
    CAPTURE(density);
    Case product(forward(128, 512, 784), density, 1);
    CHECK_FALSE(product.run());
    Case gradient(to_weight(128, 512, 784), 1, density);
    CHECK_FALSE(gradient.run());
  }
}

TEST_CASE("sparse product: what the sample missed is counted before anything is multiplied") {
  Case product(forward(128, 512, 784), 1, 1);
  // Zeros where the sample looks, and nowhere else.
  std::uint32_t at = 0;
  for (int i = 0; i < 1024; ++i) {
    at += 2654435769u;
    const std::uint64_t place = static_cast<std::uint64_t>(at) * 128;
    product.at_a(static_cast<std::int64_t>(place >> 32),
                 static_cast<std::int64_t>((place & 0xffffffffu) * 784 >> 32)) = 0;
  }
  REQUIRE(kernels::may_be_sparse(product.a.data(), 128, 784, 0.1));
  CHECK_FALSE(product.run());
  CHECK(std::all_of(product.c.begin(), product.c.end(), [](float x) { return std::isnan(x); }));
}

TEST_CASE("density: a sample tells a share of zeros from another") {
  for (const double density : {0.0, 0.1, 0.3, 0.5, 0.9}) {
    CAPTURE(density);
    const std::vector<float> x = random_floats(128 * 784, 1, density);
    CHECK(kernels::may_be_sparse(x.data(), 128, 784, density + 0.06));
    if (density > 0) CHECK_FALSE(kernels::may_be_sparse(x.data(), 128, 784, density - 0.06));
  }
}

TEST_CASE("density: the limit rises with the width, is lower by columns, and is none for little work") {
  const auto limit = [](std::int64_t width, bool turned) {
    return kernels::density_limit({128, width, 784, turned});
  };
  CHECK(limit(10, false) < 0);
  CHECK(limit(64, false) > 0.3);
  CHECK(limit(512, false) > limit(64, false));
  CHECK(limit(100'000, false) < 0.5);
  CHECK(limit(64, true) > 0.2);
  CHECK(limit(64, true) < limit(64, false));
  CHECK(kernels::density_limit({1, 128, 784, false}) == 0);
  CHECK(kernels::density_limit({64, 64, 64, false}) == 0);  // too small to ask
  CHECK(kernels::density_limit({64, 64, 128, false}) > 0);
}

}  // namespace
