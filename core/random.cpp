#include <cmath>
#include <numbers>
#include <numeric>
#include <utility>

#include <rill/core/error.hpp>
#include <rill/core/random.hpp>

namespace rill {

std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                        std::array<std::uint32_t, 2> key) {
  using namespace philox;
  for (int round = 0; round < rounds; ++round) {
    const std::uint64_t p0 = m0 * counter[0], p1 = m1 * counter[2];
    counter = {static_cast<std::uint32_t>(p1 >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(p1),
               static_cast<std::uint32_t>(p0 >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(p0)};
    key[0] += w0;
    key[1] += w1;
  }
  return counter;
}

Stream::Stream(std::uint64_t seed, Purpose purpose, std::uint32_t epoch, std::uint32_t index)
    : key_{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)},
      counter_{0, index, epoch, static_cast<std::uint32_t>(purpose)} {}

std::uint32_t Stream::next() {
  if (used_ == 4) {
    block_ = philox4x32(counter_, key_);
    // A stream repeats after 2^34 numbers.
    ++counter_[0];
    used_ = 0;
  }
  return block_[static_cast<std::size_t>(used_++)];
}

std::uint64_t Stream::below(std::uint64_t bound) {
  // Lemire, "Fast random integer generation in an interval", 2019: reject the few values that would be unfair.
  __extension__ using Wide = unsigned __int128;
  const auto draw = [this] {
    const std::uint64_t high = next();
    return high << 32 | next();
  };
  auto product = static_cast<Wide>(draw()) * bound;
  if (static_cast<std::uint64_t>(product) < bound) {
    const std::uint64_t threshold = -bound % bound;
    while (static_cast<std::uint64_t>(product) < threshold) product = static_cast<Wide>(draw()) * bound;
  }
  return static_cast<std::uint64_t>(product >> 64);
}

double Stream::uniform() {
  const std::uint64_t high = next();
  return static_cast<double>((high << 32 | next()) >> 11) * 0x1p-53;
}

double Stream::uniform(double low, double high) { return low + (high - low) * uniform(); }

double Stream::normal() {
  if (std::exchange(has_spare_, false)) return spare_normal_;
  const double radius = std::sqrt(-2 * std::log(1 - uniform()));
  const double angle = 2 * std::numbers::pi * uniform();
  spare_normal_ = radius * std::sin(angle);
  has_spare_ = true;
  return radius * std::cos(angle);
}

Stream Generator::stream(Purpose purpose) {
  const std::uint64_t number = drawn_++;
  return Stream(seed_, purpose, static_cast<std::uint32_t>(number >> 32), static_cast<std::uint32_t>(number));
}

std::vector<std::int64_t> permutation(std::int64_t count, Stream stream) {
  RILL_CHECK(count >= 0, "permutation: count is ", count, ", expected 0 or more");
  std::vector<std::int64_t> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), 0);
  for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[stream.below(i)]);
  return order;
}

}  // namespace rill
