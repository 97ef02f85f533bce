// Optimizers: groups, decay, options; trajectories against PyTorch are golden tests.
#include <algorithm>
#include <cmath>
#include <string>

#include <doctest/doctest.h>

#include <rill/rill.hpp>

using namespace rill;

namespace {

Tensor parameter(std::initializer_list<NestedList> values) { return tensor(values).requires_grad_(); }

}  // namespace

TEST_CASE("optim: a module's biases and PReLU slopes are not decayed, its weights are") {
  Generator generator(1);
  nn::Sequential model{nn::Dense(2, 2, generator), nn::PReLU()};
  for (Tensor& param : model.parameters()) {
    for (float& value : param.mutable_data<float>()) value = 1;
    param.set_grad(zeros(param.shape()));
  }
  optim::AdamW optimizer(model, {.lr = 0.1, .weight_decay = 0.5});
  optimizer.step();
  const auto params = model.parameters();
  CHECK(params[0].data<float>()[0] == doctest::Approx(0.95));
  CHECK(params[1].data<float>()[0] == 1.0f);
  CHECK(params[2].data<float>()[0] == 1.0f);
}

TEST_CASE("optim: an infinite parameter stays what it is where nothing decays") {
  const auto stepped = [](const auto& make) {
    Tensor mask = full({100}, 0.5).requires_grad_();  // as many as go by vectors
    mask.mutable_data<float>()[20] = -INFINITY;
    auto optimizer = make(mask);
    for (int step = 0; step < 3; ++step) {
      mask.set_grad(arange(-20, 80));  // 0 there

      optimizer.step();
    }
    return mask.data<float>()[20];
  };
  using namespace rill::optim;
  const std::vector<float> after{
      stepped([](Tensor& p) { return SGD({p}, {.lr = 0.1}); }),
      stepped([](Tensor& p) { return SGD({p}, {.lr = 0.1, .momentum = 0.9}); }),
      stepped([](Tensor& p) { return SGD({p}, {.lr = 0.1, .momentum = 0.9, .nesterov = true}); }),
      stepped([](Tensor& p) { return Adam({p}, {.lr = 0.1}); }),
      stepped([](Tensor& p) { return Adam({p}, {.lr = 0.1, .amsgrad = true}); }),
      stepped([](Tensor& p) { return AdamW({p}, {.lr = 0.1, .weight_decay = 0.1}); }),
      stepped([](Tensor& p) { return RMSprop({p}, {.lr = 0.1}); }),
      stepped([](Tensor& p) { return Adagrad({p}, {.lr = 0.1}); })};
  CHECK(after == std::vector<float>(8, -INFINITY));
}

TEST_CASE("optim: a list of parameters is decayed as a whole, as in PyTorch") {
  Tensor bias = parameter({1, 1});
  bias.set_grad(zeros({2}));
  optim::SGD({bias}, {.lr = 0.1, .weight_decay = 0.5}).step();
  CHECK(bias.data<float>()[0] == doctest::Approx(0.95));
}

TEST_CASE("optim: each group has its own learning rate") {
  Tensor a = parameter({1}), b = parameter({1});
  a.set_grad(ones({1}));
  b.set_grad(ones({1}));
  optim::SGD optimizer({optim::Group{.params = {a}, .lr = 0.5}, optim::Group{.params = {b}}}, {.lr = 0.25});
  optimizer.step();
  CHECK(a.item() == 0.5);
  CHECK(b.item() == 0.75);
  CHECK(optimizer.lr(0) == 0.5);
  CHECK(optimizer.lr(1) == 0.25);
}

TEST_CASE("optim: a parameter without a gradient stays as it is, and its step count too") {
  Tensor a = parameter({1}), b = parameter({1});
  optim::Adam optimizer({a, b}, {.lr = 0.1});
  for (int i = 0; i < 5; ++i) {
    a.set_grad(ones({1}));
    optimizer.step();
  }
  CHECK(b.item() == 1.0);
  // The first update of Adam moves by lr, whatever the gradient: had b counted its idle steps, it would move less.
  b.set_grad(full({1}, 3));
  a.zero_grad();
  optimizer.step();
  CHECK(b.item() == doctest::Approx(0.9));
}

TEST_CASE("optim: zero_grad clears what backward left") {
  Tensor a = parameter({1, 2});
  optim::SGD optimizer({a}, {.lr = 0.1});
  a.sum().backward();
  CHECK(a.grad().defined());
  optimizer.zero_grad();
  CHECK_FALSE(a.grad().defined());
}

namespace {

// The weights after `steps` steps on Σ c · w², from w = [1, -2, 0.5] with c = [0.5, 1, 2].
template <class Optimizer, class Options>
Tensor descend(const Options& options, int steps) {
  const Tensor c = tensor({0.5, 1, 2}, DType::f64);
  Tensor w = tensor({1, -2, 0.5}, DType::f64).requires_grad_();
  Optimizer optimizer({w}, options);
  for (int i = 0; i < steps; ++i) {
    optimizer.zero_grad();
    (c * w * w).sum().backward();
    optimizer.step();
  }
  return w;
}

bool near(const Tensor& got, std::initializer_list<double> expected) {
  const auto values = got.data<double>();
  return std::ranges::equal(values, expected, [](double a, double b) { return std::abs(a - b) < 1e-7; });
}

}  // namespace

TEST_CASE("optim: RMSprop's first step of 0.1 is 0.1 / √0.01 towards the minimum") {
  CHECK(near(descend<optim::RMSprop>(optim::RMSpropOptions{.lr = 0.1}, 1), {0, -1, -0.5}));
}

TEST_CASE("optim: Adagrad's first step is the learning rate") {
  CHECK(near(descend<optim::Adagrad>(optim::AdagradOptions{.lr = 0.1}, 1), {0.9, -1.9, 0.4}));
}

TEST_CASE(
    "optim: Adagrad starts from initial_accumulator_value and divides its rate by 1 + lr_decay (t - 1)") {
  // g = 4 w here. First: s = 9 + 16 = 25, w = 1 - 1 · 4/5 = 0.2; then s = 25.64, the rate 1/(1 + 0.5).
  Tensor w = tensor({1}, DType::f64).requires_grad_();
  optim::Adagrad optimizer({w}, {.lr = 1, .lr_decay = 0.5, .initial_accumulator_value = 9, .eps = 0});
  for (const double expected : {0.2, 0.2 - 0.8 / std::sqrt(25.64) / 1.5}) {
    w.set_grad((w * 4.0).detach());
    optimizer.step();
    CHECK(w.item() == doctest::Approx(expected).epsilon(1e-12));
  }
}

TEST_CASE("optim: RMSprop and Adagrad add the weight decay to the gradient") {
  Tensor a = parameter({2}), b = parameter({2});
  a.set_grad(full({1}, -1));
  b.set_grad(full({1}, -1));
  // g + 0.5 · 2 = 0.
  optim::RMSprop({a}, {.weight_decay = 0.5}).step();
  optim::Adagrad({b}, {.weight_decay = 0.5}).step();
  CHECK(a.item() == 2);
  CHECK(b.item() == 2);
}

// Worked out by hand from the formula: gradients 2 and -1, from 1, lr 0.1, alpha 0.9.
TEST_CASE("optim: RMSprop with momentum alone, and centered alone") {
  const auto after_two_steps = [](optim::RMSpropOptions options) {
    options.lr = 0.1;
    options.alpha = 0.9;
    Tensor w = parameter({1});
    optim::RMSprop optimizer({w}, options);
    for (const double gradient : {2.0, -1.0}) {
      w.set_grad(full({1}, gradient));
      optimizer.step();
    }
    return w.item();
  };
  CHECK(after_two_steps({.momentum = 0.5}) == doctest::Approx(0.6731003).epsilon(1e-6));
  CHECK(after_two_steps({.centered = true}) == doctest::Approx(0.8151452).epsilon(1e-6));
}

TEST_CASE("optim: a centered RMSprop stays finite where rounding makes its variance negative") {
  // The variance of gradients that stay the same comes to 0 ± rounding.
  Generator generator(1);
  Tensor w = zeros({1000}).requires_grad_();
  w.set_grad(randn({1000}, generator));
  optim::RMSprop optimizer({w}, {.lr = 1e-12, .alpha = 0.9, .centered = true});
  for (int i = 0; i < 300; ++i) optimizer.step();
  CHECK(std::ranges::all_of(w.data<float>(), [](float value) { return std::isfinite(value); }));
}

TEST_CASE("optim: a NaN in the gradient reaches the weights of RMSprop and Adagrad") {
  for (const bool centered : {false, true}) {
    Tensor a = parameter({1}), b = parameter({1});
    a.set_grad(full({1}, NAN));
    b.set_grad(full({1}, NAN));
    optim::RMSprop({a}, {.centered = centered}).step();
    optim::Adagrad({b}).step();
    CHECK(std::isnan(a.item()));
    CHECK(std::isnan(b.item()));
  }
}

TEST_CASE("optim: RMSprop has a momentum to set if it began with one") {
  Tensor w = parameter({1});
  optim::RMSprop plain({w}), moving({w}, {.momentum = 0.9});
  CHECK_FALSE(plain.momentum());
  CHECK_THROWS_WITH_AS(plain.set_momentum(0.5),
                       "RMSprop: there is no momentum to set, expected one above 0 from the start", Error);
  moving.set_momentum(0.5);
  CHECK(moving.momentum() == 0.5);
  CHECK_THROWS_WITH_AS(moving.set_momentum(-1),
                       "RMSprop: momentum is -1, expected a finite number, 0 or more", Error);
}

TEST_CASE("optim: numbers out of range are refused by RMSprop and Adagrad") {
  const std::vector<Tensor> w{parameter({1})};
  const auto rmsprop = [&](const optim::RMSpropOptions& options) { optim::RMSprop optimizer(w, options); };
  const auto adagrad = [&](const optim::AdagradOptions& options) { optim::Adagrad optimizer(w, options); };
  CHECK_THROWS_WITH_AS(rmsprop({.lr = -1}), "RMSprop: lr is -1, expected a finite number, 0 or more", Error);
  CHECK_THROWS_WITH_AS(rmsprop({.alpha = 1}), "RMSprop: alpha is 1, expected 0 or more and less than 1",
                       Error);
  CHECK_THROWS_WITH_AS(rmsprop({.eps = -1}), "RMSprop: eps is -1, expected a finite number, 0 or more",
                       Error);
  CHECK_THROWS_WITH_AS(rmsprop({.weight_decay = NAN}),
                       "RMSprop: weight_decay is nan, expected a finite number, 0 or more", Error);
  CHECK_THROWS_WITH_AS(rmsprop({.momentum = INFINITY}),
                       "RMSprop: momentum is inf, expected a finite number, 0 or more", Error);
  CHECK_THROWS_WITH_AS(adagrad({.lr = NAN}), "Adagrad: lr is nan, expected a finite number, 0 or more",
                       Error);
  CHECK_THROWS_WITH_AS(adagrad({.lr_decay = -1}),
                       "Adagrad: lr_decay is -1, expected a finite number, 0 or more", Error);
  CHECK_THROWS_WITH_AS(adagrad({.weight_decay = -1}),
                       "Adagrad: weight_decay is -1, expected a finite number, 0 or more", Error);
  CHECK_THROWS_WITH_AS(adagrad({.initial_accumulator_value = -1}),
                       "Adagrad: initial_accumulator_value is -1, expected a finite number, 0 or more",
                       Error);
  CHECK_THROWS_WITH_AS(adagrad({.eps = NAN}), "Adagrad: eps is nan, expected a finite number, 0 or more",
                       Error);
}

TEST_CASE("optim: a module's biases are not decayed by RMSprop and Adagrad either") {
  Generator generator(1);
  nn::Dense dense(2, 2, generator);
  CHECK(optim::RMSprop(dense, {.weight_decay = 0.5}).weight_decay(1) == 0);
  CHECK(optim::Adagrad(dense, {.weight_decay = 0.5}).weight_decay(0) == 0.5);
}

TEST_CASE("optim: groups can be looked into") {
  Tensor a = parameter({1}), b = parameter({1});
  const optim::SGD optimizer(
      {optim::Group{.params = {a}, .lr = 0.5, .weight_decay = 0.1}, optim::Group{.params = {b}}},
      {.lr = 0.25});
  CHECK(optimizer.name() == std::string("SGD"));
  CHECK(optimizer.group_count() == 2);
  CHECK(optimizer.params(1).size() == 1);
  CHECK(optimizer.params(1)[0].data<float>().data() == b.data<float>().data());
  CHECK(optimizer.weight_decay(0) == 0.1);
  CHECK(optimizer.initial_lr(0) == 0.5);
  CHECK_THROWS_WITH_AS(optimizer.params(2), "SGD: there is no group 2, expected 0 to 1", Error);
}

TEST_CASE(
    "optim: gains and biases of a LayerNorm or BatchNorm1d are not decayed, whatever their dimensions") {
  Generator generator(1);
  nn::Sequential model{nn::Dense(2, 4, generator), nn::LayerNorm(Shape{2, 2}), nn::BatchNorm1d(4)};
  const auto groups = optim::decay_groups(model);
  REQUIRE(groups.size() == 2);
  REQUIRE(groups[0].params.size() == 1);
  CHECK(groups[0].params[0].shape() == Shape{4, 2});
  CHECK(groups[1].params.size() == 5);
  CHECK(groups[1].weight_decay == 0.0);
}

TEST_CASE("optim: a matrix of a user's own module is decayed, also one that holds a LayerNorm") {
  struct Block final : nn::Module {
    nn::LayerNorm norm{Shape{2, 2}};
    Tensor scale = ones({2, 2}).requires_grad_();
    Tensor forward(const Tensor& x) override { return norm(x) * scale; }
    void visit(nn::Visitor& visitor) override {
      visitor.child("norm", norm);
      visitor.parameter("scale", scale);
      visitor.parameter("tied", scale);
    }
  } block;
  const auto groups = optim::decay_groups(block);
  REQUIRE(groups.size() == 2);
  CHECK(groups[0].params.size() == 1);
  CHECK(groups[1].params.size() == 2);
}

TEST_CASE("optim: a parameter that is frozen with a gradient pending stays as it is") {
  Tensor a = parameter({1});
  optim::SGD optimizer({a}, {.lr = 0.5});
  a.set_grad(ones({1}));
  a.requires_grad_(false);
  optimizer.step();
  CHECK(a.item() == 1);
  CHECK(optimizer.state(a).steps == 0);
  a.requires_grad_();
  a.set_grad(ones({1}));
  optimizer.step();
  CHECK(a.item() == 0.5);
}

TEST_CASE("optim: scale_lr scales the learning rate of one group and what schedules scale") {
  Tensor a = parameter({1}), b = parameter({1});
  optim::SGD optimizer({optim::Group{.params = {a}, .lr = 0.5}, optim::Group{.params = {b}}}, {.lr = 4});
  optim::StepLR schedule(optimizer, {.step_size = 1, .gamma = 0.5});
  schedule.step();
  optimizer.scale_lr(1, 0.25);
  CHECK(optimizer.lr(0) == 0.25);
  CHECK(optimizer.lr(1) == 0.5);
  CHECK(optimizer.initial_lr(1) == 1);
  schedule.step();
  CHECK(optimizer.lr(1) == 0.25);
  CHECK_THROWS_WITH_AS(optimizer.scale_lr(0, -1), "SGD: factor is -1, expected a finite number, 0 or more",
                       Error);
  CHECK_THROWS_WITH_AS(optimizer.scale_lr(2, 1), "SGD: there is no group 2, expected 0 to 1", Error);
  CHECK_THROWS_WITH_AS(optimizer.scale_lr(1, 1e308 * 10),
                       "SGD: factor is inf, expected a finite number, 0 or more", Error);
}

TEST_CASE("optim: a step is an op of the optimizer's name in a profile") {
  Tensor a = parameter({1});
  optim::AdamW optimizer({a});
  a.set_grad(ones({1}));
  Profile profile;
  optimizer.step();
  optimizer.step();
  profile.stop();
  REQUIRE(profile.ops().size() == 1);
  CHECK(profile.ops()[0].name == "AdamW");
  CHECK(profile.ops()[0].calls == 2);
  CHECK(profile.ops()[0].forward > 0);
}
