// The kernels of elu and selu in f32, in each instruction set: against f64 on a sample of all f32 numbers, against the formula
// that they replace, at special values; and that where an element stands does not change its bits.

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <span>
#include <vector>

#include <doctest/doctest.h>

#include <rill/core/kernels/exponential.hpp>
#include <rill/core/ops/elu.hpp>
#include <rill/core/ops/selu.hpp>

#include "instruction_sets.hpp"
#include "skip.hpp"

namespace {

using namespace rill;
using kernels::ExpLinear;
using test::instruction_sets;

constexpr float inf = std::numeric_limits<float>::infinity();
constexpr float nan = std::numeric_limits<float>::quiet_NaN();
constexpr float denormal = std::numeric_limits<float>::denorm_min();

std::vector<float> values(const ExpLinear& f, std::vector<float> x, Isa isa) {
  kernels::exp_linear(f, x.data(), x.data(), std::ssize(x), isa);  // in place
  return x;
}

std::vector<float> slopes(const ExpLinear& f, const std::vector<float>& x, Isa isa) {
  std::vector<float> dx(x.size(), 1);
  kernels::exp_linear_slope(f, dx.data(), x.data(), dx.data(), std::ssize(x), isa);
  return dx;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

// Every `stride`th f32 number below 0, down to -infinity.
std::vector<float> negative_numbers(std::uint32_t stride) {
  std::vector<float> x;
  for (std::uint64_t bits = 0x80000001; bits <= 0xff800000; bits += stride)
    x.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
  return x;
}

double worst_ulp(const std::vector<float>& got, const std::vector<float>& x, double (*exact)(double)) {
  double worst = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double expected = exact(double{x[i]});
    int exponent = -149;
    if (expected != 0) std::frexp(expected, &exponent);
    const double unit = std::ldexp(1.0, std::max(exponent - 24, -149));
    const double error = std::abs(double{got[i]} - expected) / unit;
    worst = std::isnan(error) ? inf : std::max(worst, error);
  }
  return worst;
}

TEST_CASE("exponential: expm1 below 0 is within 1 ulp") {
  const std::vector<float> x = negative_numbers(9973);
  for (const Isa use : instruction_sets()) {
    CAPTURE(isa_name(use));
    CHECK(worst_ulp(values({1, 1}, x, use), x, [](double v) { return std::expm1(v); }) <= 1);
  }
}

TEST_CASE("exponential: exp below 0 is within 1 ulp, down to the smallest denormal number") {
  const std::vector<float> x = negative_numbers(9973);
  for (const Isa use : instruction_sets()) {
    CAPTURE(isa_name(use));
    CHECK(worst_ulp(slopes({1, 1}, x, use), x, [](double v) { return std::exp(v); }) <= 1);
    CHECK(slopes({1, 1}, {-103.27f, -103.98f}, use) == std::vector<float>{denormal, 0});
  }
}

TEST_CASE("exponential: a slope that is no normal number is rounded to it once, with its factor") {
  std::vector<float> x;
  for (float v = -88; v > -106; v = std::nextafter(v, -inf)) x.push_back(v);
  constexpr float factor = 1.7580993F;  // selu's
  for (const Isa use : instruction_sets()) {
    CAPTURE(isa_name(use));
    CHECK(worst_ulp(slopes({1, factor}, x, use), x, [](double v) { return factor * std::exp(v); }) <= 1.5);
    CHECK(slopes({1, factor}, {-1000, -inf}, use) == std::vector<float>{0, 0});
    // A large factor brings back what without it would be 0.
    const std::vector<float> far{-105, -110, -120};
    CHECK(worst_ulp(slopes({1, 1e10F}, far, use), far, [](double v) { return 1e10F * std::exp(v); }) <= 2);
    CHECK(slopes({1, 1e10F}, {-1e30F}, use) == std::vector<float>{0});
  }
}

TEST_CASE("exponential: the kernels are the formula of elu up to 2 ulp") {
  const std::vector<float> x = negative_numbers(99991);
  const ops::Elu elu{0.7};
  for (const Isa use : instruction_sets()) {
    const std::vector<float> y = values({1, 0.7F}, x, use), dy = slopes({1, 0.7F}, x, use);
    int far = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const auto near = [](float a, float b) {
        return std::abs(std::bit_cast<int>(a) - std::bit_cast<int>(b)) <= 2;
      };
      far += !near(y[i], elu.value(x[i])) + !near(dy[i], elu.slope_from_input(x[i]));
    }
    CAPTURE(isa_name(use));
    CHECK(far == 0);
  }
}

TEST_CASE("exponential: AVX-512 has the bits of AVX2") {
  if (isa() != Isa::avx512) return test::skip("the machine has no AVX-512, or RILL_ISA forbids it");
  std::vector<float> x = negative_numbers(999983);
  for (const float each : {inf, 1e30f, 90.0f, 0.5f, denormal, 0.0f, -0.0f, -denormal, -inf})
    x.push_back(each);
  for (const ExpLinear& f : {ExpLinear{1, 1}, ExpLinear{1, 0.7F}, ExpLinear{1.05F, 1.75F}}) {
    CHECK(same_bits(values(f, x, Isa::avx512), values(f, x, Isa::avx2)));
    CHECK(same_bits(slopes(f, x, Isa::avx512), slopes(f, x, Isa::avx2)));
  }
}

TEST_CASE("exponential: elu and selu are the kernels, forward and backward") {
  const std::vector<float> x = negative_numbers(999983);
  const auto check = [&](const ExpLinear& f, auto function) {
    const Shape shape{std::ssize(x)};
    Tensor input = tensor(std::span(x), shape);
    input.requires_grad_();
    const Tensor y = function(input);
    y.sum().backward();
    const auto same = [](const Tensor& t, const std::vector<float>& expected) {
      return std::ranges::equal(t.data<float>(), expected);
    };
    CHECK(same(y, values(f, x, isa())));
    CHECK(same(input.grad(), slopes(f, x, isa())));
    CHECK(same(function(tensor(std::span(x), shape)), values(f, x, isa())));
  };
  check({1, 0.7F}, [](const Tensor& t) { return t.elu(0.7); });
  check({static_cast<float>(ops::Selu::scale), static_cast<float>(ops::Selu::scale * ops::Selu::alpha)},
        [](const Tensor& t) { return t.selu(); });
}

TEST_CASE("exponential: at kinks and tails") {
  const std::vector<float> x{inf, 1e30f, 90, denormal, 0, -0.0f, -denormal, -0x1p-127f, -90, -1e30f, -inf};
  for (const Isa use : instruction_sets()) {
    CAPTURE(isa_name(use));
    CHECK(values({1, 0.5f}, x, use) ==
          std::vector<float>{inf, 1e30f, 90, denormal, 0, 0, 0, -0x1p-128f, -0.5f, -0.5f, -0.5f});
    CHECK(values({1, 1}, x, use) ==
          std::vector<float>{inf, 1e30f, 90, denormal, 0, 0, -denormal, -0x1p-127f, -1, -1, -1});
    CHECK(values({2, 0}, {inf, 3, -1, -inf}, use) == std::vector<float>{inf, 6, 0, 0});
    const std::vector<float> dy = slopes({3, 0.5f}, x, use);
    CHECK(std::all_of(dy.begin(), dy.begin() + 4, [](float s) { return s == 3; }));
    CHECK(std::all_of(dy.begin() + 4, dy.begin() + 8, [](float s) { return s == 0.5f; }));
    CHECK((dy[9] == 0 && dy[10] == 0));
    CHECK(std::isnan(values({1, 1}, {nan}, use)[0]));
  }
}

TEST_CASE(
    "exponential: an element has the same bits in every place, and nothing behind the last is written") {
  // Whole groups of vectors, whole vectors and a rest, with all kinds of numbers in each.
  const auto number = [](std::size_t i) {
    constexpr std::array<float, 5> special{nan, -inf, -0.0f, inf, -denormal};
    return i % 7 == 6 ? special[i / 7 % special.size()] : static_cast<float>(i % 31) * 0.67f - 19;
  };
  for (const Isa use : instruction_sets()) {
    for (const ExpLinear& f : {ExpLinear{1, 1}, ExpLinear{1.05f, 1.75f}}) {
      for (std::size_t count = 0; count < 140; ++count) {
        std::vector<float> x(count + 1), y(count + 1, 7), dx(count + 1, 7), g(count + 1, 2);
        for (std::size_t i = 0; i <= count; ++i) x[i] = number(i);
        kernels::exp_linear(f, x.data(), y.data(), static_cast<long>(count), use);
        kernels::exp_linear_slope(f, g.data(), x.data(), dx.data(), static_cast<long>(count), use);
        bool same = y[count] == 7 && dx[count] == 7;
        for (std::size_t i = 0; i < count; ++i)
          same = same && same_bits({y[i], dx[i]}, {values(f, {x[i]}, use)[0], 2 * slopes(f, {x[i]}, use)[0]});
        CAPTURE(isa_name(use));
        CAPTURE(f.above);
        CAPTURE(count);
        CHECK(same);
      }
    }
  }
}

}  // namespace
