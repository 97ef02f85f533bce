// max, min, argmax, argmin, var, logsumexp, topk, softmax and log_softmax: special values, ties, axes, threads.

#include <algorithm>
#include <cmath>
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

// The numbers of each group, found by index arithmetic alone: axes of x [2, 3, 4, 5], a bit each.
std::vector<std::vector<double>> groups_by_hand(const Tensor& x, unsigned mask) {
  const std::int64_t sizes[4] = {2, 3, 4, 5};
  std::vector<std::vector<double>> groups(120);
  for (std::int64_t i = 0; i < 120; ++i) {
    std::int64_t rest = i, group = 0, stride = 1;
    for (int axis = 3; axis >= 0; --axis) {
      const std::int64_t at = rest % sizes[axis];
      rest /= sizes[axis];
      if (mask >> axis & 1) continue;
      group += at * stride;
      stride *= sizes[axis];
    }
    groups[static_cast<std::size_t>(group)].push_back(x.data<double>()[static_cast<std::size_t>(i)]);
  }
  std::erase_if(groups, [](const auto& group) { return group.empty(); });
  return groups;
}

double variance(const std::vector<double>& group, double correction) {
  long double sum = 0, squares = 0;
  for (const double v : group) sum += v;
  const long double mean = sum / static_cast<long double>(group.size());
  for (const double v : group) squares += (v - mean) * (v - mean);
  return static_cast<double>(squares / (static_cast<long double>(group.size()) - correction));
}

double log_sum_exp(const std::vector<double>& group) {
  long double sum = 0;
  for (const double v : group) sum += std::exp(static_cast<long double>(v));
  return static_cast<double>(std::log(sum));
}

TEST_CASE("reduce: every set of axes reduces the groups that index arithmetic finds") {
  Generator generator(1);
  const Tensor x = randn({2, 3, 4, 5}, generator, DType::f64);
  for (unsigned mask = 1; mask < 16; ++mask) {
    CAPTURE(mask);
    std::vector<int> axes;
    for (int axis = 0; axis < 4; ++axis) {
      if (mask >> axis & 1) axes.push_back(axis - 4);
    }
    const auto groups = groups_by_hand(x, mask);
    const auto top = values_of(x.max(axes)), bottom = values_of(x.min(axes, true));
    const auto spread = values_of(x.var(axes)), log_sum = values_of(x.logsumexp(axes));
    REQUIRE(top.size() == groups.size());
    for (std::size_t i = 0; i < groups.size(); ++i) {
      CHECK(top[i] == *std::max_element(groups[i].begin(), groups[i].end()));
      CHECK(bottom[i] == *std::min_element(groups[i].begin(), groups[i].end()));
      CHECK(spread[i] == doctest::Approx(variance(groups[i], 1)).epsilon(1e-13));
      CHECK(log_sum[i] == doctest::Approx(log_sum_exp(groups[i])).epsilon(1e-13));
    }
  }
}

TEST_CASE("reduce: one axis needs no braces, and no axis is all of them") {
  const Tensor x = tensor({{1, 2, 6}, {4, 5, 12}});
  CHECK(test::same_bits(x.sum(1), tensor({9, 21})));
  CHECK(test::same_bits(x.sum(-2), x.sum({0})));
  CHECK(test::same_bits(x.mean(0, true), tensor({{2.5, 3.5, 9}})));
  CHECK(test::same_bits(rill::max(x, 1), tensor({6, 12})));
  CHECK(x.var(1).shape() == Shape{2});
  CHECK(x.logsumexp(0).shape() == Shape{3});
  const std::int64_t last = 1;
  CHECK(test::same_bits(x.min(static_cast<int>(last)), tensor({1, 4})));
  CHECK(x.sum({}).item() == 30);
  CHECK(x.sum(std::vector<int>{0, 1}).item() == 30);
  static_assert(!std::is_constructible_v<AxisList, bool> && !std::is_constructible_v<AxisList, double>);
  CHECK_THROWS_WITH_AS(x.sum({0, 1, 2, 3, 4, 5, 6, 7, 8}), "axes: there are 9, expected at most 8", Error);
}

TEST_CASE("reduce: keepdim leaves sizes of 1") {
  const Tensor x = ones({2, 3, 4});
  CHECK(x.max({0, 2}, true).shape() == Shape{1, 3, 1});
  CHECK(x.min({1}).shape() == Shape{2, 4});
  CHECK(x.var({-1}, true).shape() == Shape{2, 3, 1});
  CHECK(x.logsumexp({0}).shape() == Shape{3, 4});
  CHECK(x.argmax(1, true).shape() == Shape{2, 1, 4});
  CHECK(x.max().shape() == Shape{});
}

TEST_CASE("max, min: equal elements share the gradient evenly, over one axis and over all") {
  Tensor x = leaf({{3, 1, 3}, {2, 2, 2}});
  x.max({1}).backward(tensor({6, 6}, DType::f64));
  CHECK(values_of(x.grad()) == std::vector<double>{3, 0, 3, 2, 2, 2});
  x.zero_grad();
  x.max().backward();
  CHECK(values_of(x.grad()) == std::vector<double>{0.5, 0, 0.5, 0, 0, 0});
  x.zero_grad();
  x.min({0}).sum().backward();
  CHECK(values_of(x.grad()) == std::vector<double>{0, 1, 0, 1, 0, 1});
}

TEST_CASE("max, min: NaN wins wherever it stands, and takes the gradient") {
  for (std::int64_t at = 0; at < 40; ++at) {
    Tensor x = ones({40}, DType::f64), rows = ones({40, 3}, DType::f64);
    x.set({at}, nan_value);
    rows.set({at, 1}, nan_value);
    CHECK(std::isnan(x.max().item()));
    CHECK(std::isnan(x.min().item()));
    CHECK(std::isnan(rows.max({0}).at({1})));
    CHECK(rows.max({0}).at({2}) == 1);
    x.requires_grad_();
    x.max().backward();
    CHECK(x.grad().at({at}) == 1);
    CHECK(x.grad().sum().item() == 1);
  }
}

TEST_CASE("var: a divisor of 0 or less gives inf, or NaN where all are equal") {
  CHECK(var(leaf({1, 2}), {}, false, 2).item() == inf);
  CHECK(var(leaf({1, 2}), {}, false, 3).item() == inf);
  CHECK(std::isnan(var(leaf({2, 2}), {}, false, 2).item()));
  CHECK(std::isnan(var(leaf({1})).item()));
}

TEST_CASE("max: infinities are numbers") {
  CHECK(tensor({-inf, -inf}, DType::f64).max().item() == -inf);
  CHECK(tensor({-inf, inf}, DType::f64).max().item() == inf);
  CHECK(tensor({1, 5, 3}, DType::i64).max().item() == 5);
}

TEST_CASE("argmax, argmin: the first of equal elements, along an axis and over all") {
  const Tensor x = tensor({{1, 7, 7}, {7, 0, 0}});
  CHECK(values_of(x.argmax(1)) == std::vector<double>{1, 0});
  CHECK(values_of(x.argmax(0)) == std::vector<double>{1, 0, 0});
  CHECK(x.argmax().item() == 1);
  CHECK(argmin(x).item() == 4);
  CHECK(values_of(argmin(x, -1)) == std::vector<double>{0, 1});
  CHECK(x.argmax().dtype() == DType::i64);
  CHECK_FALSE(leaf({1, 2}).argmax().requires_grad());
}

TEST_CASE("argmax, argmin: the first NaN is the extreme of both") {
  const Tensor x = tensor({{5, nan_value, inf, nan_value}, {-inf, 1, nan_value, 2}});
  CHECK(values_of(argmax(x, 1)) == std::vector<double>{1, 2});
  CHECK(values_of(argmin(x, 1)) == std::vector<double>{1, 2});
  CHECK(values_of(argmax(x, 0)) == std::vector<double>{0, 0, 1, 0});
}

TEST_CASE("var: unbiased by default, by n with the correction 0, NaN where the divisor is 0") {
  const Tensor x = tensor({1, 2, 3, 4}, DType::f64);
  CHECK(x.var().item() == doctest::Approx(5.0 / 3).epsilon(1e-15));
  CHECK(var(x, {}, false, 0).item() == 1.25);
  CHECK(std::isnan(tensor({1.0}).var().item()));
  CHECK(var(tensor({1.0}), {}, false, 0).item() == 0);
  CHECK(std::isnan(zeros({0}).var().item()));
}

TEST_CASE("var: a large mean costs no digits") {
  Tensor x = tensor({1e9 + 1, 1e9 + 2, 1e9 + 3, 1e9 + 4}, DType::f64);
  CHECK(var(x, {}, false, 0).item() == 1.25);
}

TEST_CASE("logsumexp: huge, infinite and missing elements") {
  CHECK(tensor({1e4, 1e4}).logsumexp({0}).item() == doctest::Approx(1e4 + std::log(2.0)));
  CHECK(tensor({-1e30, -1e30}, DType::f64).logsumexp({0}).item() == -1e30);
  CHECK(tensor({-inf, -inf}).logsumexp({0}).item() == -inf);
  CHECK(tensor({-inf, 2.0}).logsumexp({0}).item() == 2);
  CHECK(tensor({inf, 2.0}).logsumexp({0}).item() == inf);
  CHECK(std::isnan(tensor({inf, nan_value}).logsumexp({0}).item()));
  CHECK(zeros({0}).logsumexp({0}).item() == -inf);
}

TEST_CASE("logsumexp: the gradient at -inf is 0, also where all are") {
  const Tensor x = leaf({{-inf, 0}, {-inf, -inf}});
  logsumexp(x, {1}).sum().backward();
  CHECK(values_of(x.grad()) == std::vector<double>{0, 1, 0, 0});
}

TEST_CASE("softmax, log_softmax: logits of any size stay finite, along either axis") {
  const Tensor x = tensor({{1e4, -1e4}, {1e4, 1e38}});
  CHECK(values_of(softmax(x)) == std::vector<double>{1, 0, 0, 1});
  CHECK(log_softmax(x).at({0, 1}) == -2e4);
  CHECK(values_of(softmax(x, 0)) == std::vector<double>{0.5, 0, 0.5, 1});
  CHECK(log_softmax(x, 0).at({1, 0}) == doctest::Approx(-std::log(2.0)));
}

TEST_CASE("softmax, log_softmax: a row of -inf alone is NaN, beside a number -inf is 0") {
  const Tensor x = tensor({{-inf, -inf}, {-inf, 3}});
  for (const int axis : {1, 0}) {
    const Tensor rows = axis == 1 ? x : tensor({{-inf, -inf}, {-inf, 3}});
    const Tensor p = softmax(rows, axis), log_p = log_softmax(rows, axis);
    CHECK(std::isnan(p.at({0, 0})));
    CHECK(std::isnan(log_p.at({0, 0})));
    CHECK(p.at({1, 1}) == 1);
    CHECK(log_p.at({1, 1}) == 0);
    CHECK((axis == 1 ? p.at({1, 0}) : p.at({0, 1})) == 0);
    CHECK((axis == 1 ? log_p.at({1, 0}) : log_p.at({0, 1})) == -inf);
  }
}

TEST_CASE("softmax: NaN makes its row NaN and no other") {
  const Tensor p = softmax(tensor({{1, nan_value, 2}, {0, 0, 0}}));
  CHECK(std::isnan(p.at({0, 0})));
  CHECK(std::isnan(p.at({0, 2})));
  CHECK(p.at({1, 1}) == doctest::Approx(1.0 / 3));
}

TEST_CASE("topk: in order, equal ones by index, NaN as the largest") {
  const Tensor x = tensor({2, nan_value, 5, 2, 5, -inf});
  const TopK top = topk(x, 4), low = topk(x, 6, 0, false);
  CHECK(values_of(top.indices) == std::vector<double>{1, 2, 4, 0});
  CHECK(values_of(low.indices) == std::vector<double>{5, 0, 3, 2, 4, 1});
  CHECK(top.values.at({1}) == 5);
  CHECK(top.indices.dtype() == DType::i64);
}

TEST_CASE("topk: along the first axis, with a gradient where the values stood") {
  const Tensor x = leaf({{1, 6}, {3, 4}, {2, 5}});
  const TopK top = topk(x, 2, 0);
  CHECK(values_of(top.values) == std::vector<double>{3, 6, 2, 5});
  CHECK(values_of(top.indices) == std::vector<double>{1, 0, 2, 2});
  top.values.backward(tensor({{10, 20}, {30, 40}}, DType::f64));
  CHECK(values_of(x.grad()) == std::vector<double>{0, 20, 10, 0, 30, 40});
  CHECK_FALSE(top.indices.requires_grad());
}

TEST_CASE("reduce: errors say what does not fit") {
  const Tensor x = zeros({0, 3}), y = zeros({2, 3}), count = zeros({2}, DType::i64);
  CHECK(message_of([&] { x.max({0}); }) == "max: x is [0, 3], expected one element or more along the axes");
  CHECK(message_of([&] { x.argmax(); }) ==
        "argmax: x is [0, 3], expected one element or more along the axes");
  CHECK(message_of([&] { y.min({1, -1}); }) == "min: axis -1 is named twice, expected distinct axes");
  CHECK(message_of([&] { count.var(); }) == "var: x is i64, expected f32 or f64");
  CHECK(message_of([&] { count.logsumexp({0}); }) == "logsumexp: x is i64, expected f32 or f64");
  CHECK(message_of([&] { topk(y, 4); }) == "topk: k is 4, expected 0 to 3 (axis 1 of x [2, 3])");
  CHECK(message_of([&] { softmax(y, 2); }).starts_with("softmax: "));
  CHECK(message_of([&] { log_softmax(zeros({})); }) ==
        "log_softmax: x is a scalar, expected at least one axis");
}

TEST_CASE("reduce: results and gradients are the same bits for any thread count") {
  Generator generator(2);
  for (const Shape& shape : {Shape{100000}, Shape{3, 70000}, Shape{300, 500}, Shape{70, 30, 90}}) {
    const Tensor x = randn(shape, generator);
    const auto run = [&](int threads) {
      const test::ThreadCount guard(threads);
      std::vector<Tensor> all;
      for (int axis = 0; axis < x.dim(); ++axis) {
        const Tensor leaf = x.detach().clone().requires_grad_();
        const std::vector<int> axes{axis};
        for (const Tensor& y : {leaf.max(axes), leaf.var(axes), leaf.logsumexp(axes), softmax(leaf, axis),
                                log_softmax(leaf, axis), topk(leaf, 3, axis).values}) {
          all.push_back(y.detach());
          (y * y).sum().backward();
          all.push_back(leaf.grad().clone());
        }
        all.push_back(leaf.argmax(axis));
      }
      return all;
    };
    const auto one = run(1), three = run(3);
    for (std::size_t i = 0; i < one.size(); ++i) CHECK(test::same_bits(one[i], three[i]));
  }
}

}  // namespace
