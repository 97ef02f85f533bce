// layer_norm and batch_norm, and their layers: values, running statistics, gradients beyond the op list, refusals.
#include <doctest/doctest.h>

#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include <rill/rill.hpp>

#include "gradcheck.hpp"
#include "thread_count.hpp"

using namespace rill;

namespace {

std::vector<std::string> names_of(const std::vector<nn::NamedTensor>& tensors) {
  std::vector<std::string> names;
  for (const auto& [name, value] : tensors) names.push_back(name);
  return names;
}

void check_near(const Tensor& got, std::initializer_list<double> expected, double bound) {
  const Tensor wide = got.detach().to(DType::f64);
  REQUIRE(wide.numel() == static_cast<std::int64_t>(expected.size()));
  std::size_t i = 0;
  for (const double value : expected) {
    CHECK(std::abs(wide.data<double>()[i] - value) <= bound);
    ++i;
  }
}

template <class Call>
void refused(const std::string& text, Call call) {
  CHECK_THROWS_WITH_AS(call(), text.c_str(), Error);
}

void check_both_orders(const test::Function& function, const test::Tensors& inputs, std::uint64_t seed) {
  const auto check = [](const GradcheckResult& result) { CHECK_MESSAGE(result.passed(), result.failure); };
  check(test::check_gradient(function, inputs, Stream(seed, Purpose::user), "norm"));
  check(test::check_second_order(function, inputs, Stream(seed, Purpose::user, 1), "norm"));
}

}  // namespace

TEST_CASE("layer_norm: a row gets mean 0 and biased variance 1, then weight and bias") {
  const Tensor x = tensor({{1, 2, 3, 4}, {-2, 0, 0, 2}}, DType::f64);
  const double s = std::sqrt(1.25), t = std::sqrt(2.0);
  check_near(layer_norm(x, Shape{4}, {}, {}, 0), {-1.5 / s, -0.5 / s, 0.5 / s, 1.5 / s, -2 / t, 0, 0, 2 / t},
             1e-15);
  const Tensor w = tensor({1, 2, 3, 4}, DType::f64), b = tensor({0, 0, 0, 1}, DType::f64);
  check_near(layer_norm(tensor({{1, 2, 3, 4}}, DType::f64), w, b, 0.75),
             {-1.5 / t, -1 / t, 1.5 / t, 6 / t + 1}, 1e-15);
}

TEST_CASE("layer_norm: several axes are one set") {
  Generator generator(1);
  const Tensor x = randn({2, 3, 4}, generator, DType::f64);
  const Tensor flat = layer_norm(x.reshape({2, 12}), Shape{12});
  CHECK(test::same_bits(layer_norm(x, Shape{3, 4}).reshape({2, 12}), flat));
}

TEST_CASE("layer_norm: a row of equal numbers gives the bias exactly") {
  const Tensor y = layer_norm(full({2, 5}, 0.1), ones({5}), full({5}, 0.25));
  for (const float value : y.data<float>()) CHECK(value == 0.25f);
}

TEST_CASE("norms: a mean of ten thousand deviations costs f32 no accuracy beyond its own rounding") {
  Tensor x = empty({64, 3});
  for (std::int64_t i = 0; i < x.numel(); ++i)
    x.mutable_data<float>()[static_cast<std::size_t>(i)] = 8192.0f + static_cast<float>(i % 7);
  const Tensor exact = batch_norm(x.to(DType::f64), {}, {}, {}, {}, true);
  const Tensor got = batch_norm(x, {}, {}, {}, {}, true).to(DType::f64);
  for (std::size_t i = 0; i < 192; ++i)
    CHECK(std::abs(got.data<double>()[i] - exact.data<double>()[i]) < 2e-7);
  const Tensor rows = x.reshape({3, 64});
  const Tensor exact_rows = layer_norm(rows.to(DType::f64), Shape{64}),
               got_rows = layer_norm(rows, Shape{64}).to(DType::f64);
  for (std::size_t i = 0; i < 192; ++i)
    CHECK(std::abs(got_rows.data<double>()[i] - exact_rows.data<double>()[i]) < 2e-7);
}

TEST_CASE("norms: a NaN spoils its own set and no other one") {
  const Tensor y = layer_norm(tensor({{1, NAN, 2}, {1, 2, 3}}), Shape{3});
  CHECK(std::isnan(y.at({0, 0})));
  CHECK_FALSE(std::isnan(y.at({1, 0})));
  const Tensor z = batch_norm(tensor({{1, NAN}, {2, 3}, {3, 5}}), {}, {}, {}, {}, true);
  CHECK(std::isnan(z.at({0, 1})));
  CHECK_FALSE(std::isnan(z.at({0, 0})));
}

TEST_CASE("batch_norm: running statistics move by the momentum, with the unbiased variance, as in PyTorch") {
  nn::BatchNorm1d norm(1, {.dtype = DType::f64});
  norm(tensor({{1}, {3}}, DType::f64));
  CHECK(norm.running_mean.item() == doctest::Approx(0.2).epsilon(1e-15));
  CHECK(norm.running_var.item() == doctest::Approx(0.9 + 0.1 * 2).epsilon(1e-14));
  CHECK(norm.num_batches_tracked.item() == 1);
}

TEST_CASE("BatchNorm1d: without a momentum running statistics are the mean over the batches, as in PyTorch") {
  nn::BatchNorm1d norm(1, {.momentum = std::nullopt, .dtype = DType::f64});
  CHECK_FALSE(norm.momentum());
  norm(tensor({{1}, {3}}, DType::f64));  // mean 2, variance 2
  CHECK(norm.running_mean.item() == 2);
  CHECK(norm.running_var.item() == doctest::Approx(2).epsilon(1e-14));
  norm(tensor({{4}, {8}}, DType::f64));  // 6, 8
  norm(tensor({{6}, {8}}, DType::f64));  // 7, 2
  CHECK(norm.running_mean.item() == doctest::Approx(5).epsilon(1e-14));
  CHECK(norm.running_var.item() == doctest::Approx(4).epsilon(1e-14));
  CHECK(norm.num_batches_tracked.item() == 3);
  CHECK_THROWS_AS(norm(ones({1, 1}, DType::f64)), Error);
  CHECK(norm.num_batches_tracked.item() == 3);
  norm.eval();
  CHECK(norm(tensor({{5}}, DType::f64)).item() == doctest::Approx(0));
  nn::BatchNorm1d untracked(1, {.momentum = std::nullopt, .track_running_stats = false});
  CHECK(untracked(tensor({{1}, {3}})).at({1, 0}) == doctest::Approx(1).epsilon(1e-4));
}

TEST_CASE("BatchNorm1d: evaluation uses the running statistics and changes nothing") {
  nn::BatchNorm1d norm(2, {.eps = 0, .dtype = DType::f64});
  norm.running_mean = tensor({1, -1}, DType::f64);
  norm.running_var = tensor({4, 0.25}, DType::f64);
  norm.weight = tensor({1, 3}, DType::f64);
  norm.bias = tensor({0, 0.5}, DType::f64);
  norm.eval();
  check_near(norm(tensor({{3, 0}}, DType::f64)), {1, 6.5}, 1e-15);
  check_near(norm.running_mean, {1, -1}, 0);
  CHECK(norm.num_batches_tracked.item() == 0);
}

TEST_CASE("BatchNorm1d: evaluation of [n, channels, length] treats each channel alike") {
  Generator generator(2);
  nn::BatchNorm1d norm(3, {.dtype = DType::f64});
  norm(randn({8, 3}, generator, DType::f64));
  norm.eval();
  const Tensor x = randn({2, 3, 4}, generator, DType::f64), y = norm(x);
  for (std::int64_t at = 0; at < 4; ++at) {
    Tensor column = empty({2, 3}, DType::f64);
    for (std::int64_t n = 0; n < 2; ++n)
      for (std::int64_t c = 0; c < 3; ++c) column.set({n, c}, x.at({n, c, at}));
    const Tensor alone = norm(column);
    for (std::int64_t n = 0; n < 2; ++n)
      for (std::int64_t c = 0; c < 3; ++c) CHECK(alone.at({n, c}) == y.at({n, c, at}));
  }
}

TEST_CASE("BatchNorm1d: [n, channels, length] in training is [n · length, channels]") {
  Generator generator(3);
  const Tensor rows = randn({6, 2}, generator, DType::f64);
  Tensor x = empty({2, 2, 3}, DType::f64);
  for (std::int64_t i = 0; i < 6; ++i)
    for (std::int64_t c = 0; c < 2; ++c) x.set({i / 3, c, i % 3}, rows.at({i, c}));
  nn::BatchNorm1d one(2, {.dtype = DType::f64}), other(2, {.dtype = DType::f64});
  const Tensor y = one(x), z = other(rows);
  for (std::int64_t i = 0; i < 6; ++i)
    for (std::int64_t c = 0; c < 2; ++c)
      CHECK(y.at({i / 3, c, i % 3}) == doctest::Approx(z.at({i, c})).epsilon(1e-13));
  CHECK(one.running_var.at({1}) == doctest::Approx(other.running_var.at({1})).epsilon(1e-13));
}

TEST_CASE("BatchNorm1d: parameters and buffers have PyTorch's names and order") {
  nn::BatchNorm1d norm(3);
  CHECK(names_of(norm.named_state()) ==
        std::vector<std::string>{"weight", "bias", "running_mean", "running_var", "num_batches_tracked"});
  CHECK(norm.num_batches_tracked.dtype() == DType::i64);
  CHECK(norm.num_batches_tracked.shape() == Shape{});
  CHECK(norm.parameter_count() == 6);
  nn::BatchNorm1d plain(3, {.affine = false, .track_running_stats = false});
  CHECK(plain.named_state().empty());
}

TEST_CASE("BatchNorm1d: without running statistics evaluation uses the batch's") {
  Generator generator(4);
  nn::BatchNorm1d norm(3, {.track_running_stats = false});
  const Tensor x = randn({5, 3}, generator);
  const Tensor y = norm(x);
  norm.eval();
  CHECK(test::same_bits(norm(x), y));
}

TEST_CASE("BatchNorm1d: a clone has running statistics of its own") {
  Generator generator(5);
  nn::BatchNorm1d norm(3);
  nn::BatchNorm1d copy = nn::clone(norm);
  norm(randn({5, 3}, generator));
  CHECK(copy.num_batches_tracked.item() == 0);
  CHECK(copy.running_var.at({0}) == 1);
}

TEST_CASE("BatchNorm1d: a graph made in evaluation mode outlives the next training step") {
  Generator generator(6);
  nn::BatchNorm1d norm(3);
  const Tensor x = randn({5, 3}, generator).requires_grad_();
  norm.eval();
  const Tensor y = norm(x);
  norm.train();
  norm(x);
  y.sum().backward();
  CHECK(x.grad().at({0, 0}) == doctest::Approx(1 / std::sqrt(1 + 1e-5)));
}

TEST_CASE("LayerNorm: parameters are weight and bias of the normalized shape") {
  nn::LayerNorm norm({2, 3});
  CHECK(names_of(norm.named_state()) == std::vector<std::string>{"weight", "bias"});
  CHECK(norm.weight.shape() == Shape{2, 3});
  CHECK(nn::LayerNorm(4).normalized_shape() == Shape{4});
  CHECK(nn::LayerNorm(4, {.elementwise_affine = false}).parameter_count() == 0);
}

TEST_CASE("norms: gradients of evaluation mode and of the free functions, first and second order") {
  Stream stream(7, Purpose::user);
  const Tensor x = test::random_tensor({3, 2, 4}, stream).requires_grad_();
  const Tensor w = test::random_tensor({2}, stream).requires_grad_(),
               b = test::random_tensor({2}, stream).requires_grad_();
  const Tensor mean = test::random_tensor({2}, stream), var = test::random_tensor({2}, stream, true);
  check_both_orders(
      [&](const test::Tensors& in) { return test::Tensors{batch_norm(in[0], mean, var, in[1], in[2])}; },
      {x, w, b}, 1);
  check_both_orders(
      [&](const test::Tensors& in) {
        return test::Tensors{batch_norm(in[0], {}, {}, in[1], in[2], true) * in[0]};
      },
      {x, w, b}, 2);
  const Tensor v = test::random_tensor({2, 4}, stream).requires_grad_();
  check_both_orders([&](const test::Tensors& in) { return test::Tensors{layer_norm(in[0], in[1]) * in[0]}; },
                    {x, v}, 3);
}

TEST_CASE("norms: a third order exists") {
  const Tensor x = tensor({{0.5, -1.0, 2.0}}, DType::f64).requires_grad_();
  const auto slope_of = [](const Tensor& y, const Tensor& at) {
    return grad({(y * tensor({{1, 2, -1}}, DType::f64)).sum()}, {at}, {}, {.create_graph = true})[0];
  };
  const test::Function second = [&](const test::Tensors& in) {
    const GradMode recording(true);  // also where the checker asks for values alone
    const Tensor y = in[0].requires_grad() ? in[0] * 1.0 : in[0].clone().requires_grad_();
    return test::Tensors{slope_of(slope_of(layer_norm(y, Shape{3}), y), y)};
  };
  const GradcheckResult result = test::check_gradient(second, {x}, Stream(8, Purpose::user), "third order");
  CHECK_MESSAGE(result.passed(), result.failure);
}

TEST_CASE("norms: results and gradients are the same bits for any number of threads") {
  Generator generator(9);
  const Tensor x = randn({700, 100}, generator), g = randn({700, 100}, generator);
  const Tensor w = randn({100}, generator), b = randn({100}, generator);
  const auto run = [&](int threads) {
    const test::ThreadCount count(threads);
    std::vector<Tensor> all;
    for (const bool rows : {true, false}) {
      const Tensor in = x.clone().detach().requires_grad_(), weight = w.clone().detach().requires_grad_(),
                   bias = b.clone().detach().requires_grad_();
      const Tensor y = rows ? layer_norm(in, weight, bias) : batch_norm(in, {}, {}, weight, bias, true);
      y.backward(g);
      for (const Tensor& t : {y.detach(), in.grad(), weight.grad(), bias.grad()}) all.push_back(t);
    }
    return all;
  };
  const std::vector<Tensor> one = run(1);
  for (const int threads : {2, 3, 5}) {
    const std::vector<Tensor> several = run(threads);
    for (std::size_t i = 0; i < one.size(); ++i) CHECK(test::same_bits(one[i], several[i]));
  }
}

TEST_CASE("BatchNorm1d: one value a channel in training is refused and leaves the running statistics alone") {
  nn::BatchNorm1d norm(3);
  refused("batch_norm: x is [1, 3], expected more than 1 value per channel in training", [&] {
    norm(ones({1, 3}));
  });
  CHECK(norm.num_batches_tracked.item() == 0);
  CHECK(norm.running_mean.at({0}) == 0);
  norm.eval();
  CHECK(norm(ones({1, 3})).shape() == Shape{1, 3});
}

TEST_CASE("norms: bad arguments are refused") {
  const Tensor x = ones({4, 3});
  refused("layer_norm: x is [4, 3], expected its last axes to be [4]", [&] { layer_norm(x, Shape{4}); });
  refused("layer_norm: normalized_shape is [], expected at least one axis", [&] { layer_norm(x, Shape{}); });
  refused("layer_norm: bias is [4], expected [3] (x [4, 3])", [&] { layer_norm(x, ones({3}), ones({4})); });
  refused("layer_norm: dtypes are x f32 and weight f64, expected equal ones; convert one with to()",
          [&] { layer_norm(x, ones({3}, DType::f64)); });
  refused("layer_norm: x is i64, expected f32 or f64", [&] {
    layer_norm(ones({2, 3}, DType::i64), Shape{3});
  });
  refused("layer_norm: x is [4, 0], expected at least one element a row", [] {
    layer_norm(ones({4, 0}), Shape{0});
  });
  refused("layer_norm: eps is -1, expected a finite number, 0 or more",
          [&] { layer_norm(x, ones({3}), {}, -1); });
  refused("batch_norm: x is [4], expected [n, channels] or [n, channels, length]",
          [] { batch_norm(ones({4}), {}, {}); });
  refused("batch_norm: there is no running mean or variance, expected both outside of training",
          [&] { batch_norm(x, {}, {}); });
  refused("batch_norm: running_mean is f32 [4], expected f32 or f64 [3] (x [4, 3])",
          [&] { batch_norm(x, ones({4}), ones({3})); });
  refused("batch_norm: momentum is 1.5, expected 0 to 1", [&] { batch_norm(x, {}, {}, {}, {}, true, 1.5); });
  refused("batch_norm: weight is [2], expected [3] (x [4, 3])",
          [&] { batch_norm(x, ones({3}), ones({3}), ones({2})); });
  refused("BatchNorm1d: num_features is 0, expected 1 or more", [] { nn::BatchNorm1d(0); });
  refused("BatchNorm1d: eps is nan, expected a finite number, 0 or more",
          [] { nn::BatchNorm1d(2, {.eps = NAN}); });
  refused("BatchNorm1d: momentum is -0.1, expected 0 to 1", [] { nn::BatchNorm1d(2, {.momentum = -0.1}); });
  refused("BatchNorm1d: frozen_stats is true without track_running_stats, expected both",
          [] { nn::BatchNorm1d(2, {.track_running_stats = false, .frozen_stats = true}); });
  refused("BatchNorm1d: dtype is i64, expected f32 or f64",
          [] { nn::BatchNorm1d(2, {.dtype = DType::i64}); });
  refused("BatchNorm1d: x is [4, 3], expected [n, 2] or [n, 2, length]", [&] { nn::BatchNorm1d(2)(x); });
  refused("LayerNorm: normalized_shape is [], expected at least one axis and one element",
          [] { nn::LayerNorm(Shape{}); });
  refused("LayerNorm: normalized_shape is [0], expected at least one axis and one element",
          [] { nn::LayerNorm(0); });
  refused("LayerNorm: eps is -1, expected a finite number, 0 or more", [] { nn::LayerNorm(2, {.eps = -1}); });
}
