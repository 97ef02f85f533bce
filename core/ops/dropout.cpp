#include <algorithm>
#include <cmath>

#include <rill/core/elementwise.hpp>
#include <rill/core/ops/dropout.hpp>
#include <rill/core/parallel.hpp>
#include <rill/core/random.hpp>

namespace rill {
namespace ops {
namespace {

// Draws of neighbouring blocks of Philox side by side, four a block, so that their rounds are vectorised. GCC does that
// for more than 16 lanes; fewer it unrolls, and then runs them one by one.
class Draws {
 public:
  static constexpr int lanes = 32, count = 4 * lanes;

  Draws(std::uint64_t seed, std::uint64_t call)
      : key_{low(seed), high(seed)}, index_(low(call)), epoch_(high(call)) {}

  // Draws first to first + count - 1 of the stream; `first` is a multiple of 4.
  void operator()(std::int64_t first, std::uint32_t* to) const {
    std::uint32_t c[4][lanes];
    for (int lane = 0; lane < lanes; ++lane) {
      c[0][lane] = static_cast<std::uint32_t>(first / 4) + static_cast<std::uint32_t>(lane);
      c[1][lane] = index_;
      c[2][lane] = epoch_;
      c[3][lane] = static_cast<std::uint32_t>(Purpose::dropout);
    }
    std::uint32_t key0 = key_[0], key1 = key_[1];
    for (int round = 0; round < philox::rounds; ++round) {
      for (int lane = 0; lane < lanes; ++lane) {
        const std::uint64_t p0 = std::uint64_t{c[0][lane]} * philox::m0,
                            p1 = std::uint64_t{c[2][lane]} * philox::m1;
        c[0][lane] = high(p1) ^ c[1][lane] ^ key0;
        c[1][lane] = low(p1);
        c[2][lane] = high(p0) ^ c[3][lane] ^ key1;
        c[3][lane] = low(p0);
      }
      key0 += philox::w0;
      key1 += philox::w1;
    }
    for (int lane = 0; lane < lanes; ++lane) {
      for (int word = 0; word < 4; ++word) to[4 * lane + word] = c[word][lane];
    }
  }

 private:
  static std::uint32_t low(std::uint64_t x) { return static_cast<std::uint32_t>(x); }
  static std::uint32_t high(std::uint64_t x) { return static_cast<std::uint32_t>(x >> 32); }
  std::uint32_t key_[2], index_, epoch_;
};

}  // namespace

Meta Dropout::infer(const Tensor& x) const {
  RILL_CHECK(p >= 0 && p <= 1, name, ": p is ", p, ", expected 0 to 1");
  RILL_CHECK(is_floating(x.dtype()), name, ": x is ", x.dtype(), ", expected f32 or f64");
  RILL_CHECK(x.numel() < std::int64_t{1} << 34, name, ": x is ", x.shape(),
             ", expected fewer than 2^34 elements");
  return {x.shape(), x.dtype()};
}

void Dropout::forward(const Tensor& x, Tensor& y) const {
  // An element is kept if its 32 random bits are `threshold` or more. For p = 1 they do not matter: the factor is 0.
  const auto threshold = static_cast<std::uint32_t>(std::min(std::round(p * 0x1p32), 0x1p32 - 1));
  const Draws draws(seed, call);
  dispatch_floating(x.dtype(), name, [&]<class T>(T) {
    const T factor = p == 1 ? T(0) : static_cast<T>(1 / (1 - p));
    const T* in = x.data<T>().data();
    T* out = y.mutable_data<T>().data();
    parallel_ranges(y.numel(), detail::parallel_grain / 4, Draws::count,
                    [=](std::int64_t begin, std::int64_t end) {
                      for (std::int64_t first = begin; first < end; first += Draws::count) {
                        std::uint32_t bits[Draws::count];
                        draws(first, bits);
                        const std::int64_t count = std::min<std::int64_t>(Draws::count, end - first);
                        const T* from = in + first;
                        T* to = out + first;
                        detail::independent_loop(0, count, [=, drawn = &bits[0]](std::int64_t i) {
                          to[i] = from[i] * (drawn[i] >= threshold ? factor : T(0));
                        });
                      }
                    });
  });
}

std::vector<Sample<Dropout>> Dropout::samples() {
  return {{{0.5, 1, 0}, {{{7}}}},    {{0.25, 1, 1}, {{{3, 5}}}}, {{0.5, 2, 3}, {{{2, 3, 4}}}},
          {{0.0, 1, 0}, {{{3, 4}}}}, {{1.0, 1, 0}, {{{4}}}},     {{0.5, 1, 0}, {{{0, 3}}}}};
}

}  // namespace ops

Tensor dropout(const Tensor& x, double p, std::uint64_t seed, std::uint64_t call) {
  return apply(ops::Dropout{p, seed, call}, x);
}

}  // namespace rill
