// Errors of f32 results in units in the last place, and the worst of many.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>

namespace rill::trust {

inline constexpr double unbounded = std::numeric_limits<double>::infinity();

/// The unit in the last place of f32 at `exact`.
inline double unit_at(double exact) {
  const auto exponent = static_cast<std::int64_t>(std::bit_cast<std::uint64_t>(exact) >> 52 & 0x7ff) - 1023;
  return std::bit_cast<double>(
      static_cast<std::uint64_t>(std::clamp<std::int64_t>(exponent, -126, 127) - 23 + 1023) << 52);
}

/// The error of y in ulp, infinite where its class is another: NaN, infinity, zero, or the sign.
struct InUlp {
  static constexpr double of_nearest =
      0.5;  ///< no error is larger where y is the float nearest to the exact result

  template <class R>
  double operator()(float y, R exact) const {
    constexpr R beyond = R(0x1p128) + R(0x1p104), under = 0x1.ffffp127;  // from here on infinity is 2^128
    if (std::isnan(exact) || std::isnan(y)) return std::isnan(exact) && std::isnan(y) ? 0 : unbounded;
    if (exact == 0) return y == 0 ? 0 : unbounded;
    if (y != 0 && std::signbit(y) != std::signbit(exact)) return unbounded;
    if (std::abs(exact) > beyond) return std::isinf(y) ? 0 : unbounded;
    if (std::isinf(y) && std::abs(exact) < under) return unbounded;
    const R got = std::isinf(y) ? std::copysign(R(0x1p128), exact) : R(y);
    return static_cast<double>(std::abs(got - exact) / R(unit_at(static_cast<double>(exact))));
  }
};

struct Absolute {
  static constexpr double of_nearest = unbounded;

  template <class R>
  double operator()(float y, R exact) const {
    return std::isnan(y) || std::isinf(y) ? unbounded : static_cast<double>(std::abs(R(y) - exact));
  }
};

/// The worst of many comparisons.
struct WorstUlp {
  double error = 0;
  float at = 0;
  std::uint64_t mismatches = 0;
  float mismatch_at = 0;

  void join(const WorstUlp& other) {
    if (other.error > error) error = other.error, at = other.at;
    if (other.mismatches > 0) mismatch_at = other.mismatch_at;
    mismatches += other.mismatches;
  }
};

/// Double decides whether an element may be the worst one, long double by how much it is.
template <bool at_nan, class Error, class Exact>
void compare(std::span<const float> x, std::span<const float> y, const Exact& exact, WorstUlp& worst) {
  constexpr Error error;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double nearly = exact(double{x[i]});
    if (y[i] == nearly || (y[i] == static_cast<float>(nearly) && worst.error >= Error::of_nearest)) continue;
    if (error(y[i], nearly) <= worst.error) continue;
    if (!at_nan && std::isnan(x[i])) continue;
    const double surely = error(y[i], exact(static_cast<long double>(x[i])));
    if (surely == unbounded) {
      ++worst.mismatches;
      worst.mismatch_at = x[i];
    } else if (surely > worst.error) {
      worst.error = surely;
      worst.at = x[i];
    }
  }
}

}  // namespace rill::trust
