// Random numbers from counters: Philox4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as
// 1, 2, 3", SC 2011).
//
// A Stream is named by (seed, purpose, epoch, index), so what it yields depends on nothing that ran before: the
// same for any number of threads, and after a resume. A Generator hands out streams one after the other, for code
// that draws in a fixed order (initialisers, rand, randn). No object here is shared between threads.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace rill {

namespace philox {
// The published multipliers and Weyl constants of Philox4x32.
constexpr std::uint64_t m0 = 0xD2511F53, m1 = 0xCD9E8D57;
constexpr std::uint32_t w0 = 0x9E3779B9, w1 = 0xBB67AE85;
constexpr int rounds = 10;
}  // namespace philox

/// One block of Philox4x32-10: 128 random bits for a 128-bit counter under a 64-bit key.
std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                        std::array<std::uint32_t, 2> key);

/// What a stream is for; streams of different purposes never meet.
enum class Purpose : std::uint32_t { user, init, shuffle, dropout, augment, digits, split, recycle };

class Stream {
 public:
  Stream(std::uint64_t seed, Purpose purpose, std::uint32_t epoch = 0, std::uint32_t index = 0);

  std::uint32_t next();                      ///< 32 random bits
  std::uint64_t below(std::uint64_t bound);  ///< uniform in [0, bound), unbiased; bound >= 1
  double uniform();                          ///< uniform in [0, 1), 53 bits
  double uniform(double low, double high);
  double normal();  ///< standard normal (Box-Muller)

 private:
  std::array<std::uint32_t, 2> key_;
  std::array<std::uint32_t, 4> counter_;
  std::array<std::uint32_t, 4> block_{};
  int used_ = 4;
  double spare_normal_ = 0;
  bool has_spare_ = false;
};

/// A seeded sequence of streams: the explicit source of randomness that initialisers and samplers take.
class Generator {
 public:
  explicit Generator(std::uint64_t seed) : seed_(seed) {}
  std::uint64_t seed() const { return seed_; }
  Stream stream(Purpose purpose);  ///< a stream that no earlier call has returned

 private:
  std::uint64_t seed_;
  std::uint64_t drawn_ = 0;
};

/// A random order of 0 … count - 1 (Fisher-Yates).
std::vector<std::int64_t> permutation(std::int64_t count, Stream stream);

}  // namespace rill
