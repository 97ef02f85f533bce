// exp and its relatives for loops: against long double on a dense sample of all f32 numbers, and at special values; and that
// where an element stands in a loop, and the instruction set, do not change its bits.

#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include <doctest/doctest.h>

#include <rill/core/elementwise.hpp>
#include <rill/core/lanewise.hpp>
#include <rill/tests/skip.hpp>

namespace {

using namespace rill;

constexpr float inf = std::numeric_limits<float>::infinity();
constexpr float nan = std::numeric_limits<float>::quiet_NaN();
constexpr float denormal = std::numeric_limits<float>::denorm_min();
constexpr float largest = std::numeric_limits<float>::max();

using Function = float (*)(float);

float exp_wide(float x) { return static_cast<float>(lanewise::exp_as<float>(double{x})); }
float expm1_wide(float x) { return static_cast<float>(lanewise::expm1_as<float>(double{x})); }
float log1p_wide(float x) { return static_cast<float>(lanewise::log1p_as<float>(double{x})); }

// Units in the last place of f32 at `exact`, of which half of the smallest is where results become 0 and one above the
// largest where they become infinite.
long double error_in_ulp(float got, long double exact) {
  if (std::isnan(exact)) return std::isnan(got) ? 0 : inf;
  int exponent = 0;
  std::frexp(static_cast<float>(exact), &exponent);
  if (exact == 0 || std::isinf(static_cast<float>(exact))) {
    return got == static_cast<float>(exact) ? 0 : inf;
  }
  const long double unit =
      std::ldexp(1.0L, static_cast<float>(exact) == 0 ? -149 : std::max(exponent - 24, -149));
  return std::abs(static_cast<long double>(got) - exact) / unit;
}

// Every 9,973rd f32 number from `low` to `high`, and all of NaN's kinds among them.
long double worst_error(Function f, long double (*exact)(long double), float low, float high) {
  long double worst = 0;
  for (std::uint64_t bits = 0; bits < std::uint64_t{1} << 32; bits += 9973) {
    const float x = std::bit_cast<float>(static_cast<std::uint32_t>(bits));
    if (!(x < low || x > high))
      worst = std::max(worst, error_in_ulp(f(x), exact(static_cast<long double>(x))));
  }
  return worst;
}

long double exact_exp(long double x) { return std::exp(x); }
long double exact_expm1(long double x) { return std::expm1(x); }
long double exact_log1p(long double x) { return std::log1p(x); }

TEST_CASE("lanewise: exp in f32 is within 0.8 ulp everywhere") {
  CHECK(worst_error([](float x) { return lanewise::exp(x); }, exact_exp, -inf, inf) <= 0.8L);
}

TEST_CASE("lanewise: expm1 below 0 in f32 is within 1 ulp") {
  CHECK(worst_error([](float x) { return lanewise::expm1_of_negative(x); }, exact_expm1, -inf, 0) <= 1);
}

TEST_CASE("lanewise: what is computed in f64 for f32 is within 0.51 ulp") {
  CHECK(worst_error(exp_wide, exact_exp, -inf, inf) <= 0.51L);
  CHECK(worst_error(expm1_wide, exact_expm1, -inf, inf) <= 0.51L);
  CHECK(worst_error(log1p_wide, exact_log1p, 0, 1) <= 0.51L);
}

TEST_CASE("lanewise: infinities, zeros and NaN are the standard library's") {
  const auto same = [](float got, float expected) {
    CHECK(std::isnan(got) == std::isnan(expected));
    if (!std::isnan(expected)) CHECK(got == expected);
  };
  for (const float x :
       {0.0f, -0.0f, inf, -inf, nan, -nan, largest, -largest, 104.0f, -104.0f, 200.0f, -200.0f}) {
    CAPTURE(x);
    same(lanewise::exp(x), std::exp(x));
    if (!(x > 0)) same(lanewise::expm1_of_negative(x), std::expm1(x));
    same(exp_wide(x), std::exp(x));
    same(expm1_wide(x), std::expm1(x));
  }
  same(log1p_wide(0.0f), 0.0f);
  same(log1p_wide(nan), nan);
}

TEST_CASE("lanewise: expm1 of a denormal number is that number") {
  for (const float x : {denormal, -denormal, 3 * denormal, -0x1p-127f, 0x1.8p-130f}) {
    if (x < 0) CHECK(lanewise::expm1_of_negative(x) == x);
    CHECK(expm1_wide(x) == x);
  }
}

TEST_CASE("lanewise: exp comes down to the smallest denormal number, and goes up to the largest number") {
  CHECK(lanewise::exp(-103.27f) == denormal);
  CHECK(lanewise::exp(-103.98f) == 0);
  CHECK(lanewise::exp(88.722839f) == std::exp(88.722839f));
  CHECK(lanewise::exp(88.7229f) == inf);
}

TEST_CASE("lanewise: f64 is the standard library's") {
  for (const double x : {-700.0, -1.0, -1e-10, 0.3, 700.0}) {
    CHECK(lanewise::exp(x) == std::exp(x));
    if (x < 0) CHECK(lanewise::expm1_of_negative(x) == std::expm1(x));
    CHECK(lanewise::exp_as<double>(x) == std::exp(x));
    CHECK(lanewise::expm1_as<double>(x) == std::expm1(x));
  }
  CHECK(lanewise::log1p_as<double>(0.3) == std::log1p(0.3));
}

// --- loops -----------------------------------------------------------------------------------------------------------

template <class T>
std::vector<T> plain_and_machine_differ(std::size_t count) {
  std::vector<T> x(count), plain(count), machine(count), differing;
  for (std::size_t i = 0; i < count; ++i) x[i] = static_cast<T>(static_cast<double>(i) * 0.37 - 90);
  if (count > 3) x[3] = std::numeric_limits<T>::quiet_NaN();
  const T* in = x.data();
  T *first = plain.data(), *second = machine.data();
  const auto f = [](T v) { return v > T(0) ? v : lanewise::expm1_of_negative(v) * lanewise::exp(-v); };
  detail::plain_loop(0, std::ssize(x), [=](std::int64_t i) { first[i] = f(in[i]); });
  detail::independent_loop(0, std::ssize(x), [=](std::int64_t i) { second[i] = f(in[i]); });
  for (std::size_t i = 0; i < count; ++i) {
    const T alone = f(x[i]);
    const bool same = plain[i] == machine[i] && plain[i] == alone;
    const bool none = std::isnan(plain[i]) && std::isnan(machine[i]) && std::isnan(alone);
    if (!same && !none) differing.push_back(x[i]);
  }
  return differing;
}

TEST_CASE("loops: an element has the same bits in every place of a loop and in every instruction set") {
  if (!takes_avx2(isa())) return test::skip("the machine has no AVX2, or RILL_ISA forbids it");
  for (const std::size_t count : {0u, 1u, 3u, 4u, 7u, 8u, 9u, 15u, 16u, 17u, 31u, 33u, 500u}) {
    CAPTURE(count);
    CHECK(plain_and_machine_differ<float>(count).empty());
    CHECK(plain_and_machine_differ<double>(count).empty());
  }
}

TEST_CASE("loops: on_isa calls its body once") {
  int calls = 0;
  on_isa([&] { ++calls; });
  CHECK(calls == 1);
}

}  // namespace
