// N7: one element of one op's result becomes NaN or infinite, once for every op of a training step, forward and backward, in
// a network of many kinds of layers. The run must end in that step, before a parameter has changed, with the names of op,
// layer, epoch and batch; an infinity that neither loss nor gradients feel has done no harm.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <rill/core/parallel.hpp>
#include <rill/nn/health/nan_trap.hpp>
#include <rill/rill.hpp>

#include "checks.hpp"

namespace rill::trust {
namespace {

/// An op of a step: where it runs, and which one of its name it is there.
struct Place {
  std::string layer;  // as messages name it
  std::string op;
  bool backward = false;
  int number = 0;

  friend bool operator==(const Place&, const Place&) = default;
};

/// Follows the ops of a step, and overwrites an element of one result.
class Injector final : public Observer {
 public:
  Injector(nn::Module& model, std::vector<Place>& seen, const Place* target, float value)
      : modules_(model.named_modules()), seen_(seen), target_(target), value_(value) {
    seen_.clear();
  }

  void after(const OpRun& run) override {
    if (run.results.empty()) return;
    const Tensor& y = run.results[0];
    if (!is_floating(y.dtype()) || y.numel() == 0) return;
    Place place{layer_of(run.module), std::string(run.name), run.backward, 0};
    while (std::ranges::find(seen_, place) != seen_.end()) ++place.number;
    const auto shares = [&](const Tensor* input) {
      return input->defined() && input->dtype() == y.dtype() && address(*input) == address(y);
    };
    // What shares its input's elements would change the input as well.
    if (std::ranges::any_of(run.inputs, shares)) return;
    seen_.push_back(place);
    if (target_ && *target_ == place) poison(y);
  }

 private:
  static const void* address(const Tensor& x) {
    return x.dtype() == DType::f32 ? static_cast<const void*>(x.data<float>().data())
                                   : x.data<double>().data();
  }

  // Past the graph's count of versions: to it, this is what the op has computed.
  void poison(const Tensor& y) const {
    dispatch_floating(y.dtype(), "poison", [&]<class T>(T) {
      const_cast<T&>(y.data<T>()[static_cast<std::size_t>(y.numel() / 2)]) = static_cast<T>(value_);
    });
  }

  std::string layer_of(const void* module) const {
    for (const nn::NamedModule& part : modules_) {
      if (part.module == module)
        return "layer " + part.name + (part.name.empty() ? "" : " ") + std::string(part.module->type());
    }
    return "outside of the layers";
  }

  std::vector<nn::NamedModule> modules_;
  std::vector<Place>& seen_;
  const Place* target_;
  float value_;
};

/// What is injected, and in which step.
struct Injection {
  const Place* target = nullptr;
  float value = 0;
  std::int64_t step = 0;  // counts from 1
  std::int64_t now = 0;
  std::vector<Place> seen = {};
  nn::Module* model = nullptr;
  std::optional<Injector> injector = {};
};

/// The first layer: at its forward pass, in a step that is run again too, the injector begins anew.
struct Arm final : nn::Module {
  explicit Arm(Injection& injection) : injection_(injection) {}
  Tensor forward(const Tensor& x) override {
    injection_.injector.reset();
    const Place* target = injection_.now == injection_.step ? injection_.target : nullptr;
    injection_.injector.emplace(*injection_.model, injection_.seen, target, injection_.value);
    return x;
  }
  std::string_view type() const override { return "arm"; }

 private:
  Injection& injection_;
};

struct CountSteps final : optim::Callback {
  explicit CountSteps(Injection& injection) : injection_(injection) {}
  void on_train_batch_begin(optim::Run&) override { ++injection_.now; }
  Injection& injection_;
};

/// Functions that are no layers.
struct Functions final : nn::Module {
  Tensor forward(const Tensor& x) override {
    const Tensor a = (x.square() + 1.0).log() - x.abs().sqrt() * 0.1, b = maximum(x.sin(), x.cos() / 2.0);
    const Tensor c = softmax(concat({a, b}, 1)).slice(1, 0, 8) + (x * 0.1).exp().reciprocal();
    return c + a.sum({1}, true) * b.mean({0}, true) + logsumexp(x, {1}, true) - x.max({1}, true);
  }
  std::string_view type() const override { return "functions"; }
};

nn::Sequential network_of_many_layers(Injection& injection) {
  Generator generator(5);
  nn::Sequential model;
  model.add(Arm(injection));
  const auto dense = [&](std::int64_t in) { model.add(nn::Dense(in, 8, generator)); };
  dense(6);
  model.add(nn::BatchNorm1d(8)).add(nn::ELU());
  dense(8);
  model.add(nn::LayerNorm(8)).add(nn::PReLU()).add(nn::LeakyReLU()).add(nn::GELU());
  dense(8);
  model.add(nn::Dropout(0.2, generator)).add(nn::SiLU()).add(nn::Softplus()).add(Functions());
  dense(8);
  model.add(nn::SELU()).add(nn::Tanh()).add(nn::CELU()).add(nn::Sigmoid()).add(nn::ReLU());
  dense(8);
  return model;
}

constexpr std::int64_t batches = 2, epochs = 3;

struct Training {
  optim::History history;
  bool parameters_finite = false;
};

Training train_injected(Injection& injection) {
  Generator generator(9);
  nn::Sequential model = network_of_many_layers(injection);
  injection.model = &model;
  injection.now = 0;
  std::vector<std::int64_t> labels(32);
  for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<std::int64_t>(i % 8);
  const nn::data::Loader loader(
      std::make_shared<nn::data::TensorDataset>(randn({32, 6}, generator), tensor(std::move(labels), {32})),
      {.batch_size = 32 / batches});
  optim::SGD optimizer(model, {.lr = 0.01});
  optim::Trainer trainer(model, optimizer, optim::losses::cross_entropy());
  Training result;
  result.history = trainer.fit(loader, {.epochs = epochs,
                                        .callbacks = {std::make_shared<CountSteps>(injection),
                                                      std::make_shared<optim::callbacks::TerminateOnNaN>()}});
  injection.injector.reset();
  result.parameters_finite = nn::non_finite_parameters(model).empty();
  return result;
}

struct NanTotals {
  std::uint64_t injected = 0, traced = 0, harmless = 0, late = 0, wrong = 0;
};

void inject(const Place& place, float value, std::int64_t step, NanTotals& totals, Report& report) {
  Injection injection{.target = &place, .value = value, .step = step};
  const auto [history, parameters_finite] = train_injected(injection);
  ++totals.injected;
  const std::string expected =
      fmt::format(" in epoch {}/{}, batch {}/{}: {}: {} gives NaN or infinity{}, from finite inputs",
                  (step - 1) / batches + 1, epochs, (step - 1) % batches + 1, batches, place.layer, place.op,
                  place.backward ? " in the backward pass" : "");
  const bool late = history.diverged && history.steps != step - 1;
  totals.late += late || !parameters_finite;
  if (history.diverged && history.reason.ends_with(expected)) {
    ++totals.traced;
  } else if (!history.diverged && !std::isnan(value) && parameters_finite) {
    ++totals.harmless;
  } else if (++totals.wrong <= 10) {
    report.detail(fmt::format("{} in step {} at{}: reason \"{}\"", value, step, expected, history.reason));
  }
}

/// Seconds of 30 steps of a network of 784-128-10, with or without TerminateOnNaN.
double seconds_of_steps(bool watched) {
  Generator generator(3);
  nn::Sequential model{nn::Dense(784, 128, generator), nn::ReLU(), nn::Dense(128, 10, generator)};
  optim::SGD optimizer(model, {.lr = 0.01});
  optim::Trainer trainer(model, optimizer, optim::losses::cross_entropy());
  const nn::data::Loader loader(
      std::make_shared<nn::data::TensorDataset>(randn({3840, 784}, generator), zeros({3840}, DType::i64), 10),
      {.batch_size = 128});
  optim::FitOptions options;
  if (watched) options.callbacks.push_back(std::make_shared<optim::callbacks::TerminateOnNaN>());
  const auto begin = std::chrono::steady_clock::now();
  trainer.fit(loader, options);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace

void check_nan(const Scale& scale, Report& report) {
  report.begin("N7");
  Injection healthy;
  const Training first = train_injected(healthy);
  if (first.history.diverged) report.detail("the healthy training: " + first.history.reason);
  const std::vector<Place> places = healthy.seen;
  NanTotals totals;
  constexpr float inf = std::numeric_limits<float>::infinity();
  for (std::int64_t step = 1; step <= batches * epochs; step += scale.of(3, 1)) {
    for (const Place& place : places) {
      for (const float value : {std::numeric_limits<float>::quiet_NaN(), inf, -inf})
        inject(place, value, step, totals, report);
    }
  }
  std::vector<std::string> ops;
  for (const Place& place : places) ops.push_back(place.op);
  std::ranges::sort(ops);
  ops.erase(std::unique(ops.begin(), ops.end()), ops.end());
  report.at_least("kinds of ops, forward and backward, that give a wrong result in turn", ops.size(), 50);
  report.count("NaN and infinities injected, one a training", totals.injected);
  report.count("of these, infinities that neither loss nor gradients felt", totals.harmless);
  report.exactly("traced to their op, layer, epoch and batch", totals.traced,
                 totals.injected - totals.harmless);
  report.exactly("steps late, or parameters spoilt", totals.late, 0);

  double with = std::numeric_limits<double>::infinity(), without = with;
  for (int i = 0; i < 7; ++i) {
    with = std::min(with, seconds_of_steps(true));
    without = std::min(without, seconds_of_steps(false));
  }
  report.count("per cent of time that TerminateOnNaN costs a network of 784-128-10",
               static_cast<std::uint64_t>(std::max(0.0, 100 * (with / without - 1) + 0.5)));
}

}  // namespace rill::trust
