typedef float HalfFloats __attribute__((vector_size(2 * RILL_LANES)));
typedef double Doubles __attribute__((vector_size(4 * RILL_LANES)));

constexpr long vectors = 8 / lanes;  // that hold 8 elements

static inline void add(Floats x, Doubles (&to)[2]) {
  HalfFloats halves[2];
  __builtin_memcpy(halves, &x, sizeof(x));
#if RILL_LANES == 8
  to[0] += reinterpret_cast<Doubles>(_mm256_cvtps_pd(reinterpret_cast<__m128>(halves[0])));
  to[1] += reinterpret_cast<Doubles>(_mm256_cvtps_pd(reinterpret_cast<__m128>(halves[1])));
#else
  to[0] += __builtin_convertvector(halves[0], Doubles);
  to[1] += __builtin_convertvector(halves[1], Doubles);
#endif
}

static double slopes(float slope, const float* g, const float* x, float* dx, long count) {
  const Floats below = all(slope), one = all(1);
  Doubles sums[vectors][2] = {};
  const long whole = count / 8 * 8;
  for (long i = 0; i < whole; i += 8) {
#pragma GCC unroll 2
    for (long v = 0; v < vectors; ++v) {
      const Floats from = load(x + i + v * lanes), of = load(g + i + v * lanes);
      const Ints positive = from > 0;
      store(dx + i + v * lanes, of * (positive ? one : below));
      add(reinterpret_cast<Floats>(~positive & reinterpret_cast<Ints>(of * from)), sums[v]);
    }
  }
  double eight[8];
  __builtin_memcpy(eight, sums, sizeof(eight));
  for (long i = whole; i < count; ++i) {
    const bool positive = x[i] > 0;
    const float term = positive ? 0 : g[i] * x[i];
    dx[i] = g[i] * (positive ? 1 : slope);
    eight[i - whole] += static_cast<double>(term);
  }
  return ((eight[0] + eight[4]) + (eight[1] + eight[5])) + ((eight[2] + eight[6]) + (eight[3] + eight[7]));
}
