// pow, maximum, minimum, where and comparisons: special values, ties, broadcasting, what gets a gradient.

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <rill/core/op_list.hpp>

#include "gradcheck.hpp"
#include "thread_count.hpp"
#include "values.hpp"

namespace {

using namespace rill;

using test::inf, test::leaf, test::message_of, test::nan_value, test::values_of;

TEST_CASE("pow: special values follow std::pow, for a tensor and for a number") {
  for (const double exponent : {0.0, 1.0, 2.0, 3.0, 0.5, -1.0, -2.0, 1.7, inf}) {
    const std::vector<double> bases{0.0, -0.0, 2.5, -2.5, 1.0, inf, -inf, nan_value};
    const Tensor x = tensor(std::span<const double>(bases), {8});
    const auto by_number = values_of(pow(x, exponent));
    const auto by_tensor = values_of(pow(x, tensor(exponent, DType::f64)));
    for (std::size_t i = 0; i < bases.size(); ++i) {
      const double expected = std::pow(bases[i], exponent);
      CAPTURE(bases[i]);
      CAPTURE(exponent);
      for (const double got : {by_number[i], by_tensor[i]}) {
        if (std::isnan(expected)) {
          CHECK(std::isnan(got));
        } else if (std::isinf(expected)) {
          CHECK(got == expected);
        } else {
          CHECK(got == doctest::Approx(expected).epsilon(1e-15));
        }
      }
    }
  }
}

TEST_CASE("pow: the gradient at a base of 0 is that of PyTorch") {
  const Tensor a = leaf({0, 0, 0, 0}), b = leaf({0, 1, 2, 3});
  pow(a, b).sum().backward();
  CHECK(values_of(a.grad()) == std::vector<double>{0, 1, 0, 0});
  CHECK(values_of(b.grad()) == std::vector<double>{0, 0, 0, 0});
}

// d²(a^b)/da² = b (b - 1) a^(b - 2).
TEST_CASE("pow: second-order gradients at a base of 0 are finite") {
  const Tensor a = leaf({0, 0, 0, 0, 2}), b = leaf({0, 1, 2, 3, 0});
  const auto first = grad({pow(a, b).sum()}, {a, b}, {}, {.create_graph = true});
  const auto of_a = grad({first[0].sum()}, {a, b}, {}, {.retain_graph = true});
  CHECK(values_of(of_a[0]) == std::vector<double>{0, 0, 2, 0, 0});
  for (const double value : values_of(of_a[1])) CHECK(std::isfinite(value));
  for (const Tensor& second : grad({first[1].sum()}, {a, b})) {
    for (const double value : values_of(second)) CHECK(std::isfinite(value));
  }
}

TEST_CASE("pow: a number's gradient at 0 is 0 for the exponents 0 and 2, and 1 for 1") {
  for (const auto& [exponent, slope] : {std::pair{0.0, 0.0}, {1.0, 1.0}, {2.0, 0.0}}) {
    const Tensor x = leaf({0.0});
    x.pow(exponent).sum().backward();
    CHECK(x.grad().at({0}) == slope);
  }
}

TEST_CASE("pow: fractional exponents of positive bases pass the gradient check") {
  for (const double exponent : {0.5, 1.7, -0.3, 2.0, 4.0}) {
    Stream stream(1, Purpose::user);
    const Tensor x = test::random_tensor({7}, stream, true).requires_grad_();
    const test::Function f = [=](const test::Tensors& in) { return test::Tensors{in[0].pow(exponent)}; };
    const auto first = test::check_gradient(f, {x}, stream, "pow");
    CHECK_MESSAGE(first.passed(), first.failure);
    const auto second = test::check_second_order(f, {x}, stream, "pow");
    CHECK_MESSAGE(second.passed(), second.failure);
  }
}

TEST_CASE("maximum, minimum: NaN wins from either side") {
  const Tensor a = tensor({nan_value, 1, nan_value, 3}, DType::f64);
  const Tensor b = tensor({1, nan_value, nan_value, 4}, DType::f64);
  for (const Tensor& y : {maximum(a, b), minimum(a, b)}) {
    const auto got = values_of(y);
    CHECK(std::isnan(got[0]));
    CHECK(std::isnan(got[1]));
    CHECK(std::isnan(got[2]));
  }
  CHECK(maximum(a, b).at({3}) == 4);
  CHECK(minimum(a, b).at({3}) == 3);
}

TEST_CASE("maximum, minimum: equal operands share the gradient in halves") {
  for (const bool larger : {true, false}) {
    const Tensor a = leaf({1, 2, 5}), b = leaf({1, 3, 4});
    (larger ? a.maximum(b) : a.minimum(b)).sum().backward();
    const double first = larger ? 0 : 1;
    CHECK(values_of(a.grad()) == std::vector<double>{0.5, first, 1 - first});
    CHECK(values_of(b.grad()) == std::vector<double>{0.5, 1 - first, first});
  }
}

TEST_CASE("where: any dtype is a condition, and NaN is not 0") {
  const Tensor a = tensor({1, 2, 3}), b = tensor({-1, -2, -3});
  const std::vector<double> expected{-1, 2, 3};
  CHECK(values_of(where(tensor({0, 2, -1}, DType::i64), a, b)) == expected);
  CHECK(values_of(where(tensor({0, 0.5, nan_value}), a, b)) == expected);
  CHECK(values_of(where(tensor({0, nan_value, inf}, DType::f64), a, b)) == expected);
}

TEST_CASE("where: condition, a and b broadcast, each over another axis") {
  const Tensor condition = tensor({{1}, {0}}, DType::i64), a = tensor({1, 2, 3}), b = tensor(9.0);
  const Tensor y = where(condition, a, b);
  CHECK(y.shape() == Shape{2, 3});
  CHECK(values_of(y) == std::vector<double>{1, 2, 3, 9, 9, 9});
  CHECK(values_of(where(condition, a, 7.0)) == std::vector<double>{1, 2, 3, 7, 7, 7});
}

TEST_CASE("where: what was not chosen gets the gradient 0, also where it is NaN or infinite") {
  const Tensor c = tensor({0, 1}, DType::i64), a = leaf({inf, 1}), b = leaf({2, nan_value});
  where(c, a, b).backward(tensor({3, inf}, DType::f64));
  CHECK(values_of(a.grad()) == std::vector<double>{0, inf});
  CHECK(values_of(b.grad()) == std::vector<double>{3, 0});
}

TEST_CASE("where: a condition gets no gradient") {
  const Tensor c = leaf({0, 1}), a = leaf({1, 2});
  where(c, a, 0.0).sum().backward();
  CHECK_FALSE(c.grad().defined());
  CHECK(values_of(a.grad()) == std::vector<double>{0, 1});
}

TEST_CASE("comparisons: NaN is unequal to everything, and nothing else holds for it") {
  const Tensor a = tensor({nan_value, 1, nan_value}), b = tensor({1, nan_value, nan_value});
  const std::vector<double> none{0, 0, 0}, all{1, 1, 1};
  CHECK(values_of(a == b) == none);
  CHECK(values_of(a != b) == all);
  CHECK(values_of(a < b) == none);
  CHECK(values_of(a <= b) == none);
  CHECK(values_of(a > b) == none);
  CHECK(values_of(a >= b) == none);
}

TEST_CASE("comparisons: each operator is what C++ says of the numbers") {
  const Tensor a = tensor({1, 2, 3}), b = tensor({2, 2, 2});
  CHECK(values_of(a == b) == std::vector<double>{0, 1, 0});
  CHECK(values_of(a != b) == std::vector<double>{1, 0, 1});
  CHECK(values_of(a < b) == std::vector<double>{1, 0, 0});
  CHECK(values_of(a <= b) == std::vector<double>{1, 1, 0});
  CHECK(values_of(a > b) == std::vector<double>{0, 0, 1});
  CHECK(values_of(a >= b) == std::vector<double>{0, 1, 1});
  CHECK(values_of(a >= 2.0) == std::vector<double>{0, 1, 1});
  CHECK(values_of(lt(a, 2.0)) == std::vector<double>{1, 0, 0});
}

TEST_CASE("comparisons: the dtype is that of floating operands, and f32 for i64") {
  CHECK((zeros({2}, DType::f64) == zeros({2}, DType::f64)).dtype() == DType::f64);
  CHECK((zeros({2}) == zeros({2})).dtype() == DType::f32);
  CHECK((zeros({2}, DType::i64) == zeros({2}, DType::i64)).dtype() == DType::f32);
}

TEST_CASE("comparisons: integers beyond 2^53 are compared exactly") {
  const std::vector<std::int64_t> large{(std::int64_t{1} << 53) + 1}, larger{(std::int64_t{1} << 53) + 2};
  const Tensor a = tensor(std::span(large), {1}), b = tensor(std::span(larger), {1});
  CHECK((a < b).item() == 1);
  CHECK((a == b).item() == 0);
}

TEST_CASE("comparisons: i64 is compared with a fraction, NaN and infinities as they are") {
  const Tensor x = tensor({-1, 0, 1}, DType::i64);
  CHECK(values_of(x > 0.5) == std::vector<double>{0, 0, 1});
  CHECK(values_of(x <= -0.5) == std::vector<double>{1, 0, 0});
  CHECK(values_of(x == 0.5) == std::vector<double>{0, 0, 0});
  CHECK(values_of(x == nan_value) == std::vector<double>{0, 0, 0});
  CHECK(values_of(x != nan_value) == std::vector<double>{1, 1, 1});
  CHECK(values_of(x < inf) == std::vector<double>{1, 1, 1});
  CHECK((x > 0.5).dtype() == DType::f32);
}

TEST_CASE("comparisons: the largest i64 is below 2^63") {
  const std::vector<std::int64_t> largest{std::numeric_limits<std::int64_t>::max()};
  const Tensor x = tensor(std::span(largest), {1});
  CHECK((x < 0x1p63).item() == 1);
  CHECK((x == 0x1p63).item() == 0);
}

TEST_CASE("comparisons: the result requires no gradient, and one goes around it") {
  const Tensor x = leaf({-1, 2});
  CHECK_FALSE((x > 0.0).requires_grad());
  (x * (x > 0.0)).sum().backward();
  CHECK(values_of(x.grad()) == std::vector<double>{0, 1});
}

TEST_CASE("binary: errors say what does not fit") {
  const Tensor x = zeros({2, 3}), wide = zeros({2, 3}, DType::f64), odd = zeros({4});
  CHECK(message_of([&] { pow(x, wide); }) ==
        "pow: dtypes are f32 and f64, expected equal ones; convert one with to()");
  CHECK(message_of([&] { maximum(zeros({1}, DType::i64), zeros({1}, DType::i64)); }) ==
        "maximum: dtype is i64, expected f32 or f64");
  CHECK(message_of([&] { where(x, x, wide); }) ==
        "where: dtypes are f32 and f64, expected equal ones; convert one with to()");
  CHECK(message_of([&] { (void)(x < wide); }) ==
        "lt: dtypes are f32 and f64, expected equal ones; convert one with to()");
  CHECK(message_of([&] { (void)(x == odd); }).starts_with("eq: "));
  CHECK(message_of([&] {
          where(x, full({2, 3}, 1, DType::i64), 0.5);
        }) == "where: value 0.5 for i64, expected an integer from -2^63 to 2^63 - 1");
  CHECK(message_of([&] { where(odd, x, x); }).starts_with("where: "));
}

TEST_CASE("binary: results and gradients are the same bits for any thread count") {
  Generator generator(3);
  const Tensor a = rand({70, 1, 900}, generator), b = rand({3, 900}, generator);
  const auto run = [&](int threads) {
    const test::ThreadCount guard(threads);
    const Tensor x = a.detach().clone().requires_grad_(), y = b.detach().clone().requires_grad_();
    const Tensor z = where(x > y, pow(x, y), maximum(x, y)) + minimum(x, y);
    z.sum().backward();
    return std::vector<Tensor>{z.detach(), x.grad(), y.grad()};
  };
  const auto one = run(1), three = run(3);
  for (std::size_t i = 0; i < one.size(); ++i) CHECK(test::same_bits(one[i], three[i]));
}

}  // namespace
