// Where a NaN comes from: all_finite, NanTrap, explain_non_finite, and TerminateOnNaN, which leaves the parameters whole.
#include <cmath>
#include <limits>

#include <doctest/doctest.h>

#include <rill/nn/health/nan_trap.hpp>
#include <rill/rill.hpp>

using namespace rill;

namespace {

constexpr float inf = std::numeric_limits<float>::infinity();

// f(x) as a layer, with a buffer and a counter that a forward pass in training moves.
struct Layer final : nn::Module {
  explicit Layer(std::function<Tensor(const Tensor&)> f) : f_(std::move(f)) {}
  Tensor forward(const Tensor& x) override {
    if (training()) {
      ++calls;
      replaced = replaced + 1.0;
      overwritten.mutable_data<float>()[0] += 1;
    }
    return f_(x);
  }
  void visit(nn::Visitor& visitor) override {
    visitor.buffer("replaced", replaced);
    visitor.buffer("overwritten", overwritten);
    visitor.counter("calls", calls);
  }
  std::string_view type() const override { return "layer"; }
  Tensor replaced = zeros({1}), overwritten = zeros({1});
  std::uint64_t calls = 0;

 private:
  std::function<Tensor(const Tensor&)> f_;
};

nn::Sequential model_with(std::function<Tensor(const Tensor&)> f) {
  Generator generator(1);
  nn::Sequential model{nn::Dense(3, 4, generator)};
  model.add(Layer(std::move(f)));
  model.add(nn::Dense(4, 1, generator));
  return model;
}

std::vector<float> weights_of(nn::Module& model) {
  std::vector<float> all;
  for (const Tensor& p : model.parameters())
    all.insert(all.end(), p.data<float>().begin(), p.data<float>().end());
  return all;
}

// Trains on x and y, with TerminateOnNaN; checks that not one parameter has changed.
optim::History train(nn::Module& model, const Tensor& x, const Tensor& y, bool gradients = true) {
  const std::vector<float> before = weights_of(model);
  optim::SGD optimizer(model, {.lr = 0.1});
  optim::Trainer trainer(model, optimizer, [](const Tensor& p, const Tensor& t) { return mse_loss(p, t); });
  const nn::data::Loader loader(std::make_shared<nn::data::TensorDataset>(x, y), {.batch_size = 4});
  const optim::History history = trainer.fit(
      loader, {.epochs = 3, .callbacks = {std::make_shared<optim::callbacks::TerminateOnNaN>(gradients)}});
  if (history.diverged && gradients) CHECK(weights_of(model) == before);
  return history;
}

std::string reason(std::function<Tensor(const Tensor&)> f) {
  nn::Sequential model = model_with(std::move(f));
  return train(model, ones({4, 3}), zeros({4, 1})).reason;
}

}  // namespace

TEST_CASE("all_finite: one NaN or infinity is seen at any place of any size, of f32 and f64") {
  for (const std::int64_t size : {1, 2, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100}) {
    for (const DType dtype : {DType::f32, DType::f64}) {
      CHECK(nn::all_finite(full({size}, -3.0, dtype)));
      for (const double bad : {NAN, INFINITY, -INFINITY}) {
        for (std::size_t place = 0; place < static_cast<std::size_t>(size); ++place) {
          Tensor x = full({size}, 2.0, dtype);
          if (dtype == DType::f32)
            x.mutable_data<float>()[place] = static_cast<float>(bad);
          else
            x.mutable_data<double>()[place] = bad;
          if (nn::all_finite(x)) FAIL(bad, " at ", place, " of ", size, " is missed");
        }
      }
    }
  }
}

TEST_CASE("all_finite: nothing is missed where several threads look") {
  Tensor x = ones({300000});
  CHECK(nn::all_finite(x));
  for (std::size_t place = 0; place < 300000; place += 4999) {
    x.mutable_data<float>()[place] = NAN;
    if (nn::all_finite(x)) FAIL("a NaN at ", place, " is missed");
    x.mutable_data<float>()[place] = 1;
  }
}

TEST_CASE("all_finite: the largest numbers are finite, and infinities of both signs do not cancel") {
  CHECK(nn::all_finite(full({40}, std::numeric_limits<float>::max())));
  CHECK(nn::all_finite(full({40}, std::numeric_limits<double>::lowest(), DType::f64)));
  CHECK_FALSE(nn::all_finite(tensor({inf, -inf})));
}

TEST_CASE("all_finite: labels, an undefined tensor and one without elements are finite") {
  CHECK(nn::all_finite(full({3}, 7, DType::i64)));
  CHECK(nn::all_finite(Tensor()));
  CHECK(nn::all_finite(empty({0})));
}

TEST_CASE("nan_trap: the first op is kept, with its layer and whether its inputs were finite") {
  nn::Sequential model = model_with([](const Tensor& x) { return (x * 0.0 - 1.0).log(); });
  const nn::NanTrap trap(model);
  model(ones({1, 3}));
  REQUIRE(trap.found());
  CHECK(trap.found()->op == "log");
  CHECK(trap.found()->layer == "1 layer");
  CHECK_FALSE(trap.found()->backward);
  CHECK_FALSE(trap.found()->from_inputs);
}

TEST_CASE("nan_trap: finite results are no find, and an op outside of the model has no layer") {
  nn::Sequential model = model_with([](const Tensor& x) { return x; });
  const nn::NanTrap trap(model);
  model(ones({1, 3})).sum().backward();
  CHECK_FALSE(trap.found());
  tensor({NAN}).exp();
  REQUIRE(trap.found());
  CHECK(trap.found()->layer.empty());
  CHECK(trap.found()->from_inputs);
}

TEST_CASE("nan_trap: an op in place does not take its own result for a bad input") {
  Layer model([](const Tensor& x) { return x; });
  const nn::NanTrap trap(model);
  Tensor x = tensor({NAN});
  x.relu_();
  REQUIRE(trap.found());
  CHECK_FALSE(trap.found()->from_inputs);
}

TEST_CASE("nan_trap: the model's own ops are named by its type") {
  Layer model([](const Tensor& x) { return x.log(); });
  const nn::NanTrap trap(model);
  model(zeros({1}));
  REQUIRE(trap.found());
  CHECK(trap.found()->layer == "layer");
}

TEST_CASE("nan_trap: parameters and gradients that are not finite are named") {
  nn::Sequential model = model_with([](const Tensor& x) { return x; });
  CHECK(nn::non_finite_parameters(model).empty());
  auto& last = dynamic_cast<nn::Dense&>(model[2]);
  last.bias.mutable_data<float>()[0] = inf;
  last.weight.set_grad(full({1, 4}, NAN));
  CHECK(nn::non_finite_parameters(model) == std::vector<std::string>{"2.bias"});
  CHECK(nn::non_finite_gradients(model) == std::vector<std::string>{"2.weight"});
}

TEST_CASE("explain_non_finite: the first parameter that is broken is named, and how many more are") {
  nn::Sequential model = model_with([](const Tensor& x) { return x; });
  const auto text = [&] { return nn::explain_non_finite(model, [&] { return model(ones({1, 3})).sum(); }); };
  auto& last = dynamic_cast<nn::Dense&>(model[2]);
  last.bias.mutable_data<float>()[0] = inf;
  CHECK(text() == "parameter 2.bias holds NaN or infinity");
  last.weight.mutable_data<float>()[1] = NAN;
  dynamic_cast<nn::Dense&>(model[0]).bias.mutable_data<float>()[0] = NAN;
  CHECK(text() == "parameter 0.bias holds NaN or infinity, and 2 more");
}

TEST_CASE(
    "explain_non_finite: gradients, buffers and counters stay as they were, and nothing wrong gives no "
    "text") {
  nn::Sequential model = model_with([](const Tensor& x) { return x; });
  auto& layer = dynamic_cast<Layer&>(model[1]);
  const std::string text = nn::explain_non_finite(model, [&] { return model(ones({1, 3})).sum(); });
  CHECK(text.empty());
  CHECK(layer.replaced.item() == 0);
  CHECK(layer.overwritten.item() == 0);
  CHECK(layer.calls == 0);
  for (const Tensor& param : model.parameters()) CHECK_FALSE(param.grad().defined());
}

TEST_CASE("terminate_on_nan: a NaN of a forward pass is traced to the layer") {
  CHECK(reason([](const Tensor& x) { return (x * 0.0 - 1.0).log(); }) ==
        "TerminateOnNaN: the loss is not finite in epoch 1/3, batch 1/1: layer 1 layer: log gives NaN or "
        "infinity, from "
        "finite inputs");
}

TEST_CASE("terminate_on_nan: a NaN of a backward pass alone is traced to the layer") {
  CHECK(reason([](const Tensor& x) { return (x * 0.0).sqrt(); }) ==
        "TerminateOnNaN: the gradient of 0.bias is not finite in epoch 1/3, batch 1/1: layer 1 layer: "
        "sqrt_backward gives NaN or "
        "infinity in the backward pass, from finite inputs");
}

TEST_CASE("terminate_on_nan: a gradient is let pass where only the loss is looked at") {
  nn::Sequential model = model_with([](const Tensor& x) { return (x * 0.0).sqrt(); });
  const optim::History history = train(model, ones({4, 3}), zeros({4, 1}), false);
  CHECK(history.steps == 1);  // and then the loss is a NaN
  CHECK(history.reason.starts_with(
      "TerminateOnNaN: the loss is not finite in epoch 2/3, batch 1/1: parameter 0.weight"));
}

TEST_CASE("terminate_on_nan: bad inputs, targets and weights are told apart") {
  const auto identity = [](const Tensor& x) { return x; };
  const std::string start = "TerminateOnNaN: the loss is not finite in epoch 1/3, batch 2/2: ";
  Tensor x = ones({8, 3}), y = zeros({8, 1});
  x.mutable_data<float>()[3 * 5] = inf;
  nn::Sequential model = model_with(identity);
  optim::SGD optimizer(model, {.lr = 0.1});
  const auto reason_of = [&](const Tensor& inputs, const Tensor& targets) {
    optim::Trainer trainer(model, optimizer, [](const Tensor& p, const Tensor& t) { return mse_loss(p, t); });
    const nn::data::Loader loader(std::make_shared<nn::data::TensorDataset>(inputs, targets),
                                  {.batch_size = 4});
    const optim::History history = trainer.fit(
        loader, {.epochs = 3, .callbacks = {std::make_shared<optim::callbacks::TerminateOnNaN>()}});
    CHECK(history.steps == 1);
    CHECK(nn::non_finite_parameters(model).empty());
    return history.reason;
  };
  CHECK(reason_of(x, y) == start + "the batch's inputs hold NaN or infinity");
  y.mutable_data<float>()[6] = NAN;
  CHECK(reason_of(ones({8, 3}), y) == start + "the batch's targets hold NaN or infinity");

  nn::Sequential broken = model_with(identity);
  dynamic_cast<nn::Dense&>(broken[2]).weight.mutable_data<float>()[1] = inf;
  CHECK(train(broken, ones({4, 3}), zeros({4, 1})).reason ==
        "TerminateOnNaN: the loss is not finite in epoch 1/3, batch 1/1: parameter 2.weight holds NaN or "
        "infinity");
}

TEST_CASE("terminate_on_nan: a healthy run is left alone") {
  nn::Sequential model = model_with([](const Tensor& x) { return x; });
  const optim::History history = train(model, ones({4, 3}), zeros({4, 1}));
  CHECK(history.steps == 3);
  CHECK_FALSE(history.diverged);
  CHECK(history.reason.empty());
}

TEST_CASE("buffer_snapshot: buffers and counters come back, and the last take() counts") {
  nn::Sequential model = model_with([](const Tensor& x) { return x; });
  auto& layer = dynamic_cast<Layer&>(model[1]);
  nn::BufferSnapshot snapshot;
  snapshot.restore();
  for (int step = 0; step < 3; ++step) {
    snapshot.take(model);
    model(ones({1, 3}));
  }
  snapshot.restore();
  CHECK(layer.replaced.item() == 2);
  CHECK(layer.overwritten.item() == 2);
  CHECK(layer.calls == 2);
}

TEST_CASE("terminate_on_nan: a NaN that the dropout mask decides on is traced, whatever the seed") {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    CAPTURE(seed);
    // log gives -infinity where the mask is 0: with another mask of one element that is one time in two.
    Generator generator(seed);
    nn::Sequential model;
    model.add(nn::Dense(1, 1, generator));
    dynamic_cast<nn::Dense&>(model[0]).weight.mutable_data<float>()[0] = 1;
    dynamic_cast<nn::Dense&>(model[0]).bias.mutable_data<float>()[0] = 0;
    model.add(nn::Dropout(0.5, generator));
    model.add(Layer([](const Tensor& x) { return x.log() * 0.0 + x.detach(); }));
    optim::SGD optimizer(model, {.lr = 0});
    optim::Trainer trainer(model, optimizer, optim::losses::mse());
    const nn::data::Loader loader(std::make_shared<nn::data::TensorDataset>(ones({1, 1}), ones({1, 1})),
                                  {.batch_size = 1});
    const optim::History history = trainer.fit(
        loader, {.epochs = 60, .callbacks = {std::make_shared<optim::callbacks::TerminateOnNaN>()}});
    REQUIRE(history.diverged);
    CHECK(history.reason.find(": layer 2 layer: log gives NaN or infinity, from finite inputs") !=
          std::string::npos);
  }
}

TEST_CASE("terminate_on_nan: buffers and counters are those of the last whole step") {
  for (const bool in_backward : {false, true}) {
    CAPTURE(in_backward);
    int forwards = 0;
    nn::Sequential model = model_with([&](const Tensor& x) {
      if (++forwards < 3) return x;
      return in_backward ? (x * 0.0).sqrt() : (x * 0.0 - 1.0).log();
    });
    model.add(nn::BatchNorm1d(1));
    optim::SGD optimizer(model, {.lr = 0.1});
    optim::Trainer trainer(model, optimizer, optim::losses::mse());
    const nn::data::Loader loader(std::make_shared<nn::data::TensorDataset>(ones({4, 3}), zeros({4, 1})),
                                  {.batch_size = 4});
    const optim::History history = trainer.fit(
        loader, {.epochs = 9, .callbacks = {std::make_shared<optim::callbacks::TerminateOnNaN>()}});
    CHECK(history.diverged);
    CHECK(history.steps == 2);
    const auto& layer = dynamic_cast<Layer&>(model[1]);
    const auto& norm = dynamic_cast<nn::BatchNorm1d&>(model[3]);
    CHECK(layer.calls == 2);
    CHECK(layer.overwritten.item() == 2);
    CHECK(layer.replaced.item() == 2);
    CHECK(norm.num_batches_tracked.data<std::int64_t>()[0] == 2);
    CHECK(nn::all_finite(norm.running_mean));
    CHECK(nn::all_finite(norm.running_var));
  }
}
