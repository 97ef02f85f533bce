// Optimizers, schedules and whole trainings against PyTorch's numbers, in f64.

#include <map>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <rill/core/ops/cross_entropy.hpp>
#include <rill/nn/layers.hpp>
#include <rill/optim/adam.hpp>
#include <rill/optim/one_cycle.hpp>
#include <rill/optim/sgd.hpp>

#include "golden.hpp"

// What the golden files know and rill has not got yet. A type of that name in rill::optim hides the one declared here,
// so a test sees when one of them has come.
namespace rill {
namespace {

struct RMSprop {
  static constexpr bool missing = true;
};
using Adagrad = RMSprop;
using StepDecay = RMSprop;
using MultiStep = RMSprop;
using Exponential = RMSprop;
using CosineAnnealing = RMSprop;
using LinearWarmup = RMSprop;

template <class T>
constexpr bool is_missing = requires {
  T::missing;
};

}  // namespace

namespace optim {
namespace {

// Name in the golden files, and whether rill has still not got it.
const std::map<std::string, bool> not_yet{
    {"RMSprop", is_missing<RMSprop>},           {"Adagrad", is_missing<Adagrad>},
    {"StepLR", is_missing<StepDecay>},          {"MultiStepLR", is_missing<MultiStep>},
    {"ExponentialLR", is_missing<Exponential>}, {"CosineAnnealingLR", is_missing<CosineAnnealing>},
    {"LinearLR", is_missing<LinearWarmup>},
};

}  // namespace
}  // namespace optim
}  // namespace rill

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

// Null for an optimizer that rill has not got.
std::unique_ptr<optim::Optimizer> make_optimizer(const std::string& name, std::vector<Tensor> params,
                                                 const Json& args) {
  if (name == "SGD") return std::make_unique<optim::SGD>(std::move(params), sgd_options(args));
  if (name == "Adam")
    return std::make_unique<optim::Adam>(std::move(params), adam_options<optim::AdamOptions>(args));
  if (name == "AdamW")
    return std::make_unique<optim::AdamW>(std::move(params), adam_options<optim::AdamWOptions>(args));
  return nullptr;
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
    CHECK((optimizer == nullptr) == optim::not_yet.contains(stored.at("optimizer")));
    if (!optimizer) continue;
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
  CHECK(checked >= 8);
}

TEST_CASE("golden: schedules give PyTorch's learning rates") {
  int checked = 0;
  for (const Json& stored : test::golden_cases("schedules.json")) {
    const std::string name = stored.at("schedule");
    CAPTURE(name);
    CHECK((name != "OneCycleLR") == optim::not_yet.contains(name));
    if (name != "OneCycleLR") continue;
    const Json& args = stored.at("args");
    optim::SGD optimizer({ones({1}).requires_grad_()}, {.lr = stored.at("base_lr"), .momentum = 0.9});
    optim::OneCycle schedule(optimizer, {.max_lr = args.at("max_lr"), .total_steps = args.at("total_steps")});
    double worst = 0;
    for (const Json& lr : stored.at("lr")) {
      worst = std::max(worst, test::golden_error(optimizer.lr(), lr));
      schedule.step();
    }
    CHECK(worst <= bound);
    ++checked;
  }
  CHECK(checked >= 1);
}

// reference/activations-formats-training.md, 4.2.
TEST_CASE("golden: one cycle of 10 steps") {
  const double expected[] = {.04,       .52,       1,         .95048463, .81174565,
                             .61126202, .38874198, .18825835, .04951937, 4e-6};
  optim::SGD optimizer({ones({1}).requires_grad_()}, {.lr = 1});
  optim::OneCycle schedule(optimizer, {.max_lr = 1, .total_steps = 10});
  for (const double lr : expected) {
    CHECK(std::abs(optimizer.lr() - lr) < 6e-9);
    schedule.step();
  }
}

TEST_CASE("golden: optimizers and schedules that are listed as missing are missing") {
  for (const auto& entry : optim::not_yet)
    CHECK_MESSAGE(entry.second, entry.first, ": exists now; run its golden cases and strike it off the list");
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
