// core/shape: sizes, limits, axes and broadcasting.

#include <cstdint>
#include <sstream>
#include <vector>

#include <doctest/doctest.h>

#include <rill/core/error.hpp>
#include <rill/core/shape.hpp>

namespace {

using rill::broadcast_shapes;
using rill::Error;
using rill::Shape;

TEST_CASE("shape: the default is a scalar of one element") {
  const Shape shape;
  CHECK(shape.rank() == 0);
  CHECK(shape.numel() == 1);
  CHECK(shape == Shape{});
  CHECK(shape.sizes().empty());
}

TEST_CASE("shape: sizes, rank and number of elements") {
  const Shape shape{2, 3, 4};
  CHECK(shape.rank() == 3);
  CHECK(shape.numel() == 24);
  CHECK(shape[0] == 2);
  CHECK(shape[2] == 4);
  CHECK(std::vector<std::int64_t>(shape.begin(), shape.end()) == std::vector<std::int64_t>{2, 3, 4});
}

TEST_CASE("shape: at counts from either end and refuses what is outside") {
  const Shape shape{2, 3, 4};
  CHECK(shape.at(0) == 2);
  CHECK(shape.at(-1) == 4);
  CHECK(shape.at(-3) == 2);
  CHECK_THROWS_WITH_AS(shape.at(3), "shape: axis 3 is out of range for shape [2, 3, 4], expected -3 to 2",
                       Error);
  CHECK_THROWS_WITH_AS(shape.at(-4), "shape: axis -4 is out of range for shape [2, 3, 4], expected -3 to 2",
                       Error);
  CHECK_THROWS_WITH_AS(Shape{}.at(0),
                       "shape: axis 0 is out of range for shape [], expected none, the tensor is a scalar",
                       Error);
}

TEST_CASE("shape: a size of zero makes it empty") {
  CHECK(Shape{0}.numel() == 0);
  CHECK(Shape{3, 0, 4}.numel() == 0);
}

TEST_CASE("shape: equality takes rank and every size") {
  CHECK(Shape{2, 3} == Shape{2, 3});
  CHECK_FALSE(Shape{2, 3} == Shape{3, 2});
  CHECK_FALSE(Shape{2} == Shape{2, 1});
  CHECK_FALSE(Shape{} == Shape{1});
  CHECK_FALSE(Shape{} == Shape{0});
  CHECK_FALSE(Shape{0, 3} == Shape{3, 0});
}

TEST_CASE("shape: negative sizes are refused") {
  CHECK_THROWS_WITH_AS(Shape({2, -1}), "shape: size -1 at dimension 1, expected 0 or more", Error);
  CHECK_THROWS_AS(Shape({INT64_MIN}), Error);
}

TEST_CASE("shape: eight dimensions are allowed, nine are refused") {
  CHECK(Shape{1, 2, 1, 2, 1, 2, 1, 2}.numel() == 16);
  CHECK_THROWS_WITH_AS(Shape({1, 1, 1, 1, 1, 1, 1, 1, 1}), "shape: 9 dimensions, expected at most 8", Error);
}

TEST_CASE("shape: 2^60 elements are refused, one less is allowed") {
  const std::int64_t limit = std::int64_t{1} << 60;
  CHECK(Shape{limit - 1}.numel() == limit - 1);
  CHECK_THROWS_WITH_AS(Shape({limit}),
                       "shape: [1152921504606846976] has too many elements, expected fewer than 2^60", Error);
  CHECK_THROWS_AS(Shape({INT64_MAX}), Error);
}

TEST_CASE("shape: a product that overflows is refused, however it wraps") {
  CHECK_THROWS_WITH_AS(Shape({65536, 65536, 65536, 65536}),
                       "shape: [65536, 65536, 65536, 65536] has too many elements, expected fewer than 2^60",
                       Error);
  CHECK_THROWS_AS(Shape({INT64_MAX, INT64_MAX}), Error);
  CHECK_THROWS_AS(Shape({std::int64_t{1} << 32, std::int64_t{1} << 32, 3}), Error);
}

TEST_CASE("shape: it prints as a list") {
  std::ostringstream out;
  out << Shape{32, 784} << Shape{} << Shape{0};
  CHECK(out.str() == "[32, 784][][0]");
}

TEST_CASE("shape: normalize_axis names its caller") {
  CHECK(rill::normalize_axis(-1, Shape{2, 3}, "sum") == 1);
  CHECK(rill::normalize_axis(1, Shape{2, 3}, "sum") == 1);
  CHECK_THROWS_WITH_AS(rill::normalize_axis(2, Shape{2, 3}, "sum"),
                       "sum: axis 2 is out of range for shape [2, 3], expected -2 to 1", Error);
}

TEST_CASE("shape: broadcasting aligns at the end and stretches sizes of 1") {
  struct Case {
    Shape a, b, result;
  };
  const Case cases[] = {
      {{3, 4}, {3, 4}, {3, 4}},
      {{3, 4}, {4}, {3, 4}},
      {{3, 1}, {1, 4}, {3, 4}},
      {{}, {2, 2}, {2, 2}},
      {{}, {}, {}},
      {{1}, {5}, {5}},
      {{2, 1, 3}, {4, 1}, {2, 4, 3}},
      {{0, 3}, {3}, {0, 3}},
      {{0, 3}, {1, 3}, {0, 3}},
      {{0}, {1}, {0}},
      {{1, 1, 1}, {1}, {1, 1, 1}},
  };
  for (const auto& [a, b, result] : cases) {
    CHECK(broadcast_shapes(a, b, "add") == result);
    CHECK(broadcast_shapes(b, a, "add") == result);
  }
}

TEST_CASE("shape: shapes that do not broadcast are refused, naming the dimension") {
  CHECK_THROWS_WITH_AS(
      broadcast_shapes({3, 4}, {3}, "add"),
      "add: shapes [3, 4] and [3] do not broadcast, expected equal sizes or 1 at dimension -1 (4 "
      "and 3)",
      Error);
  CHECK_THROWS_WITH_AS(broadcast_shapes({2, 3, 4}, {3, 3, 4}, "mul"),
                       "mul: shapes [2, 3, 4] and [3, 3, 4] do not broadcast, expected equal sizes or 1 at "
                       "dimension -3 (2 and 3)",
                       Error);
  CHECK_THROWS_AS(broadcast_shapes({0}, {2}, "add"), Error);
}

TEST_CASE("shape: a broadcast with too many elements is refused") {
  const std::int64_t large = std::int64_t{1} << 40;
  CHECK_THROWS_AS(broadcast_shapes({large, 1}, {1, large}, "add"), Error);
}

}  // namespace
