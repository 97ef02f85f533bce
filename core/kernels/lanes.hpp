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
#if RILL_LANES == 8
static inline Floats fused(Floats a, Floats b, Floats c) {
  return reinterpret_cast<Floats>(
      _mm256_fmadd_ps(reinterpret_cast<__m256>(a), reinterpret_cast<__m256>(b), reinterpret_cast<__m256>(c)));
}
#else
static inline Floats fused(Floats a, Floats b, Floats c) { return a * b + c; }
#endif

/// Rows to columns: lane j of x[i] and lane i of x[j] change places.
static inline void transpose(Floats (&x)[lanes]) {
#if RILL_LANES == 8
  Floats pairs[8];
#pragma GCC unroll 4
  for (int i = 0; i < 8; i += 2) {
    pairs[i] = __builtin_shufflevector(x[i], x[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
    pairs[i + 1] = __builtin_shufflevector(x[i], x[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
  }
  Floats fours[8];
#pragma GCC unroll 4
  for (int i = 0; i < 8; i += 4) {
    fours[i] = __builtin_shufflevector(pairs[i], pairs[i + 2], 0, 1, 8, 9, 4, 5, 12, 13);
    fours[i + 1] = __builtin_shufflevector(pairs[i], pairs[i + 2], 2, 3, 10, 11, 6, 7, 14, 15);
    fours[i + 2] = __builtin_shufflevector(pairs[i + 1], pairs[i + 3], 0, 1, 8, 9, 4, 5, 12, 13);
    fours[i + 3] = __builtin_shufflevector(pairs[i + 1], pairs[i + 3], 2, 3, 10, 11, 6, 7, 14, 15);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    x[i] = __builtin_shufflevector(fours[i], fours[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
    x[i + 4] = __builtin_shufflevector(fours[i], fours[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
  }
#else
  const Floats a = __builtin_shufflevector(x[0], x[1], 0, 4, 1, 5);
  const Floats b = __builtin_shufflevector(x[0], x[1], 2, 6, 3, 7);
  const Floats c = __builtin_shufflevector(x[2], x[3], 0, 4, 1, 5);
  const Floats d = __builtin_shufflevector(x[2], x[3], 2, 6, 3, 7);
  x[0] = __builtin_shufflevector(a, c, 0, 1, 4, 5);
  x[1] = __builtin_shufflevector(a, c, 2, 3, 6, 7);
  x[2] = __builtin_shufflevector(b, d, 0, 1, 4, 5);
  x[3] = __builtin_shufflevector(b, d, 2, 3, 6, 7);
#endif
}

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
