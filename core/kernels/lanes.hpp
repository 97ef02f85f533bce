// RILL_LANES floats side by side, by the compilers' vector types: + - * / and comparisons work lane by lane, and
// `mask ? a : b` chooses. Included by each_isa.hpp inside of a namespace for each instruction set; hence no #pragma once.

typedef float Floats __attribute__((vector_size(4 * RILL_LANES)));
typedef int Ints __attribute__((vector_size(4 * RILL_LANES)));  // what comparisons give: 0 or -1
typedef float LooseFloats __attribute__((vector_size(4 * RILL_LANES), aligned(4), may_alias));

constexpr long lanes = RILL_LANES;

static inline Floats load(const float* p) { return *reinterpret_cast<const LooseFloats*>(p); }
static inline void store(float* p, Floats x) { *reinterpret_cast<LooseFloats*>(p) = x; }
static inline Floats all(float x) { return x - Floats{}; }

/// a · b + c: rounded once where the instruction set has it, twice in plain code.
#if RILL_LANES == 16
static inline Floats fused(Floats a, Floats b, Floats c) {
  return reinterpret_cast<Floats>(
      _mm512_fmadd_ps(reinterpret_cast<__m512>(a), reinterpret_cast<__m512>(b), reinterpret_cast<__m512>(c)));
}
#elif RILL_LANES == 8
static inline Floats fused(Floats a, Floats b, Floats c) {
  return reinterpret_cast<Floats>(
      _mm256_fmadd_ps(reinterpret_cast<__m256>(a), reinterpret_cast<__m256>(b), reinterpret_cast<__m256>(c)));
}
#else
static inline Floats fused(Floats a, Floats b, Floats c) { return a * b + c; }
#endif

#if RILL_LANES >= 8
/// Of each four lanes of x and the same ones of y, 0 to 3 and 4 to 7: a, b, c and d.
template <int a, int b, int c, int d>
static inline Floats of_fours(Floats x, Floats y) {
#define RILL_LANE(i, at) ((i) < 4 ? (i) + (at) : (i)-4 + (at) + RILL_LANES)
#define RILL_FOUR(at) RILL_LANE(a, at), RILL_LANE(b, at), RILL_LANE(c, at), RILL_LANE(d, at)
#if RILL_LANES == 16
  return __builtin_shufflevector(x, y, RILL_FOUR(0), RILL_FOUR(4), RILL_FOUR(8), RILL_FOUR(12));
#else
  return __builtin_shufflevector(x, y, RILL_FOUR(0), RILL_FOUR(4));
#endif
#undef RILL_FOUR
#undef RILL_LANE
}

// The same shuffle of both halves, where there are two.
#if RILL_LANES == 16
#define RILL_OF_HALF(i) ((i) < 8 ? (i) : (i) + 8)
#define RILL_SHUFFLE(x, y, a, b, c, d, e, f, g, h)                                                  \
  __builtin_shufflevector(x, y, RILL_OF_HALF(a), RILL_OF_HALF(b), RILL_OF_HALF(c), RILL_OF_HALF(d), \
                          RILL_OF_HALF(e), RILL_OF_HALF(f), RILL_OF_HALF(g), RILL_OF_HALF(h),       \
                          RILL_OF_HALF(a) + 8, RILL_OF_HALF(b) + 8, RILL_OF_HALF(c) + 8,            \
                          RILL_OF_HALF(d) + 8, RILL_OF_HALF(e) + 8, RILL_OF_HALF(f) + 8,            \
                          RILL_OF_HALF(g) + 8, RILL_OF_HALF(h) + 8)
#else
#define RILL_SHUFFLE(x, y, a, b, c, d, e, f, g, h) __builtin_shufflevector(x, y, a, b, c, d, e, f, g, h)
#endif

/// Rows to columns: lane j of x[i] and lane i of x[j] change places; of 16 lanes, in each half.
static inline void transpose(Floats (&x)[8]) {
  Floats pairs[8];
#pragma GCC unroll 4
  for (int i = 0; i < 8; i += 2) {
    pairs[i] = of_fours<0, 4, 1, 5>(x[i], x[i + 1]);
    pairs[i + 1] = of_fours<2, 6, 3, 7>(x[i], x[i + 1]);
  }
  Floats fours[8];
#pragma GCC unroll 4
  for (int i = 0; i < 8; i += 4) {
    fours[i] = of_fours<0, 1, 4, 5>(pairs[i], pairs[i + 2]);
    fours[i + 1] = of_fours<2, 3, 6, 7>(pairs[i], pairs[i + 2]);
    fours[i + 2] = of_fours<0, 1, 4, 5>(pairs[i + 1], pairs[i + 3]);
    fours[i + 3] = of_fours<2, 3, 6, 7>(pairs[i + 1], pairs[i + 3]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    x[i] = RILL_SHUFFLE(fours[i], fours[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
    x[i + 4] = RILL_SHUFFLE(fours[i], fours[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
  }
}
#undef RILL_SHUFFLE
#undef RILL_OF_HALF
#else
/// Rows to columns: lane j of x[i] and lane i of x[j] change places.
static inline void transpose(Floats (&x)[4]) {
  const Floats a = __builtin_shufflevector(x[0], x[1], 0, 4, 1, 5);
  const Floats b = __builtin_shufflevector(x[0], x[1], 2, 6, 3, 7);
  const Floats c = __builtin_shufflevector(x[2], x[3], 0, 4, 1, 5);
  const Floats d = __builtin_shufflevector(x[2], x[3], 2, 6, 3, 7);
  x[0] = __builtin_shufflevector(a, c, 0, 1, 4, 5);
  x[1] = __builtin_shufflevector(a, c, 2, 3, 6, 7);
  x[2] = __builtin_shufflevector(b, d, 0, 1, 4, 5);
  x[3] = __builtin_shufflevector(b, d, 2, 3, 6, 7);
}
#endif

#if RILL_LANES < 16
/// Lane i of the result is the sum of the lanes of x[i].
static inline Floats sums_of(const Floats (&x)[lanes]) {
#if RILL_LANES == 8
  Floats pairs[4], fours[2];
#pragma GCC unroll 4
  for (long i = 0; i < 4; ++i) {
    pairs[i] = __builtin_shufflevector(x[2 * i], x[2 * i + 1], 0, 8, 2, 10, 4, 12, 6, 14) +
               __builtin_shufflevector(x[2 * i], x[2 * i + 1], 1, 9, 3, 11, 5, 13, 7, 15);
  }
#pragma GCC unroll 2
  for (long i = 0; i < 2; ++i) {
    fours[i] = __builtin_shufflevector(pairs[2 * i], pairs[2 * i + 1], 0, 1, 8, 9, 4, 5, 12, 13) +
               __builtin_shufflevector(pairs[2 * i], pairs[2 * i + 1], 2, 3, 10, 11, 6, 7, 14, 15);
  }
  return __builtin_shufflevector(fours[0], fours[1], 0, 1, 2, 3, 8, 9, 10, 11) +
         __builtin_shufflevector(fours[0], fours[1], 4, 5, 6, 7, 12, 13, 14, 15);
#else
  Floats y[4] = {x[0], x[1], x[2], x[3]};
  transpose(y);
  return (y[0] + y[1]) + (y[2] + y[3]);
#endif
}
#endif
