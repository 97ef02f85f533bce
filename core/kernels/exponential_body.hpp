// x = n ln 2 + r with n an integer and |r| <= ln 2 / 2, and eˣ = 2ⁿ eʳ. Adding 1.5 · 2²³ leaves n in the last bits of the
// sum; what is added besides, the bias of an exponent, makes these bits those of 2ⁿ, 23 places further up.
// The polynomials are the minimax ones of (eʳ - 1 - r) / r²; eʳ needs one coefficient less than eʳ - 1.
//
// What costs is the number of instructions: hence `more`, which spares eˣ a multiplication, and the kinds of loops. And each
// exponential is a chain of a dozen that wait for each other, where a core looks ahead over a few chains only: hence four
// vectors in turn, each operation for all of them. Functions of V take one vector, or four.

constexpr bool rounds_once = RILL_LANES >= 8;  // in fused()

static inline Floats exponent(Floats shifted) {
  return reinterpret_cast<Floats>(reinterpret_cast<Ints>(shifted) << 23);
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

static inline Floats if_positive(Floats x, Floats then, Floats otherwise) { return x > 0 ? then : otherwise; }

struct Four {
  Floats a, b, c, d;
  Four(Floats all_of_them) : Four(all_of_them, all_of_them, all_of_them, all_of_them) {}
  Four(Floats first, Floats second, Floats third, Floats fourth) : a(first), b(second), c(third), d(fourth) {}
};

static inline Four operator+(Four x, Four y) { return {x.a + y.a, x.b + y.b, x.c + y.c, x.d + y.d}; }
static inline Four operator-(Four x, Four y) { return {x.a - y.a, x.b - y.b, x.c - y.c, x.d - y.d}; }
static inline Four operator*(Four x, Four y) { return {x.a * y.a, x.b * y.b, x.c * y.c, x.d * y.d}; }
static inline Four fused(Four x, Four y, Four z) {
  return {fused(x.a, y.a, z.a), fused(x.b, y.b, z.b), fused(x.c, y.c, z.c), fused(x.d, y.d, z.d)};
}
static inline Four exponent(Four x) { return {exponent(x.a), exponent(x.b), exponent(x.c), exponent(x.d)}; }
static inline Four at_least(Floats low, Four x) {
  return {at_least(low, x.a), at_least(low, x.b), at_least(low, x.c), at_least(low, x.d)};
}
static inline Four at_least(Four low, Four x) {
  return {at_least(low.a, x.a), at_least(low.b, x.b), at_least(low.c, x.c), at_least(low.d, x.d)};
}
static inline Four at_most(Floats high, Four x) {
  return {at_most(high, x.a), at_most(high, x.b), at_most(high, x.c), at_most(high, x.d)};
}
static inline Four if_positive(Four x, Floats then, Four otherwise) {
  return {if_positive(x.a, then, otherwise.a), if_positive(x.b, then, otherwise.b),
          if_positive(x.c, then, otherwise.c), if_positive(x.d, then, otherwise.d)};
}

template <class V>
static inline V load_as(const float* p);
template <>
inline Floats load_as<Floats>(const float* p) {
  return load(p);
}
template <>
inline Four load_as<Four>(const float* p) {
  return {load(p), load(p + lanes), load(p + 2 * lanes), load(p + 3 * lanes)};
}
static inline void store(float* p, Four x) {
  store(p, x.a);
  store(p + lanes, x.b);
  store(p + 2 * lanes, x.c);
  store(p + 3 * lanes, x.d);
}

template <class V>
struct Power {
  V n, scale;  // scale = 2 to the n + more; of any value where that is no normal number
};

template <int more, class V>
static inline Power<V> power(V x) {
  constexpr float shift = 0x1.8p23f + 127 + more;
  const V shifted = fused(x, all(0x1.715476p0f), all(shift));
  return {shifted - all(shift), exponent(shifted)};
}

/// x - n ln 2; the first of the two steps is exact.
template <class V>
static inline V rest(V x, V n) {
  return fused(n, all(-0x1.7f7d1cp-20f), fused(n, all(-0x1.62e4p-1f), x));
}

/// factor · eˣ for x <= 0. The result may be no normal number, 2ⁿ⁺⁶⁴ always is one; and only the last step rounds to it.
template <class V>
__attribute__((always_inline)) static inline V exp(V x, Floats factor = all(1)) {
  const V held = at_least(all(-131), x);  // further down, 0 for factors up to 2³⁸
  const auto [n, scale] = power<64>(held);
  const V r = rest(held, n);
  constexpr float unit = rounds_once ? 0x1p-64f : 1;
  V q = fused(all(0x1.6db47ep-10f * unit), r, all(0x1.123b92p-7f * unit));
  q = fused(q, r, all(0x1.55545ep-5f * unit));
  q = fused(q, r, all(0x1.55548ep-3f * unit));
  q = fused(q, r, all(0.5f * unit));
  if constexpr (rounds_once) return factor * fused(fused(q, r, all(unit)), r, all(unit)) * scale;
  const V sum = all(1) + r, lost = r - (sum - all(1));
  return factor * (sum + (lost + r * r * q)) * scale * all(0x1p-64f);
}

/// eˣ - 1 for x <= 0.
template <class V>
__attribute__((always_inline)) static inline V expm1(V x) {
  const V held = at_least(all(-18), x);  // further down, -1
  const auto [n, scale] = power<0>(held);
  // One step is enough where it is exact: r is off by 2e-9 n at most, and only 2ⁿ r counts.
  const V r = rounds_once ? fused(n, all(-0x1.62e43p-1f), held) : rest(held, n);
  V q = fused(all(0x1.a17e52p-13f), r, all(0x1.6da7bep-10f));
  q = fused(q, r, all(0x1.1110acp-7f));
  q = fused(q, r, all(0x1.55547p-5f));
  q = fused(q, r, all(0x1.555556p-3f));
  q = fused(q, r, all(0.5f));
  return fused(scale, fused(r * r, q, r), scale - all(1));
}

// `kinked`: above or below is not 1. One of the parts above and below 0 is 0, and they are added; where neither has a factor,
// y is the larger one of x and eˣ - 1, of 0 for x > 0.
template <bool kinked, class V>
__attribute__((always_inline)) static inline void values_at(const ExpLinear& f, const float* x, float* y) {
  const Floats above = all(f.above), below = all(f.below), zero = {};
  const V v = load_as<V>(x), e = expm1(at_most(zero, v));
  if constexpr (kinked) {
    store(y, fused(below, e, above * at_least(zero, v)));
  } else {
    store(y, at_least(e, v));
  }
}

template <bool kinked, class V>
__attribute__((always_inline)) static inline void slopes_at(const ExpLinear& f, const float* g,
                                                            const float* x, float* dx) {
  const Floats above = all(f.above), below = all(f.below), zero = {};
  const V v = load_as<V>(x), of_g = load_as<V>(g);
  if constexpr (kinked) {
    store(dx, of_g * if_positive(v, above, exp(v, below)));
  } else {
    store(dx, of_g * exp(at_most(zero, v)));
  }
}

template <bool kinked>
static void values_of(const ExpLinear& f, const float* x, float* y, long count) {
  const ExpLinear factors = f;
  long i = 0;
  for (; i + 4 * lanes <= count; i += 4 * lanes) values_at<kinked, Four>(factors, x + i, y + i);
  for (; i < count; i += lanes) values_at<kinked, Floats>(factors, x + i, y + i);
}

template <bool kinked>
static void slopes_of(const ExpLinear& f, const float* g, const float* x, float* dx, long count) {
  const ExpLinear factors = f;
  long i = 0;
  for (; i + 4 * lanes <= count; i += 4 * lanes) slopes_at<kinked, Four>(factors, g + i, x + i, dx + i);
  for (; i < count; i += lanes) slopes_at<kinked, Floats>(factors, g + i, x + i, dx + i);
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
