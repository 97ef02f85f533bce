// The drawn digits: reproducible, balanced, legible to a simple classifier, but not trivial.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <set>
#include <span>
#include <vector>

#include <doctest/doctest.h>

#include <rill/core/error.hpp>
#include <rill/core/parallel.hpp>
#include <rill/nn/data/drawn_digits.hpp>

namespace {

using namespace rill;
using namespace rill::nn::data;

bool same(std::span<const std::uint8_t> a, std::span<const std::uint8_t> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

bool same(std::span<const std::int64_t> a, std::span<const std::int64_t> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

double ink_of(std::span<const std::uint8_t> image) {
  double ink = 0;
  for (const std::uint8_t pixel : image) ink += pixel / 255.0;
  return ink;
}

// The mean image of every class.
std::array<std::array<double, 784>, 10> class_means(const ImageDataset& set) {
  std::array<std::array<double, 784>, 10> means{};
  for (std::int64_t i = 0; i < set.size(); ++i) {
    auto& mean = means.at(static_cast<std::size_t>(set.labels()[static_cast<std::size_t>(i)]));
    const auto image = set.image(i);
    for (std::size_t k = 0; k < 784; ++k) mean[k] += image[k] * 10.0 / static_cast<double>(set.size());
  }
  return means;
}

std::int64_t nearest(const std::array<std::array<double, 784>, 10>& means,
                     std::span<const std::uint8_t> image) {
  std::int64_t best = 0;
  double least = std::numeric_limits<double>::infinity();
  for (std::size_t c = 0; c < 10; ++c) {
    double distance = 0;
    for (std::size_t k = 0; k < 784; ++k) distance += (image[k] - means[c][k]) * (image[k] - means[c][k]);
    if (distance < least) {
      least = distance;
      best = static_cast<std::int64_t>(c);
    }
  }
  return best;
}

TEST_CASE("threads: drawn digits are the same bits for 1, 2 and 3 threads") {
  const int before = num_threads();
  set_num_threads(1);
  const auto one = draw_digits(350, 11, true);
  for (const int threads : {2, 3}) {
    set_num_threads(threads);
    const auto many = draw_digits(350, 11, true);
    CHECK(same(one->pixels(), many->pixels()));
    CHECK(same(one->labels(), many->labels()));
  }
  set_num_threads(before);
}

TEST_CASE("drawn digits: a smaller set is the start of a larger one") {
  const auto large = draw_digits(300, 12, true);
  for (const std::int64_t count : {1, 7, 105, 299}) {
    const auto n = static_cast<std::size_t>(count);
    const auto small = draw_digits(count, 12, true);
    CHECK(same(small->pixels(), large->pixels().first(784 * n)));
    CHECK(same(small->labels(), large->labels().first(n)));
  }
}

TEST_CASE("drawn digits: every ten samples hold each digit once, in changing order") {
  const auto set = draw_digits(200, 13, true);
  std::set<std::vector<std::int64_t>> orders;
  for (std::size_t block = 0; block < 20; ++block) {
    const auto labels = set->labels().subspan(10 * block, 10);
    orders.emplace(labels.begin(), labels.end());
    CHECK(std::set<std::int64_t>(labels.begin(), labels.end()).size() == 10);
  }
  CHECK(orders.size() == 20);
}

TEST_CASE("drawn digits: shape, classes and options are MNIST's") {
  const auto set = draw_digits(10, 14, true, {.mean = 0.1307, .std = 0.3081});
  CHECK(set->size() == 10);
  CHECK(set->sample_shape() == Shape{28, 28});
  CHECK(set->classes() == 10);
  CHECK(set->options().mean == 0.1307);
  CHECK(set->options().std == 0.3081);
}

TEST_CASE("drawn digits: no image occurs twice, neither in training nor in test nor for another seed") {
  std::set<std::vector<std::uint8_t>> images;
  for (const std::uint64_t seed : {15, 16})
    for (const bool train : {true, false}) {
      const auto set = draw_digits(500, seed, train);
      for (std::int64_t i = 0; i < set->size(); ++i) {
        const auto image = set->image(i);
        images.emplace(image.begin(), image.end());
      }
    }
  CHECK(images.size() == 2000);
}

TEST_CASE("drawn digits: ink is about as much as MNIST's, and within limits in every image") {
  const auto set = draw_digits(2000, 17, true);
  double sum = 0, squares = 0, least = 784, most = 0;
  for (std::int64_t i = 0; i < set->size(); ++i) {
    const double ink = ink_of(set->image(i));
    least = std::min(least, ink);
    most = std::max(most, ink);
  }
  for (const std::uint8_t pixel : set->pixels()) {
    sum += pixel / 255.0;
    squares += pixel / 255.0 * (pixel / 255.0);
  }
  const double n = static_cast<double>(set->pixels().size()), mean = sum / n;
  CHECK(mean > 0.11);  // MNIST: 0.1307
  CHECK(mean < 0.15);
  CHECK(squares / n - mean * mean > 0.26 * 0.26);  // MNIST: 0.3081 squared
  CHECK(squares / n - mean * mean < 0.34 * 0.34);
  CHECK(least > 15);
  CHECK(most < 300);
}

TEST_CASE("drawn digits: every image is bright somewhere, black at the border and centred by its ink") {
  const auto set = draw_digits(1000, 18, false);
  double border = 0;
  for (std::int64_t i = 0; i < set->size(); ++i) {
    const auto image = set->image(i);
    CHECK(*std::max_element(image.begin(), image.end()) >= 170);
    double x = 0, y = 0;
    for (std::size_t k = 0; k < 784; ++k) {
      const std::size_t row = k / 28, column = k % 28;
      x += static_cast<double>(column) * image[k];
      y += static_cast<double>(row) * image[k];
      if (row == 0 || row == 27 || column == 0 || column == 27) border += image[k] / 255.0;
    }
    const double ink = 255 * ink_of(image);
    CHECK(std::abs(x / ink - 13.5) < 2.5);
    CHECK(std::abs(y / ink - 13.5) < 2.5);
  }
  CHECK(border / 1000 < 0.05);
}

TEST_CASE("drawn digits: nearest class mean is far better than chance, and far from perfect") {
  const auto train = draw_digits(2000, 19, true), test = draw_digits(500, 19, false);
  const auto means = class_means(*train);
  std::int64_t right = 0;
  for (std::int64_t i = 0; i < test->size(); ++i)
    right += nearest(means, test->image(i)) == test->labels()[static_cast<std::size_t>(i)] ? 1 : 0;
  CHECK(right > 350);  // MNIST's own share is 82 %
  CHECK(right < 465);
}

TEST_CASE("drawn digits: a count out of range is refused") {
  CHECK_THROWS_WITH_AS(draw_digits(0, 1, true), "draw_digits: count is 0, expected 1 to 10000000", Error);
  CHECK_THROWS_WITH_AS(draw_digits(-3, 1, true), "draw_digits: count is -3, expected 1 to 10000000", Error);
  CHECK_THROWS_WITH_AS(draw_digits(10'000'001, 1, true),
                       "draw_digits: count is 10000001, expected 1 to 10000000", Error);
}

}  // namespace
