// Optimizers and the one-cycle schedule: groups, decay, momentum; trajectories against PyTorch are golden tests.
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
  optim::SGD optimizer({optim::Group{.params = {a}, .lr = 0.5, .weight_decay = {}},
                        optim::Group{.params = {b}, .lr = {}, .weight_decay = {}}},
                       {.lr = 0.25});
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

TEST_CASE("optim: one_cycle moves the momentum against the learning rate, as PyTorch does") {
  Tensor a = parameter({1});
  optim::SGD optimizer({a}, {.lr = 0.1, .momentum = 0.9});
  // Learning rates of torch.optim.lr_scheduler.OneCycleLR(max_lr=1, total_steps=10), PyTorch 1.13.
  optim::OneCycle schedule(optimizer, {.max_lr = 1, .total_steps = 10});
  const double expected[] = {.04,       .52,       1,         .95048463, .81174565,
                             .61126202, .38874198, .18825835, .04951937, 4e-6};
  for (int i = 0; i < 10; ++i) {
    CHECK(optimizer.lr() == doctest::Approx(expected[i]).epsilon(1e-7));
    // The learning rate and the momentum run along the same cosine, the one up while the other goes down.
    if (i <= 2)
      CHECK(*optimizer.momentum() == doctest::Approx(0.95 - 0.1 * (expected[i] - .04) / .96).epsilon(1e-7));
    if (i > 2)
      CHECK(*optimizer.momentum() ==
            doctest::Approx(0.95 - 0.1 * (expected[i] - 4e-6) / (1 - 4e-6)).epsilon(1e-7));
    schedule.step();
  }
  CHECK_THROWS_WITH_AS(schedule.step(), "OneCycle: step 11 of 10, expected at most that many", Error);
}

TEST_CASE("optim: one_cycle leaves an optimizer without momentum its own") {
  Tensor a = parameter({1});
  optim::SGD optimizer({a}, {.lr = 0.1});
  optim::OneCycle schedule(optimizer, {.max_lr = 1, .total_steps = 10, .anneal = optim::Anneal::linear});
  CHECK_FALSE(optimizer.momentum());
  schedule.step();
  CHECK(optimizer.lr() == doctest::Approx(0.52));
  schedule.step();
  schedule.step();
  CHECK(optimizer.lr() == doctest::Approx(1 - (1 - 4e-6) / 7));
}
