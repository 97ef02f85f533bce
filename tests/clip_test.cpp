// Clipping by norm and by value: PyTorch's rules, special values, errors, threads.
#include <cmath>
#include <limits>
#include <vector>

#include <doctest/doctest.h>

#include <rill/rill.hpp>

#include "gradcheck.hpp"
#include "thread_count.hpp"

using namespace rill;
using test::same_bits;

namespace {

constexpr double inf = std::numeric_limits<double>::infinity();

Tensor with_grad(std::initializer_list<NestedList> grad, DType dtype = DType::f64) {
  const Tensor values = tensor(grad, dtype);
  Tensor param = zeros(values.shape(), dtype).requires_grad_();
  param.set_grad(values);
  return param;
}

std::vector<double> grad_of(const Tensor& param) {
  const Tensor grad = param.grad();
  return {grad.data<double>().begin(), grad.data<double>().end()};
}

}  // namespace

TEST_CASE("clip: the norm is that of all gradients together, and is returned") {
  const Tensor a = with_grad({3, 0}), b = with_grad({{0}, {-4}});
  CHECK(optim::clip_grad_norm_({a, b}, 1) == 5);
  // PyTorch divides by norm + 1e-6.
  CHECK(grad_of(a)[0] == doctest::Approx(3 / 5.000001).epsilon(1e-14));
  CHECK(grad_of(b)[1] == doctest::Approx(-4 / 5.000001).epsilon(1e-14));
}

TEST_CASE("clip: gradients within max_norm keep their bits") {
  const Tensor a = with_grad({0.1, 0.3, -0.7});
  const Tensor before = a.grad().clone();
  CHECK(optim::clip_grad_norm_({a}, 1) == doctest::Approx(std::sqrt(0.59)));
  CHECK(same_bits(a.grad(), before));
}

TEST_CASE("clip: norms of other orders") {
  const Tensor a = with_grad({3, -4});
  CHECK(optim::clip_grad_norm_({a}, inf, 1) == 7);
  CHECK(optim::clip_grad_norm_({a}, inf, 3) == doctest::Approx(std::cbrt(91.0)).epsilon(1e-14));
  CHECK(optim::clip_grad_norm_({a}, inf, 0.5) == doctest::Approx(7 + 2 * std::sqrt(12.0)).epsilon(1e-14));
  CHECK(optim::clip_grad_norm_({a}, 2, inf) == 4);
  CHECK(grad_of(a)[0] == doctest::Approx(6 / 4.000001).epsilon(1e-14));
}

TEST_CASE("clip: parameters without a gradient are passed over") {
  const Tensor a = with_grad({3, 4}), idle = zeros({2}, DType::f64).requires_grad_();
  CHECK(optim::clip_grad_norm_({idle, a}, 10) == 5);
  optim::clip_grad_value_({idle, a}, 3.5);
  CHECK(grad_of(a) == std::vector<double>{3, 3.5});
  CHECK_FALSE(idle.grad().defined());
  CHECK(optim::clip_grad_norm_(std::vector<Tensor>{}, 1) == 0);
  CHECK(optim::clip_grad_norm_({idle}, 1) == 0);
}

TEST_CASE("clip: f32 and f64 gradients may stand beside each other") {
  const Tensor a = with_grad({3}, DType::f32), b = with_grad({4});
  CHECK(optim::clip_grad_norm_({a, b}, 2.5) == 5);
  CHECK(a.grad().item() == doctest::Approx(1.5).epsilon(1e-6));
}

TEST_CASE("clip: a norm whose square is beyond f64 is still right") {
  CHECK(optim::clip_grad_norm_({with_grad({3e200, 4e200})}, inf) == doctest::Approx(5e200).epsilon(1e-14));
  CHECK(optim::clip_grad_norm_({with_grad({3e-200, 4e-200})}, inf) == doctest::Approx(5e-200).epsilon(1e-14));
  CHECK(optim::clip_grad_norm_({with_grad({3e-30, 4e-30})}, inf, 12) ==
        doctest::Approx(4e-30 * std::pow(1 + std::pow(0.75, 12), 1.0 / 12)).epsilon(1e-14));
}

TEST_CASE("clip: an infinite norm leaves zeros and NaN, as in PyTorch") {
  const Tensor a = with_grad({1, inf, 2});
  CHECK(optim::clip_grad_norm_({a}, 1) == inf);
  CHECK(grad_of(a)[0] == 0);
  CHECK(std::isnan(grad_of(a)[1]));
}

TEST_CASE("clip: a NaN anywhere makes all gradients NaN, for every order") {
  for (const double p : {1.0, 2.0, 3.0, inf}) {
    CAPTURE(p);
    const Tensor a = with_grad({1, 2}), b = with_grad({3, NAN, 4, 5, 6, 7, 8, 9, 10, 11, 12});
    CHECK(std::isnan(optim::clip_grad_norm_({b, a}, 1, p)));
    CHECK(std::isnan(grad_of(a)[0]));
  }
}

TEST_CASE("clip: a norm that is not finite can be refused, and nothing changes then") {
  for (const double bad : {inf, std::numeric_limits<double>::quiet_NaN()}) {
    const Tensor a = with_grad({8, 6}), b = with_grad({bad});
    const std::string text =
        std::string("clip_grad_norm_: the norm of the gradients is ") + (bad == inf ? "inf" : "nan") +
        ", expected a finite number; pass error_if_nonfinite = false to scale by it all the same";
    CHECK_THROWS_WITH_AS(optim::clip_grad_norm_({a, b}, 1, 2, true), text.c_str(), Error);
    CHECK(grad_of(a) == std::vector<double>{8, 6});
  }
}

TEST_CASE("clip: by value, every element goes to the nearest number of the range") {
  const Tensor a = with_grad({-inf, -3, -0.5, 0, 0.5, 3, inf, NAN});
  optim::clip_grad_value_({a}, 0.75);
  const std::vector<double> got = grad_of(a);
  CHECK(std::vector<double>(got.begin(), got.end() - 1) ==
        std::vector<double>{-0.75, -0.75, -0.5, 0, 0.5, 0.75, 0.75});
  CHECK(std::isnan(got.back()));
}

TEST_CASE("clip: a model stands for its parameters") {
  Generator generator(1);
  nn::Dense dense(2, 1, generator);
  dense(tensor({{3, 4}})).sum().backward();
  CHECK(optim::clip_grad_norm_(dense, 100) == doctest::Approx(std::sqrt(26.0)));
  optim::clip_grad_value_(dense, 2);
  CHECK(dense.weight.grad().to_vector<float>()[0] == 2.0f);
  CHECK(dense.bias.grad().item() == 1);
}

TEST_CASE("clip: bad numbers are refused, and nothing changes") {
  const Tensor a = with_grad({3, 4});
  const auto refused = [&](const char* text, auto call) {
    CHECK_THROWS_WITH_AS(call(), text, Error);
    CHECK(grad_of(a) == std::vector<double>{3, 4});
  };
  refused("clip_grad_norm_: max_norm is -1, expected 0 or more", [&] { optim::clip_grad_norm_({a}, -1); });
  refused("clip_grad_norm_: max_norm is nan, expected 0 or more", [&] { optim::clip_grad_norm_({a}, NAN); });
  refused("clip_grad_norm_: norm_type is 0, expected more than 0",
          [&] { optim::clip_grad_norm_({a}, 1, 0); });
  refused("clip_grad_norm_: norm_type is nan, expected more than 0",
          [&] { optim::clip_grad_norm_({a}, 1, NAN); });
  refused("clip_grad_norm_: a parameter is undefined, expected a tensor", [&] {
    optim::clip_grad_norm_({a, Tensor()}, 1);
  });
  refused("clip_grad_value_: clip_value is -1, expected 0 or more",
          [&] { optim::clip_grad_value_({a}, -1); });
  refused("clip_grad_value_: clip_value is nan, expected 0 or more",
          [&] { optim::clip_grad_value_({a}, NAN); });
  refused("clip_grad_value_: a parameter is undefined, expected a tensor", [&] {
    optim::clip_grad_value_({a, Tensor()}, 1);
  });
}

TEST_CASE("threads: clipping has the same bits for 1, 2, 3 and 8 threads") {
  const auto run = [](double p) {
    Generator generator(3);
    Tensor big = zeros({300007}).requires_grad_(), small = zeros({5}).requires_grad_();
    big.set_grad(randn(big.shape(), generator));
    small.set_grad(randn(small.shape(), generator));
    const double norm = optim::clip_grad_norm_({big, small}, 0.5, p);
    return std::pair(norm, big.grad());
  };
  for (const double p : {1.0, 2.0, 3.0, inf}) {
    CAPTURE(p);
    const auto one = [&] {
      const test::ThreadCount threads(1);
      return run(p);
    }();
    for (const int n : {2, 3, 8}) {
      const test::ThreadCount threads(n);
      const auto other = run(p);
      CHECK(other.first == one.first);
      CHECK(same_bits(other.second, one.second));
    }
  }
}
