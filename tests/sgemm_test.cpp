// core/kernels/sgemm: rill's own matrix product against a naive one in double, for each instruction set.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include <doctest/doctest.h>

#include <rill/core/isa.hpp>
#include <rill/core/kernels/sgemm.hpp>
#include <rill/core/memory.hpp>
#include <rill/core/random.hpp>

#include "instruction_sets.hpp"
#include "thread_count.hpp"

namespace {

using namespace rill;
using rill::test::instruction_sets;
using rill::test::ThreadCount;

struct Sizes {
  std::int64_t m, n, k;
};

std::vector<float> values_of(std::int64_t count, std::uint32_t index) {
  Stream stream(7, Purpose::user, 0, index);
  std::vector<float> all(static_cast<std::size_t>(count));
  for (float& value : all) value = static_cast<float>(stream.uniform(-1, 1));
  return all;
}

// The forms: transpose_a, transpose_b, bias, accumulate.
struct Form {
  bool transpose_a, transpose_b, bias, accumulate;
};
Form form_of(int bits) { return {(bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0, (bits & 8) != 0}; }

// A product between guard values, all operands one float away from any alignment.
struct Case {
  static constexpr float guard = 12345.0F;
  Sizes size;
  Form form;
  std::vector<float> a, b, bias, before, c;

  Case(Sizes sizes, Form which)
      : size(sizes),
        form(which),
        a(values_of(sizes.m * sizes.k + 1, 1)),
        b(values_of(sizes.k * sizes.n + 1, 2)),
        bias(values_of(sizes.n + 1, 3)),
        before(values_of(sizes.m * sizes.n + 2, 4)) {
    if (!form.accumulate) before.assign(before.size(), std::numeric_limits<float>::quiet_NaN());
    before.front() = before.back() = guard;
    c = before;
  }

  void run(Isa isa) {
    c = before;
    kernels::sgemm({form.transpose_a, form.transpose_b, size.m, size.n, size.k, a.data() + 1, b.data() + 1,
                    c.data() + 1, form.bias ? bias.data() + 1 : nullptr, form.accumulate},
                   isa);
  }

  float a_at(std::int64_t i, std::int64_t p) const {
    return a[static_cast<std::size_t>(1 + (form.transpose_a ? p * size.m + i : i * size.k + p))];
  }
  float b_at(std::int64_t p, std::int64_t j) const {
    return b[static_cast<std::size_t>(1 + (form.transpose_b ? j * size.k + p : p * size.n + j))];
  }

  // The largest error in units of what rounding may do: eps (k + 2) sum |a b|. 2 where something else is wrong.
  double worst_error() const {
    double worst = c.front() == guard && c.back() == guard ? 0 : 2;
    for (std::int64_t i = 0; i < size.m; ++i) {
      for (std::int64_t j = 0; j < size.n; ++j) {
        const auto at = static_cast<std::size_t>(1 + i * size.n + j);
        double sum = 0, magnitude = 1e-30;
        const auto add = [&](double term) {
          sum += term;
          magnitude += std::abs(term);
        };
        if (form.accumulate) add(static_cast<double>(before[at]));
        if (form.bias) add(static_cast<double>(bias[static_cast<std::size_t>(1 + j)]));
        for (std::int64_t p = 0; p < size.k; ++p) {
          add(static_cast<double>(a_at(i, p)) * static_cast<double>(b_at(p, j)));
        }
        const double allowed = 1.2e-7 * static_cast<double>(size.k + 2) * magnitude;
        const double error = std::abs(static_cast<double>(c[at]) - sum) / allowed;
        worst = error <= worst ? worst : error <= 1 ? error : 2;  // NaN is 2
      }
    }
    return worst;
  }
};

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

// In every instruction set, and AVX-512 with the bits of AVX2.
void check_form(Sizes size, int bits) {
  Case test(size, form_of(bits));
  std::vector<float> of_avx2;
  for (const Isa isa : instruction_sets()) {
    test.run(isa);
    const bool other_bits = isa == Isa::avx512 && !same_bits(test.c, of_avx2);
    if (!(test.worst_error() < 1) || other_bits) {
      FAIL_CHECK((other_bits ? "other bits than with AVX2" : "wrong"), " at m ", size.m, " n ", size.n, " k ",
                 size.k, ", form ", bits, ", ", isa_name(isa));
    }
    if (isa == Isa::avx2) of_avx2 = test.c;
  }
}

void check_all_forms(Sizes size) {
  for (int bits = 0; bits < 16; ++bits) check_form(size, bits);
}

TEST_CASE("sgemm: every remainder of a tile, in every form, matches a naive product") {
  for (std::int64_t m = 1; m <= 14; ++m) {
    for (std::int64_t n = 1; n <= 33; ++n) check_all_forms({m, n, 1 + (m * 7 + n) % 19});
  }
}

TEST_CASE("sgemm: every number of rows that are packed matches a naive product") {
  for (std::int64_t m = 1; m <= 49; m += m < 26 ? 1 : 2) {
    for (int bits = 0; bits < 4; ++bits) check_form({m, 131, 129 + m % 8}, bits);
  }
}

TEST_CASE("sgemm: every remainder of a vector along k matches a naive product") {
  for (std::int64_t k = 1; k <= 34; ++k) {
    for (const std::int64_t m : {1, 3, 8, 20}) {
      for (const std::int64_t n : {1, 2, 9, 40}) check_all_forms({m, n, k});
    }
  }
}

TEST_CASE("sgemm: sizes around those of the plans match a naive product") {
  for (const Sizes size : {Sizes{24, 64, 64},
                           {25, 65, 65},
                           {41, 70, 129},
                           {40, 67, 273},
                           {66, 80, 272},
                           {70, 129, 300},
                           {130, 66, 545},
                           {257, 128, 64},
                           {64, 300, 16},
                           {64, 300, 17},
                           {10, 200, 600},
                           {200, 10, 600},
                           {4, 300, 820},
                           {5, 300, 100},
                           {50, 100, 200},
                           {50, 100, 512}}) {
    check_all_forms(size);
  }
}

TEST_CASE("sgemm: products of several strips match a naive product") {
  const ThreadCount threads(3);
  for (const Sizes size : {Sizes{120, 300, 100}, {33, 500, 300}, {300, 259, 280}}) {
    for (int bits = 0; bits < 16; bits += 5) check_form(size, bits);
  }
}

TEST_CASE("sgemm: matrices that several threads read or write once match a naive product") {
  const ThreadCount threads(3);
  for (const Sizes size : {Sizes{1, 500, 803}, {3, 500, 803}, {500, 1, 803}, {501, 803, 1}}) {
    check_all_forms(size);
  }
}

TEST_CASE("sgemm: a sum of -0 stays -0, in whole tiles and in parts of them") {
  for (const std::int64_t n : {16, 20, 48}) {
    Case test({7, n, 2}, form_of(0));
    std::ranges::fill(test.a, 1e-30F);
    std::ranges::fill(test.b, -1e-30F);
    for (const Isa isa : instruction_sets()) {
      if (isa == Isa::plain) continue;  // which rounds each product, and adds it to 0
      test.run(isa);
      CHECK(std::all_of(test.c.begin() + 1, test.c.end() - 1,
                        [](float c) { return c == 0 && std::signbit(c); }));
    }
  }
}

TEST_CASE("sgemm: the check against the naive product can fail") {
  Case test({7, 20, 9}, form_of(0));
  test.run(isa());
  CHECK(test.worst_error() < 1);
  test.c[5] += 1e-3F;
  CHECK(test.worst_error() == 2);
  test.run(isa());
  test.c.back() = 0;  // written past the end
  CHECK(test.worst_error() == 2);
}

TEST_CASE("sgemm: 1, 2, 3 and 4 threads give the same bits") {
  for (const Sizes size : {Sizes{32, 512, 784},
                           {128, 512, 300},
                           {512, 200, 128},
                           {600, 48, 300},
                           {128, 128, 784},
                           {1, 3000, 1500},
                           {4, 900, 503},
                           {900, 1, 503},
                           {900, 503, 1}}) {
    for (int bits = 0; bits < 4; ++bits) {
      Case test(size, form_of(bits));
      for (const Isa isa : instruction_sets()) {
        std::vector<float> first;
        for (const int n : {1, 2, 3, 4}) {
          const ThreadCount threads(n);
          test.run(isa);
          if (first.empty()) first = test.c;
          if (!same_bits(first, test.c)) {
            FAIL_CHECK("m ", size.m, " n ", size.n, " k ", size.k, ", form ", bits, ", ", n, " threads, ",
                       isa_name(isa));
          }
        }
      }
    }
  }
}

TEST_CASE("sgemm: NaN and infinity go through, also past zeros, and nowhere else") {
  for (const Sizes size :
       {Sizes{64, 64, 64}, {7, 17, 300}, {1, 40, 9}, {40, 1, 9}, {5, 6, 1}, {33, 200, 784}}) {
    for (int bits = 0; bits < 4; ++bits) {
      for (const float special : {NAN, INFINITY, -INFINITY}) {
        Case test(size, form_of(bits));
        const std::int64_t row = size.m / 2, p = size.k / 2;
        std::vector<float> zeros(test.b.size(), 0.0F);
        test.b = zeros;
        test.a[static_cast<std::size_t>(1 + (test.form.transpose_a ? p * size.m + row : row * size.k + p))] =
            special;
        for (const Isa isa : instruction_sets()) {
          test.run(isa);
          int wrong = 0;
          for (std::int64_t i = 0; i < size.m; ++i) {
            for (std::int64_t j = 0; j < size.n; ++j) {
              const float c = test.c[static_cast<std::size_t>(1 + i * size.n + j)];
              wrong += i == row ? !std::isnan(c) : c != 0.0F;
            }
          }
          CHECK(wrong == 0);
        }
      }
    }
  }
}

TEST_CASE("sgemm: a second product of the same sizes takes nothing from the system") {
  for (const Sizes size : {Sizes{32, 128, 784}, {128, 200, 300}, {200, 128, 300}}) {
    for (int bits = 0; bits < 4; ++bits) {
      Case test(size, form_of(bits));
      const ThreadCount threads(1);
      test.run(isa());
      const auto before = memory::stats().system_allocations;
      test.run(isa());
      CHECK(memory::stats().system_allocations == before);
    }
  }
}

}  // namespace
