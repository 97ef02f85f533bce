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
