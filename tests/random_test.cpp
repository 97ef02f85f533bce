// core/random.hpp: Philox against its published numbers, and the distributions built on it.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <set>
#include <vector>

#include <doctest/doctest.h>

#include <rill/core/random.hpp>

namespace {

using namespace rill;
using Counter = std::array<std::uint32_t, 4>;

std::array<std::uint32_t, 4> first_four(Stream stream) {
  return {stream.next(), stream.next(), stream.next(), stream.next()};
}

// Sample moments: mean, variance, third and fourth about the mean.
std::array<double, 4> moments(const std::vector<double>& values) {
  const double n = static_cast<double>(values.size());
  double mean = 0;
  for (const double value : values) mean += value / n;
  std::array<double, 4> result{mean, 0, 0, 0};
  for (const double value : values) {
    const double d = value - mean;
    result[1] += d * d / n;
    result[2] += d * d * d / n;
    result[3] += d * d * d * d / n;
  }
  return result;
}

// Random123's kat_vectors, philox4x32 10.
TEST_CASE("random: philox yields the published numbers") {
  constexpr std::uint32_t ones = 0xffffffff;
  CHECK(philox4x32({0, 0, 0, 0}, {0, 0}) == Counter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(philox4x32({ones, ones, ones, ones}, {ones, ones}) ==
        Counter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        Counter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("random: a stream is philox at successive counters") {
  Stream stream(0x0123456789abcdef, Purpose::dropout, 7, 9);
  for (std::uint32_t block = 0; block < 3; ++block) {
    const Counter expected = philox4x32({block, 9, 7, 3}, {0x89abcdef, 0x01234567});
    for (const std::uint32_t number : expected) CHECK(stream.next() == number);
  }
}

TEST_CASE("random: streams of another seed, purpose, epoch or index differ") {
  std::set<Counter> seen;
  std::size_t streams = 0;
  for (const std::uint64_t seed : {0ULL, 1ULL, 1ULL << 32})
    for (const Purpose purpose : {Purpose::user, Purpose::init, Purpose::shuffle, Purpose::dropout,
                                  Purpose::augment, Purpose::digits, Purpose::split})
      for (const std::uint32_t epoch : {0U, 1U, 2U})
        for (const std::uint32_t index : {0U, 1U, 2U}) {
          seen.insert(first_four(Stream(seed, purpose, epoch, index)));
          ++streams;
        }
  CHECK(seen.size() == streams);
}

TEST_CASE("random: a generator never hands out a stream twice, and repeats itself for the same seed") {
  Generator a(5), b(5);
  std::set<Counter> seen;
  for (int i = 0; i < 100; ++i) {
    const auto numbers = first_four(a.stream(Purpose::init));
    CHECK(numbers == first_four(b.stream(Purpose::init)));
    seen.insert(numbers);
  }
  CHECK(seen.size() == 100);
}

TEST_CASE("random: uniform has the moments of [0, 1)") {
  Stream stream(1, Purpose::user);
  std::vector<double> values(200000);
  for (double& value : values) value = stream.uniform();
  CHECK(*std::min_element(values.begin(), values.end()) >= 0);
  CHECK(*std::max_element(values.begin(), values.end()) < 1);
  const auto [mean, variance, third, fourth] = moments(values);
  CHECK(std::abs(mean - 0.5) < 0.003);  // four standard errors or more, here and below
  CHECK(std::abs(variance - 1.0 / 12) < 0.001);
  CHECK(std::abs(third) < 0.0005);
  CHECK(std::abs(fourth - 1.0 / 80) < 0.0003);
}

TEST_CASE("random: uniform(low, high) stays inside and reaches both ends") {
  Stream stream(2, Purpose::user);
  double low = 10, high = -10;
  for (int i = 0; i < 10000; ++i) {
    const double value = stream.uniform(-3, 5);
    low = std::min(low, value);
    high = std::max(high, value);
  }
  CHECK(low >= -3);
  CHECK(low < -2.98);
  CHECK(high < 5);
  CHECK(high > 4.98);
}

TEST_CASE("random: normal has the moments and the tails of the standard normal distribution") {
  Stream stream(3, Purpose::user);
  std::vector<double> values(200000);
  for (double& value : values) value = stream.normal();
  const auto [mean, variance, third, fourth] = moments(values);
  CHECK(std::abs(mean) < 0.01);
  CHECK(std::abs(variance - 1) < 0.015);
  CHECK(std::abs(third) < 0.04);
  CHECK(std::abs(fourth - 3) < 0.1);
  const auto beyond =
      std::count_if(values.begin(), values.end(), [](double v) { return std::abs(v) > 1.96; });
  CHECK(std::abs(static_cast<double>(beyond) / 200000 - 0.05) < 0.002);
}

TEST_CASE("random: successive normals are not correlated") {
  Stream stream(4, Purpose::user);
  double product = 0, last = stream.normal();
  for (int i = 0; i < 100000; ++i) {
    const double value = stream.normal();
    product += last * value / 100000;
    last = value;
  }
  CHECK(std::abs(product) < 0.015);
}

TEST_CASE("random: below is uniform for a bound that divides nothing") {
  Stream stream(5, Purpose::user);
  std::array<int, 7> counts{};
  for (int i = 0; i < 70000; ++i) ++counts.at(stream.below(7));
  double chi_squared = 0;
  for (const int count : counts) chi_squared += (count - 10000.0) * (count - 10000.0) / 10000.0;
  CHECK(chi_squared < 22.5);  // 6 degrees of freedom, p = 0.001
}

TEST_CASE("random: below rejects the values that would favour small numbers") {
  // With 3 * 2^62 a plain product or remainder would make a third of the numbers twice as likely.
  Stream stream(6, Purpose::user);
  const std::uint64_t third = std::uint64_t{1} << 62;
  std::array<int, 3> counts{};
  for (int i = 0; i < 30000; ++i) {
    const std::uint64_t value = stream.below(3 * third);
    REQUIRE(value < 3 * third);
    ++counts[value % 3];
  }
  for (const int count : counts) CHECK(std::abs(count - 10000) < 400);
}

TEST_CASE("random: below(1) is 0") {
  Stream stream(7, Purpose::user);
  for (int i = 0; i < 10; ++i) CHECK(stream.below(1) == 0);
}

TEST_CASE("random: a permutation of fewer than no numbers is refused") {
  CHECK_THROWS_WITH_AS(permutation(-1, Stream(8, Purpose::shuffle)),
                       "permutation: count is -1, expected 0 or more", Error);
}

TEST_CASE("random: a permutation holds every number once") {
  for (const std::int64_t count : {0, 1, 2, 10, 1000}) {
    std::vector<std::int64_t> order = permutation(count, Stream(8, Purpose::shuffle));
    REQUIRE(std::ssize(order) == count);
    std::sort(order.begin(), order.end());
    for (std::int64_t i = 0; i < count; ++i) CHECK(order[static_cast<std::size_t>(i)] == i);
  }
}

TEST_CASE("random: all orders of three are equally likely") {
  std::array<int, 27> counts{};
  for (std::uint32_t i = 0; i < 12000; ++i) {
    const auto order = permutation(3, Stream(9, Purpose::shuffle, 0, i));
    ++counts.at(static_cast<std::size_t>(9 * order[0] + 3 * order[1] + order[2]));
  }
  int used = 0;
  for (const int count : counts) {
    if (count == 0) continue;
    ++used;
    CHECK(std::abs(count - 2000) < 165);  // four standard deviations
  }
  CHECK(used == 6);
}

}  // namespace
