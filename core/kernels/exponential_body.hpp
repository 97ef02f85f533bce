// x = n ln 2 + r with n an integer and |r| <= ln 2 / 2, and eˣ = 2ⁿ eʳ. Adding 1.5 · 2²³ leaves n in the last bits of the
// sum; what is added besides, the bias of an exponent, makes these bits those of 2ⁿ, 23 places further up.
// The polynomials are the minimax ones of (eʳ - 1 - r) / r²; eʳ needs one coefficient less than eʳ - 1.
//
// What costs is the number of instructions: hence `more`, which spares eˣ a multiplication, and the kinds of loops.

constexpr bool rounds_once = RILL_LANES >= 8;  // in fused()

struct Power {
  Floats n, scale;  // scale = 2 to the n + more; of any value where that is no normal number
};

template <int more>
static inline Power power(Floats x) {
  constexpr float shift = 0x1.8p23f + 127 + more;
  const Floats shifted = fused(x, all(0x1.715476p0f), all(shift));
  return {shifted - shift, reinterpret_cast<Floats>(reinterpret_cast<Ints>(shifted) << 23)};
}

/// x - n ln 2; the first of the two steps is exact.
static inline Floats rest(Floats x, Floats n) {
  return fused(n, all(-0x1.7f7d1cp-20f), fused(n, all(-0x1.62e4p-1f), x));
}

// The larger or smaller one; x where one is NaN or both are 0.
#if RILL_LANES == 16
// GCC 12 warns of its own header where no mask is given.
static inline Floats at_least(Floats low, Floats x) {
  return reinterpret_cast<Floats>(
      _mm512_maskz_max_ps(0xffff, reinterpret_cast<__m512>(low), reinterpret_cast<__m512>(x)));
}
static inline Floats at_most(Floats high, Floats x) {
  return reinterpret_cast<Floats>(
      _mm512_maskz_min_ps(0xffff, reinterpret_cast<__m512>(high), reinterpret_cast<__m512>(x)));
}
#elif RILL_LANES == 8
static inline Floats at_least(Floats low, Floats x) {
  return reinterpret_cast<Floats>(_mm256_max_ps(reinterpret_cast<__m256>(low), reinterpret_cast<__m256>(x)));
}
static inline Floats at_most(Floats high, Floats x) {
  return reinterpret_cast<Floats>(_mm256_min_ps(reinterpret_cast<__m256>(high), reinterpret_cast<__m256>(x)));
}
#else
static inline Floats at_least(Floats low, Floats x) { return x < low ? low : x; }
static inline Floats at_most(Floats high, Floats x) { return x > high ? high : x; }
#endif

/// factor · eˣ for x <= 0. The result may be no normal number, 2ⁿ⁺⁶⁴ always is one; and only the last step rounds to it.
static inline Floats exp(Floats x, Floats factor = all(1)) {
  const Floats held = at_least(all(-131), x);  // further down, 0 for factors up to 2³⁸
  const auto [n, scale] = power<64>(held);
  const Floats r = rest(held, n);
  constexpr float unit = rounds_once ? 0x1p-64f : 1;
  Floats q = fused(all(0x1.6db47ep-10f * unit), r, all(0x1.123b92p-7f * unit));
  q = fused(q, r, all(0x1.55545ep-5f * unit));
  q = fused(q, r, all(0x1.55548ep-3f * unit));
  q = fused(q, r, all(0.5f * unit));
  if constexpr (rounds_once) return factor * fused(fused(q, r, all(unit)), r, all(unit)) * scale;
  const Floats sum = 1 + r, lost = r - (sum - 1);
  return factor * (sum + (lost + r * r * q)) * scale * 0x1p-64f;
}

/// eˣ - 1 for x <= 0.
static inline Floats expm1(Floats x) {
  const Floats held = at_least(all(-18), x);  // further down, -1
  const auto [n, scale] = power<0>(held);
  // One step is enough where it is exact: r is off by 2e-9 n at most, and only 2ⁿ r counts.
  const Floats r = rounds_once ? fused(n, all(-0x1.62e43p-1f), held) : rest(held, n);
  Floats q = fused(all(0x1.a17e52p-13f), r, all(0x1.6da7bep-10f));
  q = fused(q, r, all(0x1.1110acp-7f));
  q = fused(q, r, all(0x1.55547p-5f));
  q = fused(q, r, all(0x1.555556p-3f));
  q = fused(q, r, all(0.5f));
  return fused(scale, fused(r * r, q, r), scale - 1);
}

// `kinked`: above or below is not 1. One of the parts above and below 0 is 0, and they are added; where neither has a factor,
// y is the larger one of x and eˣ - 1, of 0 for x > 0.
template <bool kinked>
static void values_of(const ExpLinear& f, const float* x, float* y, long count) {
  const Floats above = all(f.above), below = all(f.below), zero = {};
  for (long i = 0; i < count; i += lanes) {
    const Floats v = load(x + i), e = expm1(at_most(zero, v));
    if constexpr (kinked) {
      store(y + i, fused(below, e, above * at_least(zero, v)));
    } else {
      store(y + i, at_least(e, v));
    }
  }
}

template <bool kinked>
static void slopes_of(const ExpLinear& f, const float* g, const float* x, float* dx, long count) {
  const Floats above = all(f.above), below = all(f.below), zero = {};
  for (long i = 0; i < count; i += lanes) {
    const Floats v = load(x + i);
    Floats slope;
    if constexpr (kinked) {
      slope = v > 0 ? above : exp(v, below);
    } else {
      slope = exp(at_most(zero, v));
    }
    store(dx + i, load(g + i) * slope);
  }
}

static void values(const ExpLinear& f, const float* x, float* y, long count) {
  const auto run = f.above == 1 && f.below == 1 ? values_of<false> : values_of<true>;
  const long whole = count / lanes * lanes;
  run(f, x, y, whole);
  if (whole == count) return;
  const auto bytes = static_cast<unsigned long>(count - whole) * sizeof(float);
  float last[lanes] = {};
  __builtin_memcpy(last, x + whole, bytes);
  run(f, last, last, lanes);
  __builtin_memcpy(y + whole, last, bytes);
}

static void slopes(const ExpLinear& f, const float* g, const float* x, float* dx, long count) {
  const auto run = f.above == 1 && f.below == 1 ? slopes_of<false> : slopes_of<true>;
  const long whole = count / lanes * lanes;
  run(f, g, x, dx, whole);
  if (whole == count) return;
  const auto bytes = static_cast<unsigned long>(count - whole) * sizeof(float);
  float last_g[lanes] = {}, last_x[lanes] = {};
  __builtin_memcpy(last_g, g + whole, bytes);
  __builtin_memcpy(last_x, x + whole, bytes);
  run(f, last_g, last_x, last_x, lanes);
  __builtin_memcpy(dx + whole, last_x, bytes);
}
