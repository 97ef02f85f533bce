// Making tensors, and reading and writing single elements.

#include <cmath>
#include <limits>
#include <vector>

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <doctest/doctest.h>

#include <rill/core/create.hpp>
#include <rill/core/ops/binary.hpp>
#include <rill/core/ops/reduce.hpp>
#include <rill/core/ops/reshape.hpp>
#include <rill/core/ops/slice.hpp>

#include "sanitized.hpp"

namespace {

using namespace rill;
using Values = std::vector<double>;

Values values(const Tensor& t) {
  const Tensor wide = t.to(DType::f64);
  const auto data = wide.data<double>();
  return {data.begin(), data.end()};
}

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

// --- like another tensor ----------------------------------------------------------------------------------------------

TEST_CASE("create: the like functions take the shape and dtype, and no graph") {
  Generator generator(1);
  for (const DType dtype : {DType::f32, DType::f64}) {
    const Tensor x = zeros({2, 3}, dtype).requires_grad_();
    for (const Tensor& y : {empty_like(x), zeros_like(x), ones_like(x), full_like(x, 2),
                            rand_like(x, generator), randn_like(x, generator)}) {
      CHECK(y.shape() == x.shape());
      CHECK(y.dtype() == dtype);
      CHECK_FALSE(y.requires_grad());
    }
  }
}

TEST_CASE("create: zeros_like, ones_like and full_like have their values") {
  const Tensor x = tensor({5, 6}, DType::i64);
  CHECK(values(zeros_like(x)) == Values{0, 0});
  CHECK(values(ones_like(x)) == Values{1, 1});
  CHECK(values(full_like(x, -3)) == Values{-3, -3});
}

TEST_CASE("create: rand_like and randn_like draw what rand and randn would") {
  const Tensor x = zeros({3, 2}, DType::f64);
  Generator a(7), b(7);
  CHECK(values(rand_like(x, a)) == values(rand({3, 2}, b, DType::f64)));
  CHECK(values(randn_like(x, a)) == values(randn({3, 2}, b, DType::f64)));
}

TEST_CASE("create: full_like of i64 refuses a fraction, rand_like refuses i64") {
  Generator generator(1);
  const Tensor x = tensor({1}, DType::i64);
  CHECK_THROWS_WITH_AS(full_like(x, 0.5),
                       "full: value 0.5 for i64, expected an integer from -2^63 to 2^63 - 1", Error);
  CHECK_THROWS_WITH_AS(rand_like(x, generator), "rand: dtype is i64, expected f32 or f64", Error);
}

TEST_CASE("create: a refused rand or randn draws nothing") {
  Generator generator(1), untouched(1);
  CHECK_THROWS_AS(rand({2}, generator, DType::i64), Error);
  CHECK_THROWS_AS(randn({2}, generator, DType::i64), Error);
  CHECK(values(rand({4}, generator)) == values(rand({4}, untouched)));
}

// --- eye, arange, linspace --------------------------------------------------------------------------------------------

TEST_CASE("eye: ones on the diagonal of a square, a wide and a tall matrix") {
  CHECK(values(eye(2)) == Values{1, 0, 0, 1});
  CHECK(values(eye(2, 3)) == Values{1, 0, 0, 0, 1, 0});
  CHECK(values(eye(3, 2, DType::i64)) == Values{1, 0, 0, 1, 0, 0});
  CHECK(eye(3, 2, DType::i64).dtype() == DType::i64);
  CHECK(eye(0).shape() == Shape{0, 0});
}

TEST_CASE("arange: starts at start and stops before stop") {
  CHECK(values(arange(4)) == Values{0, 1, 2, 3});
  CHECK(values(arange(1, 4)) == Values{1, 2, 3});
  CHECK(values(arange(1, 2.5, 0.5)) == Values{1, 1.5, 2});
  CHECK(values(arange(5, 0, -2)) == Values{5, 3, 1});
  CHECK(arange(3, DType::i64).dtype() == DType::i64);
}

TEST_CASE("arange: nothing lies between equal ends") { CHECK(arange(2, 2).shape() == Shape{0}); }

TEST_CASE("arange: elements are multiples, not sums, of the step") {
  CHECK(values(arange(0, 1, 0.1, DType::f64))[7] == 0.1 * 7);
}

TEST_CASE("arange: steps that lead nowhere are refused") {
  CHECK_THROWS_WITH_AS(arange(0, 3, -1),
                       "arange: the step -1 leads away from start 0 to stop 3, expected the other sign",
                       Error);
  CHECK_THROWS_WITH_AS(
      arange(0, 3, 0),
      "arange: start is 0, stop 3 and step 0, expected finite numbers and a step that is not 0", Error);
  CHECK_THROWS_AS(arange(0, inf), Error);
  CHECK_THROWS_AS(arange(nan, 1), Error);
  CHECK_THROWS_AS(arange(0, 1, 0.5, DType::i64), Error);
  CHECK_THROWS_WITH_AS(arange(0, 0x1p53), "arange: 9.0072e+15 elements, expected fewer than 2^53", Error);
}

TEST_CASE("arange: integers beyond 2^53 are exact") {
  const Tensor x = arange(9007199254740990, 9007199254741000, 1, DType::i64);
  REQUIRE(x.numel() == 10);
  for (std::size_t i = 0; i < 10; ++i)
    CHECK(x.data<std::int64_t>()[i] == 9007199254740990 + static_cast<std::int64_t>(i));
}

TEST_CASE("arange: integers reach from one end of i64 to the other, either way") {
  const Tensor up = arange(-0x1p63, 0x1p63, 0x1p61, DType::i64);
  REQUIRE(up.numel() == 8);
  CHECK(up.data<std::int64_t>()[0] == std::numeric_limits<std::int64_t>::min());
  CHECK(up.data<std::int64_t>()[7] == 3 * (std::int64_t{1} << 61));
  const Tensor down = arange(0x1p62, -0x1p63, -0x1p62, DType::i64);
  REQUIRE(down.numel() == 3);
  CHECK(down.data<std::int64_t>()[2] == -(std::int64_t{1} << 62));
}

// The difference of the ends is 2^60 + 1, which is no f64.
TEST_CASE("arange: integers are counted exactly") {
  const Tensor x = arange(-1, 0x1p60, 0x1p60, DType::i64);
  REQUIRE(x.numel() == 2);
  CHECK(x.data<std::int64_t>()[1] == (std::int64_t{1} << 60) - 1);
}

TEST_CASE("arange: a fractional stop ends integers before it") {
  CHECK(values(arange(0, 2.5, 1, DType::i64)) == Values{0, 1, 2});
  CHECK(values(arange(0, -2.5, -1, DType::i64)) == Values{0, -1, -2});
  CHECK(values(arange(0, 0.5, 1, DType::i64)) == Values{0});
}

TEST_CASE("arange: integers beyond i64 are refused") {
  CHECK_THROWS_WITH_AS(arange(0, 1e19, 9e15, DType::i64),
                       "arange: stop is 1e+19 for i64, expected -2^63 to 2^63", Error);
  CHECK_THROWS_WITH_AS(arange(0, 1e20, 1e19, DType::i64),
                       "arange: value 1e+19 for i64, expected an integer from -2^63 to 2^63 - 1", Error);
}

TEST_CASE("linspace: ends whose difference overflows") {
  CHECK(values(linspace(-1.7e308, 1.7e308, 3, DType::f64)) == Values{-1.7e308, 0, 1.7e308});
  CHECK(values(linspace(1.7e308, -1.7e308, 2, DType::f64)) == Values{1.7e308, -1.7e308});
}

TEST_CASE("linspace: both ends are exact and the distances equal") {
  CHECK(values(linspace(0, 1, 5)) == Values{0, 0.25, 0.5, 0.75, 1});
  const Values thirds = values(linspace(-0.1, 0.7, 4, DType::f64));
  CHECK(thirds.front() == -0.1);
  CHECK(thirds.back() == 0.7);
  CHECK(thirds[1] == doctest::Approx(-0.1 + 0.8 / 3).epsilon(1e-15));
}

TEST_CASE("linspace: one number is the start, none are none") {
  CHECK(values(linspace(3, 5, 1)) == Values{3});
  CHECK(linspace(3, 5, 0).shape() == Shape{0});
}

TEST_CASE("linspace: a negative count, infinite ends and i64 are refused") {
  CHECK_THROWS_WITH_AS(linspace(0, 1, -1), "linspace: count is -1, expected 0 or more", Error);
  CHECK_THROWS_WITH_AS(linspace(0, inf, 2), "linspace: start is 0 and stop inf, expected finite numbers",
                       Error);
  CHECK_THROWS_WITH_AS(linspace(0, 1, 2, DType::i64), "linspace: dtype is i64, expected f32 or f64", Error);
}

// --- from a vector ------------------------------------------------------------------------------------------------------

TEST_CASE("create: a tensor from a vector's memory has the vector's own elements") {
  std::vector<float> numbers{1, 2, 3, 4};
  const float* data = numbers.data();
  const Tensor x = tensor(std::move(numbers), {2, 2});
  CHECK(x.data<float>().data() == data);
  CHECK(values(x) == Values{1, 2, 3, 4});
}

TEST_CASE("create: a tensor from a vector's memory has the vector's type") {
  CHECK(tensor(std::vector<double>{1}, {1}).dtype() == DType::f64);
  CHECK(tensor(std::vector<std::int64_t>{1}, {1}).dtype() == DType::i64);
  CHECK(tensor(std::vector<float>{}, {0, 2}).numel() == 0);
}

TEST_CASE("create: a vector of the wrong size is refused and keeps its elements") {
  std::vector<double> numbers{1, 2, 3};
  CHECK_THROWS_WITH_AS(tensor(std::move(numbers), {2, 2}), "tensor: 3 values for shape [2, 2], expected 4",
                       Error);
  CHECK(numbers == std::vector<double>{1, 2, 3});  // NOLINT(bugprone-use-after-move): it has not moved
}

TEST_CASE("create: a tensor from a vector's memory takes part in graphs") {
  Tensor x = tensor(std::vector<double>{2, 3}, {2}).requires_grad_();
  (x * x).sum().backward();
  CHECK(values(x.grad()) == Values{4, 6});
}

TEST_CASE("create: a view keeps the vector's memory alive") {
  std::vector<double> numbers(1000, 7.0);
  numbers[999] = 8;
  const double* data = numbers.data();
  Tensor x = tensor(std::move(numbers), {10, 100});
  const Tensor last = x[9];
  x = Tensor();
  CHECK(last.data<double>().data() == data + 900);
  CHECK(last.at({0}) == 7);
  CHECK(last.at({99}) == 8);
}

// Sanitizers have allocators of their own, which glibc knows nothing of.
#if defined(__GLIBC__) && !defined(RILL_TEST_SANITIZED)
// What glibc took from the system with mmap, as it does for large pieces.
std::size_t mapped() { return mallinfo2().hblkhd; }

TEST_CASE("create: the vector's memory is freed with the last handle on it, not before") {
  constexpr std::size_t bytes = std::size_t{64} << 20;
  const std::size_t before = mapped();
  Tensor x = tensor(std::vector<float>(bytes / sizeof(float)), {4, bytes / sizeof(float) / 4});
  REQUIRE(mapped() >= before + bytes);
  Tensor row = x[1].reshape({2, -1});
  x = Tensor();
  CHECK(mapped() >= before + bytes);
  row = Tensor();
  CHECK(mapped() < before + bytes);
}
#endif

// --- elements -----------------------------------------------------------------------------------------------------------

TEST_CASE("at: one index an axis, from either end") {
  const Tensor x = tensor({{1, 2, 3}, {4, 5, 6}});
  CHECK(x.at({0, 2}) == 3);
  CHECK(x.at({1, 0}) == 4);
  CHECK(x.at({-1, -1}) == 6);
  CHECK(x.at({-2, -3}) == 1);
  CHECK(full({}, 5).at({}) == 5);
}

TEST_CASE("at: what is out of range or of another rank is refused") {
  const Tensor x = zeros({2, 3});
  CHECK_THROWS_WITH_AS(x.at({0, 3}), "at: index 3 at axis 1 of the tensor [2, 3], expected -3 to 2", Error);
  CHECK_THROWS_WITH_AS(x.at({-3, 0}), "at: index -3 at axis 0 of the tensor [2, 3], expected -2 to 1", Error);
  CHECK_THROWS_WITH_AS(x.at({0}), "at: 1 indices for the tensor [2, 3], expected one an axis", Error);
}

TEST_CASE("set: overwrites one element") {
  Tensor x = zeros({2, 2}, DType::i64);
  x.set({0, -1}, 7);
  CHECK(values(x) == Values{0, 7, 0, 0});
}

TEST_CASE("set: a refused call changes nothing") {
  Tensor x = tensor({1, 2}, DType::i64);
  CHECK_THROWS_WITH_AS(x.set({0}, 0.5), "set: value 0.5 for i64, expected an integer from -2^63 to 2^63 - 1",
                       Error);
  CHECK_THROWS_WITH_AS(x.set({2}, 3), "set: index 2 at axis 0 of the tensor [2], expected -2 to 1", Error);
  CHECK(values(x) == Values{1, 2});
}

TEST_CASE("set: a value that a graph has saved counts as overwritten") {
  Tensor x = tensor({1, 2}).requires_grad_();
  Tensor c = tensor({3, 4});
  const Tensor y = (x * c).sum();
  c.set({0}, 5);
  CHECK_THROWS_AS(y.backward(), Error);
}

TEST_CASE("[]: the element of a vector is a scalar tensor, that of a matrix a row") {
  const Tensor x = tensor({{1, 2, 3}, {4, 5, 6}});
  CHECK(x[1].shape() == Shape{3});
  CHECK(values(x[1]) == Values{4, 5, 6});
  CHECK(x[-1][0].shape() == Shape{});
  CHECK(x[-1][0].item() == 4);
}

TEST_CASE("[]: writes through to the tensor") {
  Tensor x = zeros({2, 2});
  Tensor row = x[1];
  row.set({0}, 3);
  CHECK(values(x) == Values{0, 0, 3, 0});
}

TEST_CASE("[]: an index out of range and a scalar are refused") {
  CHECK_THROWS_WITH_AS(zeros({2, 3})[2], "select: index 2 at axis 0 of the tensor [2, 3], expected -2 to 1",
                       Error);
  CHECK_THROWS_WITH_AS(zeros({})[0],
                       "select: axis 0 is out of range for shape [], expected none, the tensor is a scalar",
                       Error);
}

}  // namespace
