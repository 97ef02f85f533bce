// core/tensor: making tensors, reading them, and what sharing means.

#include <cmath>
#include <limits>
#include <set>
#include <span>
#include <type_traits>
#include <vector>

#include <doctest/doctest.h>

#include <rill/core/create.hpp>
#include <rill/core/random.hpp>

namespace {

using namespace rill;

template <class T = float>
std::vector<T> values(const Tensor& t) {
  const auto data = t.data<T>();
  return {data.begin(), data.end()};
}
using Floats = std::vector<float>;
using Doubles = std::vector<double>;
using Longs = std::vector<std::int64_t>;

template <class T>
concept LendsItsElements = requires(T&& x) {
  std::forward<T>(x).template data<float>();
};

TEST_CASE("tensor: elements are read where they are, and those of a temporary are copied") {
  static_assert(LendsItsElements<Tensor&> && LendsItsElements<const Tensor&>);
  static_assert(!LendsItsElements<Tensor> && !LendsItsElements<const Tensor>);
  const Tensor x = tensor({1, 2, 3});
  CHECK((x * 2).to_vector<float>() == std::vector<float>{2, 4, 6});
  CHECK_THROWS_AS(x.to_vector<double>(), Error);
}

TEST_CASE("tensor: a temporary is not assigned to, where nobody would see it") {
  static_assert(!std::is_assignable_v<Tensor, Tensor> && !std::is_assignable_v<Tensor, const Tensor&>);
  static_assert(std::is_nothrow_assignable_v<Tensor&, Tensor> &&
                std::is_assignable_v<Tensor&, const Tensor&>);
  static_assert(std::is_nothrow_move_constructible_v<Tensor>);
  Tensor a = ones({2});
  a = zeros({2});
  CHECK(a.sum().item() == 0);
}

TEST_CASE("tensor: zeros, ones and full hold their value in every dtype") {
  CHECK(values(zeros({2, 2})) == Floats{0, 0, 0, 0});
  CHECK(values(ones({2})) == Floats{1, 1});
  CHECK(values<double>(full({2}, 0.1, DType::f64)) == Doubles{0.1, 0.1});
  CHECK(values<std::int64_t>(full({2}, -7, DType::i64)) == Longs{-7, -7});
}

TEST_CASE("tensor: f32 is the default") {
  Generator generator(1);
  for (const Tensor& t : {empty({2}), zeros({2}), ones({2}), full({2}, 1), rand({2}, generator),
                          randn({2}, generator), tensor({1, 2})}) {
    CHECK(t.dtype() == DType::f32);
  }
}

TEST_CASE("tensor: shape, size, dim and numel") {
  const Tensor t = zeros({2, 3, 4});
  CHECK(t.shape() == Shape{2, 3, 4});
  CHECK(t.dim() == 3);
  CHECK(t.size(0) == 2);
  CHECK(t.size(-1) == 4);
  CHECK(t.numel() == 24);
  CHECK_THROWS_AS(t.size(3), Error);
}

TEST_CASE("tensor: blocks are aligned to a cache line") {
  for (const std::int64_t n : {1, 3, 100, 100'000}) {
    const Tensor x = empty({n});
    CHECK(reinterpret_cast<std::uintptr_t>(x.data<float>().data()) % 64 == 0);
  }
}

TEST_CASE("tensor: an empty tensor has no elements and a shape") {
  const Tensor t = zeros({3, 0, 2});
  CHECK(t.defined());
  CHECK(t.numel() == 0);
  CHECK(t.data<float>().empty());
  CHECK((t + 1.0).shape() == Shape{3, 0, 2});
  CHECK(t.clone().shape() == Shape{3, 0, 2});
  CHECK(t.sum().item() == 0);
}

TEST_CASE("tensor: an undefined tensor says so at every use") {
  const char* const text = "tensor: the tensor is undefined, expected one with elements";
  Tensor nothing;
  CHECK_FALSE(nothing.defined());
  CHECK_THROWS_WITH_AS(nothing.shape(), text, Error);
  CHECK_THROWS_WITH_AS(nothing.item(), text, Error);
  CHECK_THROWS_WITH_AS(nothing.data<float>(), text, Error);
  CHECK_THROWS_WITH_AS(nothing.mutable_data<float>(), text, Error);
  CHECK_THROWS_WITH_AS(nothing.requires_grad(), text, Error);
  CHECK_THROWS_WITH_AS(nothing.grad(), text, Error);
  CHECK_THROWS_WITH_AS(nothing.detach(), text, Error);
  CHECK_THROWS_WITH_AS(nothing.relu(), "relu: input 0 is undefined, expected a tensor with elements", Error);
  CHECK_THROWS_WITH_AS(ones({1}) + nothing, "add: input 1 is undefined, expected a tensor with elements",
                       Error);
  CHECK_THROWS_WITH_AS(nothing.backward(), text, Error);
}

// --- elements --------------------------------------------------------------------------------------------------------

TEST_CASE("tensor: item reads the one element of any shape and dtype") {
  CHECK(tensor(2.5).item() == 2.5);
  CHECK(tensor({{{-3}}}).item() == -3);
  CHECK(full({1}, 0.1, DType::f64).item() == 0.1);
  CHECK(full({}, 7, DType::i64).item() == 7);
}

TEST_CASE("tensor: item refuses any other number of elements") {
  CHECK_THROWS_WITH_AS(ones({2, 1}).item(), "item: the tensor is [2, 1], expected one element", Error);
  CHECK_THROWS_WITH_AS(zeros({0}).item(), "item: the tensor is [0], expected one element", Error);
}

TEST_CASE("tensor: data and mutable_data refuse another dtype") {
  Tensor t = ones({2, 3});
  CHECK_THROWS_WITH_AS(t.data<double>(), "tensor: elements read as f64, the tensor [2, 3] holds f32", Error);
  CHECK_THROWS_WITH_AS(t.mutable_data<std::int64_t>(),
                       "tensor: elements read as i64, the tensor [2, 3] holds f32", Error);
}

TEST_CASE("tensor: mutable_data writes the elements, row by row") {
  Tensor t = zeros({2, 2});
  t.mutable_data<float>()[1] = 5;
  CHECK(values(t) == Floats{0, 5, 0, 0});
  static_assert(std::is_const_v<std::remove_reference_t<decltype(t.data<float>()[0])>>);
}

// --- lists -----------------------------------------------------------------------------------------------------------

TEST_CASE("tensor: a number is a scalar") {
  const Tensor t = tensor(3);
  CHECK(t.shape() == Shape{});
  CHECK(t.item() == 3);
}

TEST_CASE("tensor: lists nest to any depth") {
  CHECK(tensor({5}).shape() == Shape{1});
  CHECK(tensor({1, 2, 3}).shape() == Shape{3});
  CHECK(tensor({{1, 2}, {3, 4}}).shape() == Shape{2, 2});
  CHECK(tensor({{1, 2, 3}}).shape() == Shape{1, 3});
  CHECK(tensor({{1}, {2}}).shape() == Shape{2, 1});
  CHECK(tensor({{{1}, {2}}, {{3}, {4}}, {{5}, {6}}}).shape() == Shape{3, 2, 1});
  CHECK(values(tensor({{1, 2}, {3, 4}})) == Floats{1, 2, 3, 4});
}

TEST_CASE("tensor: an empty list is an empty tensor") {
  CHECK(tensor({}).shape() == Shape{0});
  CHECK(tensor({{}, {}}).shape() == Shape{2, 0});
}

TEST_CASE("tensor: a list may mix types of numbers and is converted to the dtype") {
  CHECK(values<double>(tensor({1, 2.5, 3.0F, 4L}, DType::f64)) == Doubles{1, 2.5, 3, 4});
  CHECK(values<std::int64_t>(tensor({1, 2}, DType::i64)) == Longs{1, 2});
  CHECK(std::isnan(tensor({NAN}).item()));
  CHECK(std::isinf(tensor({INFINITY}).item()));
}

TEST_CASE("tensor: a ragged list is refused") {
  CHECK_THROWS_WITH_AS(tensor({{1, 2}, {3}}),
                       "tensor: the list is ragged, one part is [2] and another [1], expected equal shapes",
                       Error);
  CHECK_THROWS_WITH_AS(tensor({{1, 2}, 3}),
                       "tensor: the list is ragged, one part is [2] and another [], expected equal shapes",
                       Error);
  CHECK_THROWS_WITH_AS(tensor({{{1}, {2}}, {{1}, {2, 3}}}),
                       "tensor: the list is ragged, one part is [1] and another [2], expected equal shapes",
                       Error);
}

TEST_CASE("tensor: a list deeper than eight is refused") {
  CHECK(tensor({{{{{{{{1}}}}}}}}).shape() == Shape{1, 1, 1, 1, 1, 1, 1, 1});
  CHECK_THROWS_AS(tensor({{{{{{{{{1}}}}}}}}}), Error);
}

TEST_CASE("tensor: a span is copied, with its own type as dtype") {
  Floats floats{1, 2, 3, 4};
  const Tensor t = tensor(std::span<const float>(floats), {2, 2});
  floats[0] = 9;
  CHECK(values(t) == Floats{1, 2, 3, 4});
  CHECK(tensor(std::span<const double>(Doubles{1}), {1}).dtype() == DType::f64);
  const std::int64_t large = (std::int64_t{1} << 53) + 1;
  CHECK(values<std::int64_t>(tensor(std::span<const std::int64_t>(Longs{large}), {1})) == Longs{large});
}

TEST_CASE("tensor: a span whose length is not the shape's is refused") {
  const Floats floats{1, 2, 3};
  CHECK_THROWS_WITH_AS(tensor(std::span<const float>(floats), {2, 2}),
                       "tensor: 3 values for shape [2, 2], expected 4", Error);
}

// --- reshape, to, clone ----------------------------------------------------------------------------------------------

TEST_CASE("tensor: reshape keeps the elements and shares the block") {
  Tensor t = tensor({{1, 2, 3}, {4, 5, 6}});
  Tensor view = t.reshape({3, 2});
  CHECK(view.shape() == Shape{3, 2});
  CHECK(values(view) == values(t));
  view.mutable_data<float>()[0] = 9;
  CHECK(t.data<float>()[0] == 9);
}

TEST_CASE("tensor: reshape works out one size of -1") {
  const Tensor t = zeros({2, 3, 4});
  CHECK(t.reshape({-1}).shape() == Shape{24});
  CHECK(t.reshape({6, -1}).shape() == Shape{6, 4});
  CHECK(t.reshape({-1, 24}).shape() == Shape{1, 24});
  CHECK(ones({}).reshape({-1}).shape() == Shape{1});
  CHECK(zeros({0, 3}).reshape({-1, 3}).shape() == Shape{0, 3});
  CHECK(ones({1}).reshape(Shape{}).shape() == Shape{});
}

TEST_CASE("tensor: reshape refuses what does not fit") {
  const Tensor t = zeros({2, 3});
  CHECK_THROWS_WITH_AS(t.reshape({4}), "reshape: x [2, 3] has 6 elements, shape [4] has 4, expected as many",
                       Error);
  CHECK_THROWS_WITH_AS(t.reshape({4, -1}),
                       "reshape: x [2, 3] has 6 elements, expected a multiple of 4 for a shape with -1",
                       Error);
  CHECK_THROWS_WITH_AS(t.reshape({-1, -1}), "reshape: more than one size is -1, expected at most one", Error);
  CHECK_THROWS_AS(t.reshape({-2, 3}), Error);
  CHECK_THROWS_AS(t.reshape({-1, 0}), Error);
  CHECK_THROWS_AS(t.reshape({1, 1, 1, 1, 1, 1, 1, 1, -1}), Error);
  CHECK_THROWS_AS(zeros({0}).reshape({0, -1}), Error);
}

TEST_CASE("tensor: reshape is differentiable") {
  Tensor x = tensor({{1, 2, 3}, {4, 5, 6}}).requires_grad_();
  (x.reshape({3, 2}) * tensor({{1, 2}, {3, 4}, {5, 6}})).sum().backward();
  CHECK(x.grad().shape() == Shape{2, 3});
  CHECK(values(x.grad()) == Floats{1, 2, 3, 4, 5, 6});
}

TEST_CASE("tensor: to converts, into a block of its own") {
  const Tensor t = tensor({1.5, -2.5}, DType::f64);
  CHECK(values(t.to(DType::f32)) == Floats{1.5, -2.5});
  CHECK(values<std::int64_t>(t.to(DType::i64)) == Longs{1, -2});
  CHECK(values<double>(tensor({3}, DType::i64).to(DType::f64)) == Doubles{3});
  const Tensor same = t.to(DType::f64);
  CHECK(same.data<double>().data() != t.data<double>().data());
}

TEST_CASE("tensor: to i64 refuses NaN and numbers out of range") {
  CHECK_THROWS_WITH_AS(tensor({NAN}).to(DType::i64),
                       "to: x [1] contains nan, expected numbers in the range of i64", Error);
  CHECK_THROWS_AS(tensor({INFINITY}).to(DType::i64), Error);
  CHECK_THROWS_AS(full({}, 0x1p63, DType::f64).to(DType::i64), Error);
  CHECK(full({}, -0x1p63, DType::f64).to(DType::i64).to_vector<std::int64_t>()[0] == INT64_MIN);
}

TEST_CASE("tensor: to is differentiable between f32 and f64, and leaves the graph at i64") {
  Tensor x = tensor({2, 3}).requires_grad_();
  (x.to(DType::f64) * tensor({5, 7}, DType::f64)).sum().backward();
  CHECK(x.grad().dtype() == DType::f32);
  CHECK(values(x.grad()) == Floats{5, 7});
  CHECK_FALSE(x.to(DType::i64).requires_grad());
}

TEST_CASE("tensor: clone has a block of its own and is differentiable") {
  Tensor x = tensor({2, 3}).requires_grad_();
  Tensor copy = x.clone();
  CHECK(copy.data<float>().data() != x.data<float>().data());
  CHECK(values(copy) == values(x));
  copy.sum().backward();
  CHECK(values(x.grad()) == Floats{1, 1});
  CHECK(values<std::int64_t>(tensor({1, 2}, DType::i64).clone()) == Longs{1, 2});
}

TEST_CASE("tensor: a copy of a handle is the same tensor") {
  Tensor a = tensor({1, 2});
  Tensor b = a;
  b.mutable_data<float>()[0] = 9;
  b.requires_grad_();
  CHECK(values(a) == Floats{9, 2});
  CHECK(a.requires_grad());
  (a * 2.0).sum().backward();
  CHECK(values(b.grad()) == Floats{2, 2});
}

TEST_CASE("tensor: a moved-from handle is undefined, and assignment gives it a tensor again") {
  Tensor a = tensor({1, 2});
  const Tensor b = std::move(a);
  CHECK_FALSE(a.defined());  // NOLINT(bugprone-use-after-move)
  a = b;
  CHECK(values(a) == Floats{1, 2});
}

// --- random ----------------------------------------------------------------------------------------------------------

TEST_CASE("tensor: rand and randn follow from the seed") {
  Generator a(7), b(7), c(8);
  const auto first = values(rand({100}, a)), same = values(rand({100}, b)), other = values(rand({100}, c));
  CHECK(first == same);
  CHECK(first != other);
  CHECK(values(randn({100}, a)) == values(randn({100}, b)));
}

TEST_CASE("tensor: every call of rand draws anew") {
  Generator generator(7);
  CHECK(values(rand({100}, generator)) != values(rand({100}, generator)));
}

TEST_CASE("tensor: rand lies in [0, 1), with the mean and variance of a uniform number") {
  Generator generator(3);
  for (const DType dtype : {DType::f32, DType::f64}) {
    const Tensor t = rand({100'000}, generator, dtype).to(DType::f64);
    double sum = 0, squares = 0;
    for (const double v : t.data<double>()) {
      if (!(v >= 0 && v < 1)) FAIL("out of range: ", v);
      sum += v;
      squares += v * v;
    }
    const double mean = sum / 1e5;
    CHECK(mean == doctest::Approx(0.5).epsilon(0.01));
    CHECK(squares / 1e5 - mean * mean == doctest::Approx(1.0 / 12).epsilon(0.02));
  }
}

TEST_CASE("tensor: randn has mean 0, variance 1 and both tails") {
  Generator generator(3);
  const Tensor t = randn({100'000}, generator, DType::f64);
  double sum = 0, squares = 0, most = 0, least = 0;
  for (const double v : t.data<double>()) {
    sum += v;
    squares += v * v;
    most = std::max(most, v);
    least = std::min(least, v);
  }
  CHECK(std::abs(sum / 1e5) < 0.015);
  CHECK(squares / 1e5 == doctest::Approx(1).epsilon(0.02));
  CHECK(most > 3.5);
  CHECK(least < -3.5);
}

TEST_CASE("tensor: rand and randn refuse i64") {
  Generator generator(3);
  CHECK_THROWS_WITH_AS(rand({2}, generator, DType::i64), "rand: dtype is i64, expected f32 or f64", Error);
  CHECK_THROWS_WITH_AS(randn({2}, generator, DType::i64), "randn: dtype is i64, expected f32 or f64", Error);
}

// --- operators -------------------------------------------------------------------------------------------------------

TEST_CASE("tensor: operators broadcast, and numbers take the tensor's dtype") {
  const Tensor t = tensor({{1, 2}, {3, 4}});
  CHECK(values(t + tensor({10, 20})) == Floats{11, 22, 13, 24});
  CHECK(values(t - tensor({{10}, {20}})) == Floats{-9, -8, -17, -16});
  CHECK(values(2.0 - t) == Floats{1, 0, -1, -2});
  CHECK(values(12.0 / t) == Floats{12, 6, 4, 3});
  CHECK(values(-t) == Floats{-1, -2, -3, -4});
  CHECK((t.to(DType::f64) * 2.0).dtype() == DType::f64);
  CHECK(values(t.add(t)) == values(t * 2.0));
  CHECK(values(t.sub(t)) == values(t * 0.0));
  CHECK(values(t.mul(t)) == Floats{1, 4, 9, 16});
  CHECK(values(t.div(t)) == Floats{1, 1, 1, 1});
}

TEST_CASE("tensor: operators refuse mixed dtypes and i64") {
  CHECK_THROWS_WITH_AS(ones({2}) + ones({2}, DType::f64),
                       "add: dtypes are f32 and f64, expected equal ones; convert one with to()", Error);
  CHECK_THROWS_WITH_AS(ones({2}, DType::i64) * ones({2}, DType::i64),
                       "mul: dtype is i64, expected f32 or f64", Error);
}

}  // namespace
