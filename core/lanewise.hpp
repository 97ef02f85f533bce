// exp and its relatives for loops over elements: straight-line code without calls and branches, which compilers
// vectorise inside of independent_loop. Every lane does the same IEEE operations, so where an element stands in the loop
// does not change its bits, nor does the instruction set.
//
// exp(float), and its and expm1's forms for x <= 0, compute in f32; what is named _as<T> takes a double and is accurate enough
// to be rounded to T: within 0.51 ulp for float; for double it is the standard library's, as is exp(double).
// NaN, infinities and denormal numbers go in and come out as the standard library's do; expm1(-0) is +0.
//
// An exponential is 2^n · e^r with n an integer and |r| <= ln 2 / 2, and e^r = 1 + r + r² q(r): q is the polynomial that
// meets (e^r - 1 - r) / r² at Chebyshev's nodes. Adding 1.5 · 2^23 (2^52) leaves n in the last bits of the sum.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <type_traits>

#define RILL_LANEWISE [[gnu::always_inline]] inline

namespace rill::lanewise {

namespace detail {

/// x = n ln 2 + r, and e^r - 1 = r + rest.
struct Split {
  std::int32_t n;
  float r, rest;
};

RILL_LANEWISE Split split(float x) {
  constexpr float shift = 0x1.8p23f;
  const float shifted = x * 0x1.715476p0f + shift;
  const float n = shifted - shift;
  const float high = x - n * 0x1.62e4p-1f;  // exact
  const float r = high - n * 0x1.7f7d1cp-20f;
  const float r2 = r * r;
  const float q = (0.5f + r * 0.166666667f) +
                  r2 * ((0.0416664646f + r * 0.00833331089f) + r2 * (0.00139336867f + r * 1.98910316e-4f));
  return {std::bit_cast<std::int32_t>(shifted) - std::bit_cast<std::int32_t>(shift), r, r2 * q};
}

/// large + small + rest for |large| >= |small|, as if the first sum were not rounded.
RILL_LANEWISE float sum(float large, float small, float rest) {
  const float both = large + small;
  return both + (rest + (small - (both - large)));
}

/// 2^n for n from -126 to 127.
RILL_LANEWISE float power_of_2(std::int32_t n) { return std::bit_cast<float>((n + 127) << 23); }

/// The same in f64, up to rounding: 2^n and e^r - 1, for x from -708 to 709.
struct WideSplit {
  double scale, p;
};

RILL_LANEWISE WideSplit split(double x) {
  constexpr double shift = 0x1.8p52;
  const double shifted = x * 0x1.71547652b82fep0 + shift;
  const double n = shifted - shift;
  const double r = (x - n * 0x1.62e42fee00000p-1) - n * 0x1.a39ef35793c76p-33;
  const double r2 = r * r, r4 = r2 * r2;
  const double q = ((0x1.0000000000001p-1 + r * 0x1.5555555555556p-3) +
                    r2 * (0x1.5555555553d4fp-5 + r * 0x1.11111111109adp-7)) +
                   r4 * (((0x1.6c16c17893af7p-10 + r * 0x1.a01a01a7c8efbp-13) +
                          r2 * (0x1.a019b8eebc08ap-16 + r * 0x1.71de0d9baab4ap-19)) +
                         r4 * (0x1.2891a98de7fcbp-22 + r * 0x1.af38d6336c037p-26));
  const std::uint64_t bits = std::bit_cast<std::uint64_t>(shifted);
  return {std::bit_cast<double>((bits + 1023) << 52), r + r2 * q};
}

/// x held within [low, high]; NaN goes through.
template <class T>
RILL_LANEWISE T within(T x, T low, T high) {
  const T raised = x < low ? low : x;
  return raised > high ? high : raised;
}

}  // namespace detail

RILL_LANEWISE double exp(double x) { return std::exp(x); }

/// eˣ, within 1 ulp.
RILL_LANEWISE float exp(float x) {
  const detail::Split s = detail::split(detail::within(x, -104.0f, 89.0f));  // beyond, 0 and infinity
  // In two steps: 2^n may be no normal number, and only the last one rounds.
  const std::int32_t half = s.n >> 1;
  return detail::sum(1, s.r, s.rest) * detail::power_of_2(half) * detail::power_of_2(s.n - half);
}

RILL_LANEWISE double exp_of_negative(double x) { return std::exp(x); }

/// eˣ for x <= 0, of any value for x > 0; within 1 ulp, and a quarter cheaper.
RILL_LANEWISE float exp_of_negative(float x) {
  const detail::Split s = detail::split(x < -104.0f ? -104.0f : x);
  return detail::sum(1, s.r, s.rest) * detail::power_of_2(s.n + 64) * 0x1p-64f;
}

RILL_LANEWISE double expm1_of_negative(double x) { return std::expm1(x); }

/// eˣ - 1 for x <= 0, of any value for x > 0; within 1 ulp, and a third cheaper.
RILL_LANEWISE float expm1_of_negative(float x) {
  const detail::Split s = detail::split(x < -18.0f ? -18.0f : x);
  const float scale = detail::power_of_2(s.n);
  return detail::sum(scale - 1, scale * s.r, scale * s.rest);
}

/// eˣ, to be rounded to T.
template <class T>
RILL_LANEWISE double exp_as(double x) {
  if constexpr (std::is_same_v<T, double>) {
    return std::exp(x);
  } else {
    const auto [scale, p] = detail::split(detail::within(x, -708.0, 709.0));
    return scale * p + scale;
  }
}

/// eˣ - 1, to be rounded to T.
template <class T>
RILL_LANEWISE double expm1_as(double x) {
  if constexpr (std::is_same_v<T, double>) {
    return std::expm1(x);
  } else {
    const auto [scale, p] = detail::split(detail::within(x, -708.0, 709.0));
    return scale == 1 ? p : scale * p + (scale - 1);
  }
}

/// ln(1 + u) for u from 0 to 1, to be rounded to T.
template <class T>
RILL_LANEWISE double log1p_as(double u) {
  if constexpr (std::is_same_v<T, double>) {
    return std::log1p(u);
  } else {
    // 2 artanh s, with a polynomial in s² that meets artanh(s) / s at Chebyshev's nodes of [0, 1/9].
    const double s = u / (2 + u), w = s * s;
    return 2 * s *
           (1.0000000000024329 +
            w * (0.33333333118960873 +
                 w * (0.20000030710603969 +
                      w * (0.14284072879100546 + w * (0.11152563692791478 + w * (0.085612683336450945 +
                                                                                 w * 0.1093028415715348))))));
  }
}

}  // namespace rill::lanewise

#undef RILL_LANEWISE
