// Optimizers, schedules and whole trainings against PyTorch's numbers, in f64.

#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <rill/core/ops/cross_entropy.hpp>
#include <rill/nn/layers.hpp>
#include <rill/optim/adagrad.hpp>
#include <rill/optim/adam.hpp>
#include <rill/optim/decay.hpp>
#include <rill/optim/one_cycle.hpp>
#include <rill/optim/rmsprop.hpp>
#include <rill/optim/sgd.hpp>

#include "golden.hpp"

namespace {

using namespace rill;
using test::Json;

const double bound = test::golden_bound(DType::f64);

template <class T>
void read(const Json& args, const char* key, T& into) {
  if (args.contains(key)) into = args.at(key).get<T>();
}

optim::SGDOptions sgd_options(const Json& args) {
  optim::SGDOptions options{.lr = args.at("lr")};
  read(args, "momentum", options.momentum);
  read(args, "dampening", options.dampening);
  read(args, "weight_decay", options.weight_decay);
  read(args, "nesterov", options.nesterov);
  return options;
}

// Of Adam, or of AdamW with its own defaults.
template <class Options>
Options adam_options(const Json& args) {
  Options options;
  options.lr = args.at("lr");
  if (args.contains("betas")) {
    options.beta1 = args.at("betas").at(0);
    options.beta2 = args.at("betas").at(1);
  }
  read(args, "eps", options.eps);
  read(args, "weight_decay", options.weight_decay);
  read(args, "amsgrad", options.amsgrad);
  return options;
}

optim::RMSpropOptions rmsprop_options(const Json& args) {
  optim::RMSpropOptions options{.lr = args.at("lr")};
  read(args, "alpha", options.alpha);
  read(args, "eps", options.eps);
  read(args, "weight_decay", options.weight_decay);
  read(args, "momentum", options.momentum);
  read(args, "centered", options.centered);
  return options;
}

optim::AdagradOptions adagrad_options(const Json& args) {
  optim::AdagradOptions options{.lr = args.at("lr")};
  read(args, "lr_decay", options.lr_decay);
  read(args, "weight_decay", options.weight_decay);
  read(args, "initial_accumulator_value", options.initial_accumulator_value);
  read(args, "eps", options.eps);
  return options;
}

std::unique_ptr<optim::Optimizer> make_optimizer(const std::string& name, std::vector<Tensor> params,
                                                 const Json& args) {
  if (name == "SGD") return std::make_unique<optim::SGD>(std::move(params), sgd_options(args));
  if (name == "Adam")
    return std::make_unique<optim::Adam>(std::move(params), adam_options<optim::AdamOptions>(args));
  if (name == "AdamW")
    return std::make_unique<optim::AdamW>(std::move(params), adam_options<optim::AdamWOptions>(args));
  if (name == "RMSprop") return std::make_unique<optim::RMSprop>(std::move(params), rmsprop_options(args));
  REQUIRE(name == "Adagrad");
  return std::make_unique<optim::Adagrad>(std::move(params), adagrad_options(args));
}

TEST_CASE("golden: optimizers walk PyTorch's path") {
  int checked = 0;
  for (const Json& stored : test::golden_cases("optimizers.json")) {
    const std::string label = stored.at("optimizer").get<std::string>() + " " + stored.at("args").dump();
    CAPTURE(label);
    std::vector<Tensor> params;
    for (const Json& start : stored.at("start"))
      params.push_back(test::golden_tensor(start).requires_grad_());
    const auto optimizer = make_optimizer(stored.at("optimizer"), params, stored.at("args"));
    double worst = 0;
    for (std::size_t step = 0; step < stored.at("grads").size(); ++step) {
      for (std::size_t i = 0; i < params.size(); ++i)
        params[i].set_grad(test::golden_tensor(stored.at("grads")[step].at(i)));
      optimizer->step();
      for (std::size_t i = 0; i < params.size(); ++i)
        worst = std::max(worst, test::golden_error(params[i], stored.at("after")[step].at(i)));
    }
    CHECK(worst <= bound);
    ++checked;
  }
  CHECK(checked == 11);
}

std::unique_ptr<optim::Schedule> make_schedule(const std::string& name, optim::Optimizer& optimizer,
                                               const Json& args) {
  if (name == "StepLR") {
    return std::make_unique<optim::StepLR>(
        optimizer, optim::StepLROptions{.step_size = args.at("step_size"), .gamma = args.at("gamma")});
  }
  if (name == "MultiStepLR") {
    return std::make_unique<optim::MultiStepLR>(
        optimizer, optim::MultiStepLROptions{.milestones = args.at("milestones"), .gamma = args.at("gamma")});
  }
  if (name == "ExponentialLR")
    return std::make_unique<optim::ExponentialLR>(optimizer,
                                                  optim::ExponentialLROptions{.gamma = args.at("gamma")});
  if (name == "CosineAnnealingLR") {
    return std::make_unique<optim::CosineAnnealingLR>(
        optimizer, optim::CosineAnnealingLROptions{.t_max = args.at("T_max"), .eta_min = args.at("eta_min")});
  }
  if (name == "LinearLR") {
    return std::make_unique<optim::LinearLR>(optimizer,
                                             optim::LinearLROptions{.start_factor = args.at("start_factor"),
                                                                    .total_iters = args.at("total_iters")});
  }
  REQUIRE(name == "OneCycleLR");
  return std::make_unique<optim::OneCycleLR>(
      optimizer, optim::OneCycleLROptions{.max_lr = args.at("max_lr").get<double>(),
                                          .total_steps = args.at("total_steps")});
}

TEST_CASE("golden: schedules give PyTorch's learning rates") {
  int checked = 0;
  for (const Json& stored : test::golden_cases("schedules.json")) {
    const std::string name = stored.at("schedule");
    CAPTURE(name);
    optim::SGD optimizer({ones({1}).requires_grad_()}, {.lr = stored.at("base_lr"), .momentum = 0.9});
    const auto schedule = make_schedule(name, optimizer, stored.at("args"));
    double worst = 0;
    for (const Json& lr : stored.at("lr")) {
      worst = std::max(worst, test::golden_error(optimizer.lr(), lr));
      schedule->step();
    }
    CHECK(worst <= bound);
    ++checked;
  }
  CHECK(checked == 6);
}

// reference/activations-formats-training.md, 4.2.
TEST_CASE("golden: one cycle of 10 steps") {
  const double expected[] = {.04,       .52,       1,         .95048463, .81174565,
                             .61126202, .38874198, .18825835, .04951937, 4e-6};
  optim::SGD optimizer({ones({1}).requires_grad_()}, {.lr = 1});
  optim::OneCycleLR schedule(optimizer, {.max_lr = 1, .total_steps = 10});
  for (const double lr : expected) {
    CHECK(std::abs(optimizer.lr() - lr) < 6e-9);
    schedule.step();
  }
}

// `units` is the width of the layer before.
void add_activation(nn::Sequential& model, const std::string& name, const Json& args, std::int64_t units) {
  if (name == "relu") {
    model.add(nn::ReLU());
  } else if (name == "leaky_relu") {
    model.add(nn::LeakyReLU(args.at("negative_slope").get<double>()));
  } else if (name == "elu") {
    model.add(nn::ELU());
  } else {
    REQUIRE(name == "prelu");
    model.add(nn::PReLU(units, 0.25, DType::f64));
  }
}

nn::Sequential make_model(const Json& stored) {
  const std::vector<std::int64_t> sizes = stored.at("layers");
  Generator generator(1);
  nn::Sequential model;
  for (std::size_t i = 0; i + 1 < sizes.size(); ++i) {
    if (i > 0) add_activation(model, stored.at("activation"), stored.at("activation_args"), sizes[i]);
    model.add(nn::Dense(sizes[i], sizes[i + 1], generator, {.dtype = DType::f64}));
  }
  // The names are PyTorch's, and so all of them are found.
  const auto parameters = model.named_parameters();
  CHECK(parameters.size() == stored.at("start").size());
  for (nn::NamedTensor parameter : parameters) {
    const Tensor start = test::golden_tensor(stored.at("start").at(parameter.name));
    REQUIRE(start.shape() == parameter.value.shape());
    std::ranges::copy(start.data<double>(), parameter.value.mutable_data<double>().begin());
  }
  return model;
}

TEST_CASE("golden: whole trainings give PyTorch's losses and weights") {
  int checked = 0;
  for (const Json& stored : test::golden_cases("trainings.json")) {
    const std::string label =
        stored.at("activation").get<std::string>() + ", " + stored.at("optimizer").get<std::string>();
    CAPTURE(label);
    nn::Sequential model = make_model(stored);
    const auto optimizer =
        make_optimizer(stored.at("optimizer"), model.parameters(), stored.at("optimizer_args"));
    REQUIRE(optimizer);
    double worst_loss = 0, worst_weight = 0;
    for (std::size_t step = 0; step < stored.at("x").size(); ++step) {
      const Tensor x = test::golden_tensor(stored.at("x")[step]),
                   y = test::golden_tensor(stored.at("y")[step]);
      const Tensor loss = cross_entropy(model(x), y);
      worst_loss = std::max(worst_loss, test::golden_error(loss.item(), stored.at("loss")[step]));
      optimizer->zero_grad();
      loss.backward();
      optimizer->step();
    }
    for (const auto& [name, value] : model.named_parameters())
      worst_weight = std::max(worst_weight, test::golden_error(value, stored.at("final").at(name)));
    CHECK(worst_loss <= bound);
    CHECK(worst_weight <= bound);
    ++checked;
  }
  CHECK(checked == 8);
}

}  // namespace
