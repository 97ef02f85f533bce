// Losses: formulas, extreme inputs, weights, what is ignored, errors.

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

TEST_CASE("mse_loss: both sides get a gradient, of opposite signs") {
  const Tensor x = leaf({1, 2}), t = leaf({3, 2});
  const Tensor loss = mse_loss(x, t);
  CHECK(loss.item() == 2);
  loss.backward();
  CHECK(values_of(x.grad()) == std::vector<double>{-2, 0});
  CHECK(values_of(t.grad()) == std::vector<double>{2, 0});
}

TEST_CASE("l1_loss: the gradient at equal values is 0") {
  const Tensor x = leaf({1, 2, 5}), t = tensor({1, 3, 1}, DType::f64);
  l1_loss(x, t, Reduction::sum).backward();
  CHECK(values_of(x.grad()) == std::vector<double>{0, -1, 1});
}

TEST_CASE("huber_loss: delta 2 gives PyTorch's 0.125 at 0.5 and 4 at 3") {
  const Tensor losses =
      huber_loss(tensor({0.5, -3}, DType::f64), zeros({2}, DType::f64), {Reduction::none, 2});
  CHECK(values_of(losses) == std::vector<double>{0.125, 4});
}

TEST_CASE("huber_loss: the slope is d within delta and delta beyond, infinities included") {
  const Tensor x = leaf({0.5, -3, 2, inf});
  huber_loss(x, zeros({4}, DType::f64), {Reduction::sum, 2}).backward();
  CHECK(values_of(x.grad()) == std::vector<double>{0.5, -2, 2, 2});
}

TEST_CASE("binary_cross_entropy_with_logits: pos_weight 3 at x = t = 1 gives PyTorch's 0.9397850") {
  const Tensor one = ones({1}, DType::f64);
  const Tensor loss = binary_cross_entropy_with_logits(one, one, {.pos_weight = tensor({3.0}, DType::f64)});
  CHECK(loss.item() == doctest::Approx(0.9397850).epsilon(1e-7));
}

TEST_CASE("binary_cross_entropy_with_logits: huge logits give finite losses and gradients") {
  for (const DType dtype : {DType::f32, DType::f64}) {
    Tensor x = tensor({1e30, -1e30, 1e30, -1e30, 100, -100}, dtype);
    x.requires_grad_();
    const Tensor t = tensor({1, 0, 0, 1, 1, 1}, dtype);
    const Tensor losses = binary_cross_entropy_with_logits(x, t, {.reduction = Reduction::none});
    losses.sum().backward();
    const auto got = values_of(losses), slopes = values_of(x.grad());
    CHECK(got[0] == 0);
    CHECK(got[1] == 0);
    CHECK(got[2] == doctest::Approx(1e30));
    CHECK(got[3] == doctest::Approx(1e30));
    CHECK(got[4] == doctest::Approx(std::exp(-100.0)).epsilon(1e-6));
    CHECK(got[5] == doctest::Approx(100));
    CHECK(slopes[0] == 0);
    CHECK(slopes[2] == 1);
    CHECK(slopes[3] == -1);
    CHECK(slopes[4] == doctest::Approx(-std::exp(-100.0)).epsilon(1e-6));
  }
}

// With s the sigmoid: the loss -log(1 - s) and the slope s of a negative, -p log s and p (s - 1) of a positive.
TEST_CASE("binary_cross_entropy_with_logits: confident f32 logits lose no digits") {
  for (const double x : {-12.0, -30.0, 0.5, 12.0}) {
    for (const double p : {1.0, 3.0}) {
      const Tensor logits = tensor({x, -x}).requires_grad_(), target = tensor({0, 1});
      const Tensor losses = binary_cross_entropy_with_logits(
          logits, target, {.reduction = Reduction::none, .pos_weight = full({2}, p)});
      const Tensor slopes = grad({losses.sum()}, {logits}, {}, {.create_graph = true})[0];
      const Tensor curvatures = grad({slopes.sum()}, {logits})[0];
      const double s = 1 / (1 + std::exp(-x)), loss = std::log1p(std::exp(x));
      const auto relative = [](double y) { return doctest::Approx(y).epsilon(1e-6).scale(0); };
      CAPTURE(x);
      CHECK(losses.at({0}) == relative(loss));
      CHECK(losses.at({1}) == relative(p * loss));
      CHECK(slopes.at({0}) == relative(s));
      CHECK(slopes.at({1}) == relative(-p * s));
      const double curvature = s / (1 + std::exp(x));
      CHECK(curvatures.at({0}) == relative(curvature));
      CHECK(curvatures.at({1}) == relative(p * curvature));
    }
  }
}

TEST_CASE("binary_cross_entropy_with_logits: weights broadcast, and the mean divides by the elements") {
  const Tensor x = leaf({{1, -2}, {0.5, 3}}), t = tensor({{1, 0}, {0.25, 1}}, DType::f64);
  const Tensor weight = tensor({{2}, {5}}, DType::f64), pos_weight = tensor({3, 0.5}, DType::f64);
  const double factor[2] = {2, 5}, positive[2] = {3, 0.5};
  double expected = 0;
  for (std::int64_t i = 0; i < 2; ++i) {
    for (std::int64_t j = 0; j < 2; ++j) {
      const double s = 1 / (1 + std::exp(-x.at({i, j}))), y = t.at({i, j});
      expected -= factor[i] * (positive[j] * y * std::log(s) + (1 - y) * std::log(1 - s)) / 4;
    }
  }
  const BinaryCrossEntropyOptions options{.weight = weight, .pos_weight = pos_weight};
  CHECK(binary_cross_entropy_with_logits(x, t, options).item() == doctest::Approx(expected).epsilon(1e-14));
  Stream stream(1, Purpose::user);
  const auto check = test::check_second_order(
      [&](const test::Tensors& in) {
        return test::Tensors{binary_cross_entropy_with_logits(in[0], in[1], options)};
      },
      {x, t.clone().requires_grad_()}, stream, "bce");
  CHECK_MESSAGE(check.passed(), check.failure);
}

TEST_CASE("losses: NaN goes through, in values and means") {
  const Tensor x = tensor({nan_value, 1}), t = zeros({2});
  CHECK(std::isnan(mse_loss(x, t).item()));
  CHECK(std::isnan(l1_loss(x, t).item()));
  CHECK(std::isnan(huber_loss(x, t).item()));
  CHECK(std::isnan(binary_cross_entropy_with_logits(x, t).item()));
}

TEST_CASE("losses: of no elements, the mean is NaN and the sum 0") {
  const Tensor none = zeros({0, 3});
  CHECK(std::isnan(mse_loss(none, none).item()));
  CHECK(l1_loss(none, none, Reduction::sum).item() == 0);
}

TEST_CASE("nll_loss: weights, and rows that are ignored") {
  const Tensor x = leaf({{-1, -2}, {-3, -4}, {nan_value, nan_value}});
  const Tensor labels = tensor({1, 0, -100}, DType::i64), weight = tensor({3, 1}, DType::f64);
  const Tensor loss = nll_loss(x, labels, {}, weight);
  CHECK(loss.item() == (2 + 9) / 4.0);
  loss.backward();
  CHECK(values_of(x.grad()) == std::vector<double>{0, -0.25, -0.75, 0, 0, 0});
  CHECK(values_of(nll_loss(x, labels, {.reduction = Reduction::none})) == std::vector<double>{2, 3, 0});
}

TEST_CASE("nll_loss, cross_entropy: a class of weight 0 counts for nothing, even at -inf") {
  const Tensor x = tensor({{0, -inf}, {-inf, 0}}, DType::f64), labels = tensor({1, 1}, DType::i64);
  const Tensor weight = tensor({1, 0}, DType::f64);
  for (const Reduction reduction : {Reduction::none, Reduction::sum}) {
    CHECK(nll_loss(x, labels, {.reduction = reduction}, weight).sum().item() == 0);
    CHECK(cross_entropy(x, labels, {.reduction = reduction}, weight).sum().item() == 0);
  }
}

TEST_CASE("nll_loss: where all rows are ignored the mean is NaN and the sum 0") {
  const Tensor x = zeros({2, 3}), labels = tensor({7, 7}, DType::i64);
  CHECK(std::isnan(nll_loss(x, labels, {.ignore_index = 7}).item()));
  CHECK(nll_loss(x, labels, {Reduction::sum, 7}).item() == 0);
}

TEST_CASE("nll_loss: of log_softmax is cross_entropy") {
  Generator generator(4);
  const Tensor x = randn({6, 5}, generator, DType::f64), labels = tensor({0, 4, 2, 2, 1, 3}, DType::i64);
  CHECK(nll_loss(log_softmax(x), labels).item() ==
        doctest::Approx(cross_entropy(x, labels).item()).epsilon(1e-14));
}

TEST_CASE("cross_entropy: equal logits give log n, however large they are") {
  for (const DType dtype : {DType::f32, DType::f64}) {
    for (const std::int64_t classes : {2, 3, 2000}) {
      for (const double size : {1.0, 1e10, 1e20, 3e38, -3e38}) {
        const Tensor x = full({1, classes}, size, dtype), label = zeros({1}, DType::i64);
        CAPTURE(size);
        const double exact = std::log(static_cast<double>(classes)),
                     bound = dtype == DType::f32 ? 1e-6 : 1e-11;
        CHECK(std::abs(cross_entropy(x, label).item() - exact) <= bound);
        CHECK(std::abs(cross_entropy(x, label, {.label_smoothing = 0.5}).item() - exact) <= bound);
      }
    }
  }
}

TEST_CASE("cross_entropy: an ignored row that holds NaN has second-order gradients of 0") {
  for (const Reduction reduction : {Reduction::mean, Reduction::none}) {
    const Tensor x = leaf({{1, 2, 0.5}, {nan_value, nan_value, inf}});
    const Tensor labels = tensor({2, -100}, DType::i64);
    const Tensor loss = cross_entropy(x, labels, {.reduction = reduction}).sum();
    const Tensor dx = grad({loss}, {x}, {}, {.create_graph = true})[0];
    const Tensor second = grad({dx}, {x}, {tensor({{1, 2, 3}, {4, 5, 6}}, DType::f64)})[0];
    for (std::int64_t c = 0; c < 3; ++c) CHECK(second.at({1, c}) == 0);
    CHECK(second.at({0, 0}) != 0);
  }
}

TEST_CASE("losses: errors say what does not fit") {
  const Tensor x = zeros({4, 1}), t = zeros({4}), wide = zeros({4, 1}, DType::f64);
  CHECK(message_of([&] { mse_loss(x, t); }) == "mse_loss: target is [4], expected [4, 1] as x");
  CHECK(message_of([&] { l1_loss(x, wide); }) ==
        "l1_loss: target is f64, expected f32 as x; convert one with to()");
  CHECK(message_of([&] { huber_loss(x, x, {.delta = 0}); }) ==
        "huber_loss: delta is 0, expected a finite number above 0");
  CHECK(message_of([&] { binary_cross_entropy_with_logits(x, t); }) ==
        "binary_cross_entropy_with_logits: target is [4], expected [4, 1] as x");
  CHECK(message_of([&] {
          binary_cross_entropy_with_logits(x, x, {.pos_weight = zeros({4, 2})});
        }) ==
        "binary_cross_entropy_with_logits: pos_weight is [4, 2], expected a shape that broadcasts to [4, 1]");
  CHECK(message_of([&] { nll_loss(t, t); }) == "nll_loss: log-probabilities are [4], expected [n, classes]");
  CHECK(message_of([&] {
          nll_loss(x, tensor({0, 0, 1, 0}, DType::i64));
        }) == "nll_loss: label 1 in row 2 is out of range, expected 0 to 0");
}

TEST_CASE("losses: results are the same bits for any thread count") {
  Generator generator(5);
  const Tensor x = randn({70000}, generator), t = rand({70000}, generator);
  const auto run = [&](int threads) {
    const test::ThreadCount guard(threads);
    const Tensor leaf = x.detach().clone().requires_grad_();
    const Tensor loss = mse_loss(leaf, t) + l1_loss(leaf, t) + huber_loss(leaf, t) +
                        binary_cross_entropy_with_logits(leaf, t);
    loss.backward();
    return std::vector<Tensor>{loss.detach(), leaf.grad()};
  };
  const auto one = run(1), three = run(3);
  CHECK(test::same_bits(one[0], three[0]));
  CHECK(test::same_bits(one[1], three[1]));
}

}  // namespace
