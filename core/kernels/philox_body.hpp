#if RILL_LANES == 8

// One counter in each lane. A multiplication is two: of the lanes with even numbers, and of those with odd ones.
struct Counters {
  __m256i word[4];
};

static inline void multiply(__m256i x, std::uint64_t by, __m256i& high, __m256i& low) {
  const __m256i factor = _mm256_set1_epi64x(static_cast<long long>(by));
  const __m256i even = _mm256_mul_epu32(x, factor), odd = _mm256_mul_epu32(_mm256_srli_epi64(x, 32), factor);
  high = _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xaa);
  low = _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xaa);
}

static inline void round(Counters& c, __m256i key0, __m256i key1) {
  __m256i high0, low0, high1, low1;
  multiply(c.word[0], philox::m0, high0, low0);
  multiply(c.word[2], philox::m1, high1, low1);
  c.word[0] = _mm256_xor_si256(_mm256_xor_si256(high1, c.word[1]), key0);
  c.word[1] = low1;
  c.word[2] = _mm256_xor_si256(_mm256_xor_si256(high0, c.word[3]), key1);
  c.word[3] = low0;
}

static inline __m256i words(std::uint32_t x) { return _mm256_set1_epi32(static_cast<int>(x)); }

static inline void store_blocks(const Counters& c, std::uint32_t* to) {
  const __m256i a = _mm256_unpacklo_epi32(c.word[0], c.word[1]),
                b = _mm256_unpackhi_epi32(c.word[0], c.word[1]);
  const __m256i d = _mm256_unpacklo_epi32(c.word[2], c.word[3]),
                e = _mm256_unpackhi_epi32(c.word[2], c.word[3]);
  const __m256i of_0_4 = _mm256_unpacklo_epi64(a, d), of_1_5 = _mm256_unpackhi_epi64(a, d);
  const __m256i of_2_6 = _mm256_unpacklo_epi64(b, e), of_3_7 = _mm256_unpackhi_epi64(b, e);
  auto* out = reinterpret_cast<__m256i*>(to);
  _mm256_storeu_si256(out + 0, _mm256_permute2x128_si256(of_0_4, of_1_5, 0x20));
  _mm256_storeu_si256(out + 1, _mm256_permute2x128_si256(of_2_6, of_3_7, 0x20));
  _mm256_storeu_si256(out + 2, _mm256_permute2x128_si256(of_0_4, of_1_5, 0x31));
  _mm256_storeu_si256(out + 3, _mm256_permute2x128_si256(of_2_6, of_3_7, 0x31));
}

static void draw(const PhiloxBlocks& p, std::uint32_t* to) {
  constexpr long together = 2;  // whose instructions do not wait for each other
  for (long block = 0; block < philox_blocks; block += together * 8) {
    Counters c[together];
#pragma GCC unroll 2
    for (long i = 0; i < together; ++i) {
      const __m256i first = words(p.first + static_cast<std::uint32_t>(block + 8 * i));
      c[i] = {{_mm256_add_epi32(first, _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)), words(p.of[0]),
               words(p.of[1]), words(p.of[2])}};
    }
    std::uint32_t key0 = p.key[0], key1 = p.key[1];
    for (int n = 0; n < philox::rounds; ++n) {
#pragma GCC unroll 2
      for (long i = 0; i < together; ++i) round(c[i], words(key0), words(key1));
      key0 += philox::w0;
      key1 += philox::w1;
    }
#pragma GCC unroll 2
    for (long i = 0; i < together; ++i) store_blocks(c[i], to + 4 * (block + 8 * i));
  }
}

#else

// GCC makes vectors of loops over more than 16 lanes; fewer it unrolls, and then runs them one by one.
static void draw(const PhiloxBlocks& p, std::uint32_t* to) {
  std::uint32_t c[4][philox_blocks];
  for (long lane = 0; lane < philox_blocks; ++lane) {
    c[0][lane] = p.first + static_cast<std::uint32_t>(lane);
    for (int word = 1; word < 4; ++word) c[word][lane] = p.of[word - 1];
  }
  std::uint32_t key0 = p.key[0], key1 = p.key[1];
  for (int round = 0; round < philox::rounds; ++round) {
    for (long lane = 0; lane < philox_blocks; ++lane) {
      const std::uint64_t p0 = std::uint64_t{c[0][lane]} * philox::m0,
                          p1 = std::uint64_t{c[2][lane]} * philox::m1;
      c[0][lane] = static_cast<std::uint32_t>(p1 >> 32) ^ c[1][lane] ^ key0;
      c[1][lane] = static_cast<std::uint32_t>(p1);
      c[2][lane] = static_cast<std::uint32_t>(p0 >> 32) ^ c[3][lane] ^ key1;
      c[3][lane] = static_cast<std::uint32_t>(p0);
    }
    key0 += philox::w0;
    key1 += philox::w1;
  }
  for (long lane = 0; lane < philox_blocks; ++lane) {
    for (int word = 0; word < 4; ++word) to[4 * lane + word] = c[word][lane];
  }
}

#endif
