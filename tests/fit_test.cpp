// Trainer: the same steps as a loop by hand, what callbacks see and when, and a model that is left as it should be.
#include <cmath>
#include <cstring>
#include <optional>
#include <stdexcept>

#include <doctest/doctest.h>

#include <rill/rill.hpp>

#include "thread_count.hpp"

using namespace rill;
using namespace rill::optim;
using nn::data::Loader;
using nn::data::TensorDataset;

namespace {

#define CHECK_ERROR(expression, text) CHECK_THROWS_WITH_AS(expression, text, Error)

constexpr std::int64_t samples = 22;

nn::Sequential small_model(std::int64_t out = 3) {
  Generator generator(3);
  return nn::Sequential{nn::Dense(4, 6, generator), nn::ReLU(), nn::Dense(6, out, generator)};
}

std::shared_ptr<TensorDataset> labelled() {
  Generator generator(4);
  Tensor y = empty({samples}, DType::i64);
  for (std::int64_t i = 0; i < samples; ++i)
    y.mutable_data<std::int64_t>()[static_cast<std::size_t>(i)] = i * 7 % 3;
  return std::make_shared<TensorDataset>(randn({samples, 4}, generator), y, 3);
}

// Batches of 5, the last of 2.
Loader batches(std::int64_t prefetch = 0) {
  return Loader(labelled(), {.batch_size = 5, .shuffle = true, .seed = 9, .prefetch = prefetch});
}

Tensor entropy(const Tensor& prediction, const Tensor& target) { return cross_entropy(prediction, target); }

std::vector<float> weights_of(nn::Module& model) {
  std::vector<float> all;
  for (const Tensor& p : model.parameters())
    all.insert(all.end(), p.data<float>().begin(), p.data<float>().end());
  return all;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

std::shared_ptr<Callback> when(callbacks::LambdaCallbackOptions options) {
  return std::make_shared<callbacks::LambdaCallback>(std::move(options));
}

// A model, its optimizer and their trainer.
struct Training {
  nn::Sequential model = small_model();
  SGD optimizer{model, {.lr = 0.1, .momentum = 0.9}};
  Trainer trainer{model, optimizer, entropy};
};

std::string names_of(const Logs& logs) {
  std::string names;
  for (const auto& [name, value] : logs) names += name + " ";
  return names;
}

std::vector<float> by_hand(int epochs, double clip = 0) {
  Training t;
  const Loader loader = batches();
  for (int epoch = 0; epoch < epochs; ++epoch) {
    for (const auto& batch : loader.epoch(epoch)) {
      t.optimizer.zero_grad();
      cross_entropy(t.model(batch.x), batch.y).backward();
      if (clip > 0) clip_grad_norm_(t.model, clip);
      t.optimizer.step();
    }
  }
  return weights_of(t.model);
}

// Adds the number of samples of each batch to a buffer, and its mean to the output.
struct Counting final : nn::Module {
  Tensor seen = zeros({1});
  std::vector<bool> modes;
  nn::Dense inner;
  explicit Counting(Generator& generator) : inner(4, 3, generator) {}
  Tensor forward(const Tensor& x) override {
    modes.push_back(training());
    if (training()) seen.mutable_data<float>()[0] += static_cast<float>(x.size(0));
    return inner(x);
  }
  void visit(nn::Visitor& visitor) override {
    visitor.buffer("seen", seen);
    visitor.child("inner", inner);
  }
};

}  // namespace

TEST_CASE("threads: fit gives the bits of the loop by hand, for 1, 2 and 3 threads, prepared ahead or not") {
  const std::vector<float> expected = by_hand(2);
  for (const int n : {1, 2, 3}) {
    const test::ThreadCount threads(n);
    for (const std::int64_t prefetch : {0, 2}) {
      CAPTURE(n);
      CAPTURE(prefetch);
      Training t;
      t.trainer.metrics({accuracy()});
      const Loader train = batches(prefetch), validation = batches();
      const History history = t.trainer.fit(train, {.epochs = 2, .validation = &validation});
      CHECK(same_bits(weights_of(t.model), expected));
      CHECK(history.steps == 10);
    }
  }
}

TEST_CASE("fit: clip_grad_norm clips before the step") {
  Training t;
  t.trainer.fit(batches(), {.epochs = 2, .clip_grad_norm = 0.05});
  CHECK(same_bits(weights_of(t.model), by_hand(2, 0.05)));
  CHECK_FALSE(same_bits(weights_of(t.model), by_hand(2)));
}

TEST_CASE("fit: a run that is resumed at first_epoch sees the batches of that epoch") {
  Training t;
  CHECK(t.trainer.fit(batches(), {.epochs = 1}).epochs.size() == 1);
  std::int64_t step = -1;
  const History rest =
      t.trainer.fit(batches(), {.epochs = 2,
                                .first_epoch = 1,
                                .callbacks = {when({.on_train_begin = [&](Run& run) { step = run.step; }})}});
  CHECK(step == 5);
  CHECK(rest.steps == 5);
  CHECK(same_bits(weights_of(t.model), by_hand(2)));
  CHECK(t.trainer.fit(batches(), {.epochs = 2, .first_epoch = 2}).epochs.empty());
}

TEST_CASE("fit: steps_per_epoch takes the first batches of each epoch") {
  Training t, hand;
  CHECK(t.trainer.fit(batches(), {.epochs = 2, .steps_per_epoch = 2}).steps == 4);
  const Loader loader = batches();
  for (int epoch = 0; epoch < 2; ++epoch) {
    for (const auto& batch : loader.epoch(epoch)) {
      if (batch.index == 2) break;
      hand.optimizer.zero_grad();
      cross_entropy(hand.model(batch.x), batch.y).backward();
      hand.optimizer.step();
    }
  }
  CHECK(same_bits(weights_of(t.model), weights_of(hand.model)));
}

TEST_CASE("fit: callbacks are called at Keras' times, in their order") {
  std::string text;
  const auto note = [&](std::string word) { return [&text, word](Run&) { text += word + " "; }; };
  struct LossSeen final : Callback {
    explicit LossSeen(std::string& out) : out_(out) {}
    void on_loss(Run&, const Tensor& loss) override { out_ += loss.dim() == 0 ? "loss " : "? "; }
    std::string& out_;
  };
  Training t;
  t.trainer.fit(batches(),
                {.steps_per_epoch = 1,
                 .callbacks = {when({.on_train_begin = note("begin"),
                                     .on_epoch_begin = note("epoch"),
                                     .on_train_batch_begin = note("batch"),
                                     .on_gradients = note("gradients"),
                                     .on_train_batch_end = note("batch_end"),
                                     .on_epoch_end = note("epoch_end"),
                                     .on_train_end = note("end")}),
                               std::make_shared<LossSeen>(text), when({.on_train_end = note("second")})}});
  CHECK(text == "begin epoch batch loss gradients batch_end epoch_end end second ");
}

TEST_CASE("fit: gradients stand ready in on_gradients, and the run tells where it is") {
  Training t;
  std::string places;
  bool ready = true;
  t.trainer.fit(batches(),
                {.epochs = 2, .steps_per_epoch = 2, .callbacks = {when({.on_gradients = [&](Run& run) {
                                                      for (const Tensor& param : run.params)
                                                        ready &= param.grad().defined();
                                                      places += std::to_string(run.epoch) + "." +
                                                                std::to_string(run.batch->index) + "." +
                                                                std::to_string(run.step) + "/" +
                                                                std::to_string(run.batches) + " ";
                                                    }})}});
  CHECK(ready);
  CHECK(places == "0.0.0/2 0.1.1/2 1.0.2/2 1.1.3/2 ");
}

TEST_CASE("fit: the logs hold loss, metrics, their validation, and the learning rate") {
  Training t;
  t.trainer.metrics({accuracy(), mean_metric("rows", [](const Tensor& p, const Tensor&) {
                       return static_cast<double>(p.size(0));
                     })});
  const Loader validation = batches();
  const History history = t.trainer.fit(batches(), {.epochs = 2, .validation = &validation});
  CHECK(names_of(history.epochs[1]) == "loss accuracy rows val_loss val_accuracy val_rows lr ");
  // 4 batches of 5 and one of 2, weighted by samples.
  CHECK(history.of("rows") == std::vector<double>{104.0 / 22, 104.0 / 22});
  CHECK(history.of("lr") == std::vector<double>{0.1, 0.1});
  CHECK_ERROR(history.of("auc"),
              "history: there is no \"auc\" in the logs, expected one of loss, accuracy, rows, val_loss, "
              "val_accuracy, val_rows, lr");
}

TEST_CASE("evaluate: loss and accuracy are means over samples, whatever the batches") {
  Training t;
  t.trainer.metrics({accuracy()});
  const auto data = labelled();
  const Logs logs = t.trainer.evaluate(Loader(data, {.batch_size = 5}));
  const Tensor logits = t.model(data->x());
  CHECK(logs.at("loss") == doctest::Approx(cross_entropy(logits, data->y()).item()).epsilon(1e-6));
  CHECK(logs.at("accuracy") ==
        doctest::Approx(static_cast<double>(nn::count_correct(logits, data->y())) / samples));
}

TEST_CASE("evaluate: a loss with class weights or ignored labels is the same whatever the batches") {
  const auto data = labelled();
  for (const std::int64_t ignored : {-100, 1}) {
    const Tensor weight = ignored < 0 ? tensor({1, 9, 0.5}) : Tensor();
    const CrossEntropyOptions options{.ignore_index = ignored};
    Training t;
    Trainer trainer(t.model, t.optimizer, losses::cross_entropy(options, weight));
    const double whole = cross_entropy(t.model(data->x()), data->y(), options, weight).item();
    for (const std::int64_t size : {1, 2, 5, 22}) {
      CAPTURE(size);
      CHECK(trainer.evaluate(Loader(data, {.batch_size = size})).at("loss") ==
            doctest::Approx(whole).epsilon(1e-6));
    }
  }
}

TEST_CASE("evaluate: a label beyond the class weights is refused, and not read") {
  Training t;
  Trainer trainer(t.model, t.optimizer, losses::cross_entropy({}, tensor({1, 1, 1})));
  const auto data = labelled();
  for (const std::int64_t label : {std::int64_t{5}, std::int64_t{2'000'000'000}}) {
    Tensor y = data->y().clone();
    y.mutable_data<std::int64_t>()[3] = label;
    const auto bad = std::make_shared<nn::data::TensorDataset>(data->x(), y);
    CHECK_ERROR(
        trainer.evaluate(Loader(bad, {.batch_size = 22})),
        ("cross_entropy: label " + std::to_string(label) + " in row 3 is out of range, expected 0 to 2")
            .c_str());
    CHECK_ERROR(
        losses::cross_entropy({}, tensor({1, 1, 1})).weight(y),
        ("cross_entropy: label " + std::to_string(label) + " is out of range, expected 0 to 2").c_str());
  }
}

TEST_CASE("cross_entropy, nll_loss: rows of weight 0 alone have the gradient 0") {
  const Tensor weight = tensor({0, 1, 1}), target = zeros({2}, DType::i64);
  for (const bool fused : {true, false}) {
    Tensor x = tensor({{1, 2, 3}, {3, 2, 1}}).requires_grad_();
    Tensor loss =
        fused ? cross_entropy(x, target, {}, weight) : nll_loss(x.log_softmax(1), target, {}, weight);
    CHECK(std::isnan(loss.item()));
    loss.backward();
    CHECK(x.grad().abs().sum().item() == 0);
    // A weight that is NaN is not hidden.
    const Tensor bad = tensor({NAN, 1, 1});
    x.zero_grad();
    loss = fused ? cross_entropy(x, target, {}, bad) : nll_loss(x.log_softmax(1), target, {}, bad);
    loss.backward();
    CHECK(std::isnan(x.grad().abs().sum().item()));
  }
}

TEST_CASE("fit: a batch of classes of weight 0 alone asks for nothing, and is no divergence") {
  for (const double smoothing : {0.0, 0.1}) {
    Training t;
    Trainer trainer(t.model, t.optimizer,
                    losses::cross_entropy({.label_smoothing = smoothing}, tensor({0, 1, 1})));
    const History history = trainer.fit(Loader(labelled(), {.batch_size = 1}),
                                        {.callbacks = {std::make_shared<callbacks::TerminateOnNaN>()}});
    CHECK_FALSE(history.diverged);
    CHECK(history.steps == samples);
    for (const Tensor& parameter : t.model.parameters()) CHECK(std::isfinite(parameter.abs().sum().item()));
  }
}

TEST_CASE("fit: a batch whose labels are all ignored has no loss, and is no divergence") {
  Training t;
  Trainer trainer(t.model, t.optimizer, losses::cross_entropy({.ignore_index = 1}));
  const History history = trainer.fit(Loader(labelled(), {.batch_size = 1}),
                                      {.callbacks = {std::make_shared<callbacks::TerminateOnNaN>()}});
  CHECK_FALSE(history.diverged);
  CHECK(history.steps == samples);
  CHECK(std::isfinite(history.of("loss")[0]));
}

TEST_CASE("fit: validation changes no gradient, mode or buffer, and runs in evaluation mode") {
  Generator generator(1);
  Counting model(generator);
  SGD optimizer(model, {.lr = 0.1});
  Trainer trainer(model, optimizer, entropy);
  const Loader data = batches();
  trainer.fit(data, {.epochs = 1, .validation = &data});
  CHECK(model.modes == std::vector<bool>{true, true, true, true, true, false, false, false, false, false});
  CHECK(model.seen.item() == samples);
}

TEST_CASE("fit: numbers are learnt as well as labels") {
  Generator generator(5);
  const Tensor x = randn({20, 4}, generator);
  const auto data = std::make_shared<TensorDataset>(x, x.matmul(tensor({{1}, {-2}, {0.5}, {3}})));
  nn::Sequential model{nn::Dense(4, 1, generator)};
  SGD optimizer(model, {.lr = 0.1});
  Trainer trainer(model, optimizer, [](const Tensor& p, const Tensor& y) { return mse_loss(p, y); });
  CHECK(trainer.fit(Loader(data, {.batch_size = 5}), {.epochs = 60}).of("loss").back() < 1e-4);
}

TEST_CASE(
    "fit: frozen parameters keep their bits, and gradients that the optimizer does not read do not count for "
    "clipping") {
  Training t;
  auto& last = dynamic_cast<nn::Dense&>(t.model[2]);
  last.requires_grad_(false);
  SGD optimizer(dynamic_cast<nn::Dense&>(t.model[0]), {.lr = 0.1});
  Trainer trainer(t.model, optimizer, entropy);
  const std::vector<float> before = weights_of(last);
  trainer.fit(batches(), {.epochs = 2});
  CHECK(same_bits(weights_of(last), before));

  Training one, other;
  SGD first(dynamic_cast<nn::Dense&>(one.model[0]), {.lr = 0.1});
  SGD second(dynamic_cast<nn::Dense&>(other.model[0]), {.lr = 0.1});
  dynamic_cast<nn::Dense&>(other.model[2]).requires_grad_(false);
  Trainer(one.model, first, entropy).fit(batches(), {.epochs = 2, .clip_grad_norm = 0.05});
  Trainer(other.model, second, entropy).fit(batches(), {.epochs = 2, .clip_grad_norm = 0.05});
  CHECK(same_bits(weights_of(one.model), weights_of(other.model)));
}

TEST_CASE(
    "fit: every module is back in its own mode afterwards, also one in training below one that is not") {
  Training t;
  const auto modes = [&] {
    std::string text;
    for (const auto& part : t.model.named_modules()) text += part.module->training() ? "t" : "e";
    return text;
  };
  t.model.eval();
  t.model[1].train();
  REQUIRE(modes() == "eete");
  bool training = true;
  t.trainer.fit(batches(),
                {.callbacks = {when({.on_train_batch_end = [&](Run&) { training &= modes() == "tttt"; }})}});
  CHECK(training);
  CHECK(modes() == "eete");
  const auto callback = when({.on_gradients = [](Run&) { throw std::runtime_error("torn"); }});
  CHECK_THROWS_WITH(t.trainer.fit(batches(), {.callbacks = {callback}}), "torn");
  CHECK(modes() == "eete");
}

TEST_CASE("fit: what a callback throws before a step leaves the parameters of the last whole step") {
  Training t, two;
  const auto third = when({.on_gradients = [](Run& run) {
    if (run.step == 2) throw std::runtime_error("torn");
  }});
  CHECK_THROWS_WITH(t.trainer.fit(batches(), {.callbacks = {third}}), "torn");
  two.trainer.fit(batches(), {.steps_per_epoch = 2});
  CHECK(same_bits(weights_of(t.model), weights_of(two.model)));
}

TEST_CASE("fit: stop() ends the epoch after the step, with validation and on_epoch_end") {
  Training t;
  const Loader validation = batches();
  std::string text;
  const History history = t.trainer.fit(
      batches(), {.epochs = 3,
                  .validation = &validation,
                  .callbacks = {when({.on_train_batch_begin =
                                          [](Run& run) {
                                            if (run.step == 6) run.stop("enough"), run.stop("later");
                                          },
                                      .on_epoch_end = [&](Run& run) { text += std::to_string(run.epoch); },
                                      .on_train_end = [&](Run&) { text += " end"; }})}});
  CHECK(text == "01 end");
  CHECK(history.steps == 7);
  CHECK(history.epochs.size() == 2);
  CHECK(history.epochs[1].contains("val_loss"));
  CHECK(history.reason == "enough");
  CHECK_FALSE(history.diverged);
}

TEST_CASE("fit: stop() before the first step of an epoch leaves no epoch behind") {
  Training t;
  const History history =
      t.trainer.fit(batches(), {.epochs = 3, .callbacks = {when({.on_epoch_begin = [](Run& run) {
                                               if (run.epoch == 1) run.stop("enough");
                                             }})}});
  CHECK(history.steps == 5);
  CHECK(history.epochs.size() == 1);
}

TEST_CASE("fit: diverge() keeps the optimizer from the step, and ends the run at once") {
  Training t, three;
  int ends = 0;
  const History history =
      t.trainer.fit(batches(), {.epochs = 3,
                                .callbacks = {when({.on_gradients =
                                                        [](Run& run) {
                                                          run.stop("enough");
                                                          if (run.step == 0) run.diverge("wild");
                                                        },
                                                    .on_epoch_end = [&](Run&) { ++ends; }})}});
  CHECK(same_bits(weights_of(t.model), weights_of(three.model)));
  CHECK(history.diverged);
  CHECK(history.reason == "wild");
  CHECK(history.steps == 0);
  CHECK(history.epochs.empty());
  CHECK(ends == 0);
}

TEST_CASE("fit: schedules step by batch or epoch, as they say, and before the callbacks hear of the end") {
  Training t;
  StepLR by_epoch(t.optimizer, {.step_size = 1, .gamma = 0.5});
  std::vector<double> seen;
  const History history = t.trainer.fit(
      batches(), {.epochs = 2, .schedule = &by_epoch, .callbacks = {when({.on_epoch_end = [&](Run& run) {
                                                        seen.push_back(run.optimizer.lr());
                                                      }})}});
  CHECK(history.of("lr") == std::vector<double>{0.1, 0.05});
  CHECK(seen == std::vector<double>{0.05, 0.025});
  by_epoch.set_interval(Interval::batch);
  std::int64_t steps = 0;
  t.trainer.fit(batches(), {.schedule = &by_epoch, .callbacks = {when({.on_train_batch_end = [&](Run&) {
                                                     if (steps == 0) steps = by_epoch.steps();
                                                   }})}});
  CHECK(steps == 3);
  CHECK(by_epoch.steps() == 2 + 5);
}

TEST_CASE("fit: a schedule that needs a metric is given the one of that name, and refuses to go without") {
  Training t;
  optim::ReduceLROnPlateau schedule(t.optimizer, {.mode = PlateauMode::max, .factor = 0.5, .patience = 0});
  // The loss of training falls, which is bad in max mode.
  t.trainer.fit(batches(), {.epochs = 3, .schedule = &schedule, .schedule_metric = "loss"});
  CHECK(t.optimizer.lr() == 0.1 / 4);
  CHECK_ERROR(
      t.trainer.fit(batches(), {.schedule = &schedule}),
      "fit: schedule_metric for the ReduceLROnPlateau is \"val_loss\", expected a number of the training, or "
      "validation data");
  CHECK_ERROR(t.trainer.fit(batches(), {.schedule = &schedule, .schedule_metric = "auc"}),
              "fit: schedule_metric for the ReduceLROnPlateau: there is no \"auc\" in the logs, expected one "
              "of loss, lr");
  schedule.set_interval(Interval::batch);
  t.trainer.fit(batches(), {.schedule = &schedule, .schedule_metric = "loss"});
  CHECK(schedule.steps() == 3 + 5);
}

TEST_CASE(
    "fit: an optimizer of another model is refused, and a checkpoint without a folder before the first "
    "step") {
  Training t, other;
  Trainer foreign(t.model, other.optimizer, entropy);
  CHECK_ERROR(
      foreign.fit(batches(), {}),
      "fit: the optimizer trains no parameter of the model, expected one that was made for it; make the "
      "optimizer after to() and replace()");
  const History before = t.trainer.fit(batches(), {});
  int steps = 0;
  CHECK_ERROR(t.trainer.fit(batches(), {.checkpoint = {.file = "/nowhere/x.safetensors"},
                                        .interrupted = [&] { return ++steps < 0; }}),
              "fit: checkpoint.file is /nowhere/x.safetensors, in a folder that is not there, expected one");
  CHECK(steps == 0);
}

TEST_CASE("fit: options out of range are refused") {
  Training t;
  const Loader data = batches();
  CHECK_ERROR(t.trainer.fit(data, {.epochs = 0}), "fit: epochs is 0, expected 1 to 4294967296");
  CHECK_ERROR(t.trainer.fit(data, {.epochs = 4294967297}),
              "fit: epochs is 4294967297, expected 1 to 4294967296");
  CHECK_ERROR(t.trainer.fit(data, {.epochs = 2, .first_epoch = 3}),
              "fit: first_epoch is 3, expected 0 to epochs, 2");
  CHECK_ERROR(t.trainer.fit(data, {.first_epoch = -1}), "fit: first_epoch is -1, expected 0 to epochs, 1");
  CHECK_ERROR(t.trainer.fit(data, {.steps_per_epoch = 6}), "fit: steps_per_epoch is 6, expected 0 to 5");
  CHECK_ERROR(t.trainer.fit(data, {.steps_per_epoch = -1}), "fit: steps_per_epoch is -1, expected 0 to 5");
  CHECK_ERROR(t.trainer.fit(data, {.clip_grad_norm = -1}),
              "fit: clip_grad_norm is -1, expected a finite number, 0 or more");
  CHECK_ERROR(t.trainer.fit(data, {.clip_grad_norm = NAN}),
              "fit: clip_grad_norm is nan, expected a finite number, 0 or more");
  Training other;
  optim::StepLR schedule(other.optimizer, {.step_size = 1});
  CHECK_ERROR(t.trainer.fit(data, {.schedule = &schedule}),
              "fit: the schedule drives another optimizer, expected that of the trainer");
  CHECK_ERROR(t.trainer.fit(data, {.callbacks = {nullptr}}), "fit: a callback is null, expected one");
  CHECK_ERROR(Trainer(t.model, t.optimizer, Loss()), "Trainer: the loss is empty, expected a function");
  CHECK_ERROR(mean_metric("x", {}), "mean_metric: the function of \"x\" is empty, expected one");
  CHECK(same_bits(weights_of(t.model), by_hand(0)));
}

TEST_CASE("fit: an empty reason is refused") {
  Training t;
  CHECK_ERROR(
      t.trainer.fit(batches(), {.callbacks = {when({.on_train_begin = [](Run& run) { run.stop(""); }})}}),
      "stop: the reason is empty, expected one");
  CHECK_ERROR(
      t.trainer.fit(batches(), {.callbacks = {when({.on_train_begin = [](Run& run) { run.diverge(""); }})}}),
      "diverge: the reason is empty, expected one");
  CHECK_ERROR(t.trainer.fit(batches(),
                            {.callbacks = {when({.on_train_begin = [](Run& run) { run.interrupt(""); }})}}),
              "interrupt: the reason is empty, expected one");
}

TEST_CASE("metrics: names that are taken or bad are refused, and the metrics stay as they were") {
  Training t;
  t.trainer.metrics({accuracy()});
  const auto named = [](const char* name) {
    return mean_metric(name, [](const Tensor&, const Tensor&) { return 0.0; });
  };
  CHECK_ERROR(t.trainer.metrics({named("a"), named("a")}),
              "metrics: the name \"a\" is taken, expected another");
  CHECK_ERROR(t.trainer.metrics({named("loss")}), "metrics: the name \"loss\" is taken, expected another");
  CHECK_ERROR(t.trainer.metrics({named("lr")}), "metrics: the name \"lr\" is taken, expected another");
  CHECK_ERROR(t.trainer.metrics({nullptr}), "metrics: a metric is null, expected one");
  CHECK_ERROR(t.trainer.metrics({named("val_a")}),
              "metrics: the name is \"val_a\", expected one that does not begin with val_, as those of the "
              "validation do");
  CHECK_ERROR(
      t.trainer.metrics({named("")}),
      "metrics: the name is \"\", expected one that does not begin with val_, as those of the validation do");
  CHECK(names_of(t.trainer.evaluate(batches())) == "loss accuracy ");
}

TEST_CASE("predict: outputs stand in the order of the samples, and the model keeps its mode") {
  Training t;
  const auto data = labelled();
  const Tensor outputs = predict(t.model, Loader(data, {.batch_size = 5, .prefetch = 1}));
  CHECK(outputs.shape() == Shape{samples, 3});
  CHECK_FALSE(outputs.requires_grad());
  CHECK(t.model.training());
  const Tensor expected = t.model(data->x());
  for (std::size_t i = 0; i < samples * 3; ++i)
    CHECK(outputs.data<float>()[i] == doctest::Approx(expected.data<float>()[i]).epsilon(1e-5));
}

TEST_CASE("predict: a loader out of order, and outputs that are not a row a sample, are refused") {
  Training t;
  const char* out_of_order =
      "predict: the loader shuffles or drops samples, expected one with all of them in their order";
  CHECK_ERROR(predict(t.model, batches()), out_of_order);
  CHECK_ERROR(predict(t.model, Loader(labelled(), {.batch_size = 5, .drop_last = true})), out_of_order);
  struct Odd final : nn::Module {
    bool scalar = true;
    Tensor forward(const Tensor& x) override { return scalar ? x.sum() : ones({x.size(0), x.size(0)}); }
  } odd;
  const Loader data(labelled(), {.batch_size = 5});
  CHECK_ERROR(predict(odd, data), "predict: the model gives [] for 5 samples, expected a row for each");
  odd.scalar = false;
  CHECK_ERROR(
      predict(odd, data),
      "predict: the model gives f32 [2, 2] after rows like those of f32 [22, 5], expected the same for all "
      "samples");
}

TEST_CASE("losses: each is the function of its name with the options bound") {
  Generator generator(5);
  const Tensor x = randn({6, 3}, generator), y = rand({6, 3}, generator);
  const Tensor labels = zeros({6}, DType::i64), weight = tensor({1, 2, 3});
  CHECK(losses::cross_entropy()(x, labels).item() == cross_entropy(x, labels).item());
  const CrossEntropyOptions smooth{.label_smoothing = 0.25};
  CHECK(losses::cross_entropy(smooth, weight)(x, labels).item() ==
        cross_entropy(x, labels, smooth, weight).item());
  CHECK(losses::mse()(x, y).item() == mse_loss(x, y).item());
  CHECK(losses::l1()(x, y).item() == l1_loss(x, y).item());
  const HuberLossOptions huber{.delta = 0.5};
  CHECK(losses::huber(huber)(x, y).item() == huber_loss(x, y, huber).item());
  CHECK(losses::huber()(x, y).item() == huber_loss(x, y).item());
  const BinaryCrossEntropyOptions sum{.reduction = Reduction::sum};
  CHECK(losses::bce_with_logits(sum)(x, y).item() == binary_cross_entropy_with_logits(x, y, sum).item());
  CHECK(losses::bce_with_logits()(x, y).item() == binary_cross_entropy_with_logits(x, y).item());
}

TEST_CASE("losses: a trainer takes one") {
  Training by_function, by_factory;
  Trainer trainer(by_factory.model, by_factory.optimizer, losses::cross_entropy());
  by_function.trainer.fit(batches(), {});
  trainer.fit(batches(), {});
  CHECK(same_bits(weights_of(by_function.model), weights_of(by_factory.model)));
}
