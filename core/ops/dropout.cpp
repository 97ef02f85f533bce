#include <algorithm>
#include <cmath>

#include <rill/core/elementwise.hpp>
#include <rill/core/kernels/philox.hpp>
#include <rill/core/ops/dropout.hpp>
#include <rill/core/parallel.hpp>
#include <rill/core/random.hpp>

namespace rill {
namespace ops {
namespace {

constexpr std::int64_t draws_at_once = 4 * kernels::philox_blocks;

// Draws first to first + draws_at_once - 1 of the stream of (seed, dropout, call); `first` is a multiple of 4.
void draw(std::uint64_t seed, std::uint64_t call, std::int64_t first, std::uint32_t* to) {
  const auto low = [](std::uint64_t x) { return static_cast<std::uint32_t>(x); };
  const kernels::PhiloxBlocks blocks{
      static_cast<std::uint32_t>(first / 4),
      {low(call), low(call >> 32), static_cast<std::uint32_t>(Purpose::dropout)},
      {low(seed), low(seed >> 32)}};
  kernels::draw_philox(blocks, to, isa());
}

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
  dispatch_floating(x.dtype(), name, [&]<class T>(T) {
    const T factor = p == 1 ? T(0) : static_cast<T>(1 / (1 - p));
    const T* in = x.data<T>().data();
    T* out = y.mutable_data<T>().data();
    parallel_ranges(y.numel(), detail::parallel_grain / 4, draws_at_once,
                    [=, *this](std::int64_t begin, std::int64_t end) {
                      for (std::int64_t first = begin; first < end; first += draws_at_once) {
                        std::uint32_t bits[draws_at_once];
                        draw(seed, call, first, bits);
                        const std::int64_t count = std::min(draws_at_once, end - first);
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
