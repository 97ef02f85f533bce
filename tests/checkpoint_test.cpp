// What a checkpoint holds, when it is written, and what cannot be resumed from it.
#include <algorithm>
#include <bit>
#include <cmath>

#include <doctest/doctest.h>

#include <rill/core/io/safetensors.hpp>
#include <rill/optim/checkpoint.hpp>

#include "resumed_run.hpp"
#include "values.hpp"

using namespace rill;
using rill::test::message_of;
using rill::test::ResumedRun;
using rill::test::ResumedRunOptions;
using rill::test::TempDir;

namespace {

// Stopped in the middle of its second epoch.
struct Stopped {
  TempDir dir;
  ResumedRunOptions options{.optimizer = "Adam", .folder = dir.path(), .stop = 5};
  std::string file = dir.file("run.safetensors");
  Stopped() {
    ResumedRun(options).run();
    options.stop = 0;
    options.resume = file;
  }
  /// What fit() says once `change` has been applied to a run that would resume; the run is as it was then.
  template <class Change>
  std::string refusal(Change change) {
    ResumedRun run(options);
    change(run);
    const std::string before = run.outcome(), log = dir.read("log.csv");
    const std::string text = message_of([&] { run.run(); });
    CHECK(run.outcome() == before);
    CHECK(dir.read("log.csv") == log);
    REQUIRE(text.starts_with(file));
    return text.substr(file.size());
  }
};

std::vector<std::string> tensor_names(const std::string& path) {
  std::vector<std::string> names;
  for (const auto& [name, value] : io::load_safetensors(path).tensors) names.push_back(name);
  std::sort(names.begin(), names.end());
  return names;
}

constexpr const char* as_begun = "; resume with what the run began with";

}  // namespace

TEST_CASE("checkpoint: the model stands under its own names, all else under rill's") {
  const TempDir dir;
  nn::Sequential model = test::resumable_model(1);
  optim::SGD sgd(model, {.lr = 0.1, .momentum = 0.9});
  optim::Trainer trainer(model, sgd, optim::losses::cross_entropy());
  const nn::data::Loader train(test::small_images(), test::small_batches());
  trainer.fit(train, {.checkpoint = {.file = dir.file("x")}});
  std::vector<std::string> expected{"1.bias",         "1.weight",      "2.bias",   "2.num_batches_tracked",
                                    "2.running_mean", "2.running_var", "2.weight", "5.bias",
                                    "5.weight"};
  for (const char* name : {"numbers", "places", "sizes"})
    expected.push_back(std::string("rill.history.") + name);
  for (const char* name : {"1.bias", "1.weight", "2.bias", "2.weight", "5.bias", "5.weight"})
    expected.push_back(std::string("rill.optimizer.") + name + ".momentum_buffer");
  CHECK(tensor_names(dir.file("x")) == expected);
}

TEST_CASE("checkpoint: its file is a model's file") {
  Stopped stopped;
  nn::Sequential model = test::resumable_model(7);
  nn::load_weights(model, stopped.file);
  const optim::detail::Checkpoint checkpoint = optim::detail::load_checkpoint(stopped.file);
  CHECK(checkpoint.position.step == 5);
  CHECK(checkpoint.position.epoch == 1);
  CHECK(checkpoint.position.epoch_step == 2);
  CHECK(checkpoint.history.size() == 1);
  const std::map<std::string, Tensor> saved(checkpoint.weights.begin(), checkpoint.weights.end());
  for (const auto& [name, value] : model.named_state())
    CHECK(test::values_of(value) == test::values_of(saved.at(name)));
}

TEST_CASE("checkpoint: the caller's metadata stand beside rill's") {
  const TempDir dir;
  ResumedRun run({.folder = dir.path(), .stop = 1});
  run.fit.checkpoint.metadata = {{"rill.model", "{}"}, {"who", "me"}};
  run.run();
  const io::Safetensors file = io::load_safetensors(dir.file("run.safetensors"));
  CHECK(file.checksum);
  CHECK(file.metadata.at("format") == "pt");
  CHECK(file.metadata.at("rill.format") == "1");
  CHECK(file.metadata.at("rill.model") == "{}");
  CHECK(optim::detail::load_checkpoint(dir.file("run.safetensors")).metadata ==
        std::map<std::string, std::string>{{"rill.model", "{}"}, {"who", "me"}});
}

TEST_CASE("checkpoint: it is written every so many steps and epochs, and at the end") {
  const auto steps_written = [](std::int64_t every_steps, std::int64_t every_epochs) {
    const TempDir dir;
    ResumedRun run(
        {.folder = dir.path(), .epochs = 3, .every_steps = every_steps, .every_epochs = every_epochs});
    std::vector<std::int64_t> steps;
    const auto look = [&](optim::Run&) {
      if (!std::filesystem::exists(dir.file("run.safetensors"))) return;
      const std::int64_t step = optim::detail::load_checkpoint(dir.file("run.safetensors")).position.step;
      if (steps.empty() || steps.back() != step) steps.push_back(step);
    };
    run.fit.callbacks = {std::make_shared<optim::callbacks::LambdaCallback>(
        optim::callbacks::LambdaCallbackOptions{.on_train_batch_begin = look, .on_train_end = look})};
    run.run();
    return steps;
  };
  CHECK(steps_written(2, 0) == std::vector<std::int64_t>{2, 4, 6, 8});
  CHECK(steps_written(0, 1) == std::vector<std::int64_t>{3, 6, 9});
  CHECK(steps_written(0, 2) == std::vector<std::int64_t>{6, 9});
  CHECK(steps_written(4, 1) == std::vector<std::int64_t>{3, 4, 6, 8, 9});
  CHECK(steps_written(0, 0).empty());
}

TEST_CASE("checkpoint: a run that diverges leaves the one before") {
  const TempDir dir;
  ResumedRun run({.folder = dir.path(), .every_steps = 1});
  run.fit.callbacks.push_back(std::make_shared<optim::callbacks::LambdaCallback>(
      optim::callbacks::LambdaCallbackOptions{.on_train_batch_end = [](optim::Run& r) {
        if (r.step == 4) r.diverge("nan");
        if (r.step == 4) r.interrupt("too late");
      }}));
  run.run();
  CHECK(run.history.diverged);
  CHECK_FALSE(run.history.interrupted);
  CHECK(optim::detail::load_checkpoint(dir.file("run.safetensors")).position.step == 3);
}

TEST_CASE("checkpoint: a write that fails ends the run, and the file is the one before") {
  const TempDir dir;
  ResumedRun run({.folder = dir.path()});
  run.fit.checkpoint.file = dir.path();
  run.fit.checkpoint.every_steps = 1;
  CHECK_THROWS_WITH_AS(
      run.run(), (dir.path() + ": is a directory, expected a regular file or a free name").c_str(), Error);
}

TEST_CASE("checkpoint: NaN, infinities and -0 in logs and states come back bit by bit") {
  const TempDir dir;
  optim::detail::Checkpoint checkpoint;
  std::vector<double> values{NAN, -NAN, INFINITY, -INFINITY, -0.0, 5e-324, 0.1, 1e308, 1.0 / 3};
  values.push_back(std::bit_cast<double>(0x7ff4000000000abcULL));
  for (std::size_t i = 0; i < values.size(); ++i) {
    optim::Logs logs;
    logs.set("loss", values[i]);
    if (i % 3 == 0) logs.set("more \" \n", values[i]);
    checkpoint.history.push_back(logs);
    checkpoint.schedules.push_back({"s", {{"best", values[i]}}});
    checkpoint.callbacks.push_back({"c", {.numbers = {{"n", values[i]}}, .texts = {{"t", "\t\""}}}});
  }
  checkpoint.counters = {{"a.b", UINT64_MAX}};
  checkpoint.loader.seed = UINT64_MAX;
  save_checkpoint(dir.file("x"), checkpoint);
  const optim::detail::Checkpoint back = optim::detail::load_checkpoint(dir.file("x"));
  const auto same = [](double a, double b) {
    return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b);
  };
  REQUIRE(back.history.size() == values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    CHECK(same(back.history[i].at("loss"), values[i]));
    CHECK(back.history[i].size() == (i % 3 == 0 ? 2 : 1));
    CHECK(same(back.schedules[i].state.at("best"), values[i]));
    CHECK(same(back.callbacks[i].state.numbers.at("n"), values[i]));
    CHECK(back.callbacks[i].state.texts.at("t") == "\t\"");
  }
  CHECK(back.counters.at("a.b") == UINT64_MAX);
  CHECK(back.loader.seed == UINT64_MAX);
}

TEST_CASE("resume: another model is refused, and nothing is changed") {
  Stopped stopped;
  const auto refusal = [&](nn::Sequential model) {
    const TempDir dir;
    optim::Adam adam(model);
    optim::Trainer trainer(model, adam, optim::losses::cross_entropy());
    const nn::data::Loader train(test::small_images(), test::small_batches());
    const std::string text = message_of([&] { trainer.fit(train, {.epochs = 4, .resume = stopped.file}); });
    return text.substr(std::min(text.size(), stopped.file.size()));
  };
  Generator g(1);
  CHECK(refusal(nn::Sequential{nn::Flatten(), nn::Dense(9, 5, g), nn::BatchNorm1d(5), nn::ReLU(),
                               nn::Dropout(0.3, g), nn::Dense(5, 3, g)}) ==
        ": parameter \"1.weight\" is f32 [6, 9], model expects f32 [5, 9]");
  CHECK(refusal(nn::Sequential{nn::Flatten(), nn::Dense(9, 6, g), nn::ReLU(), nn::Dense(6, 3, g)}) ==
        ": parameter \"3.weight\" is missing, model expects f32 [3, 6]");
  CHECK(refusal(nn::Sequential{nn::Flatten(), nn::Dense(9, 6, g)}) ==
        ": tensor \"2.bias\" [6] is not a parameter of the model, expected those of its layers alone");
  CHECK(refusal(nn::Sequential{nn::Flatten(), nn::Dense(9, 6, g), nn::BatchNorm1d(6), nn::ReLU(), nn::ReLU(),
                               nn::Dense(6, 3, g)}) ==
        std::string(
            ": the list of the model's counters is none, expected 4.calls, 4.seed as in the checkpoint") +
            as_begun);
}

TEST_CASE("resume: another optimizer, other schedules and callbacks are refused, and nothing is changed") {
  Stopped stopped;
  namespace cb = optim::callbacks;
  const auto nothing = [](ResumedRun&) {};
  stopped.options.optimizer = "SGD";
  CHECK(stopped.refusal(nothing) ==
        std::string(": the optimizer is SGD, expected Adam as in the checkpoint") + as_begun);
  stopped.options.optimizer = "AdamW";
  CHECK(stopped.refusal(nothing) ==
        std::string(": the optimizer is AdamW, expected Adam as in the checkpoint") + as_begun);
  stopped.options.optimizer = "Adam";
  CHECK(stopped.refusal([](ResumedRun& run) { run.fit.schedule = nullptr; }) ==
        std::string(": the schedule is none, expected StepLR as in the checkpoint") + as_begun);
  CHECK(
      stopped.refusal([](ResumedRun& run) { run.fit.callbacks.pop_back(); }) ==
      std::string(
          ": the list of callbacks that last is EarlyStopping, CSVLogger, expected EarlyStopping, CSVLogger, "
          "ReduceLROnPlateau as in the checkpoint") +
          as_begun);
  CHECK(stopped.refusal([](ResumedRun& run) { run.trainer.metrics({}); }) ==
        std::string(": the list of metrics is none, expected accuracy as in the checkpoint") + as_begun);
  CHECK(stopped.refusal([](ResumedRun& run) {
    run.fit.callbacks.front() = std::make_shared<cb::EarlyStopping>();
  }) == ": EarlyStopping: state has best weights, expected none without restore_best_weights");
  CHECK(stopped.refusal([](ResumedRun& run) {
    run.fit.callbacks.back() = std::make_shared<cb::ReduceLROnPlateau>();
  }) == ": ReduceLROnPlateau: monitor is \"val_loss\", expected \"loss\" as in the state");
}

TEST_CASE("resume: another number of groups is refused") {
  Stopped stopped;
  nn::Sequential model = test::resumable_model(1);
  optim::Adam adam(model.parameters());
  optim::Trainer trainer(model, adam, optim::losses::cross_entropy());
  const nn::data::Loader train(test::small_images(), test::small_batches());
  CHECK(message_of([&] { trainer.fit(train, {.epochs = 4, .resume = stopped.file}); }) ==
        stopped.file + ": the optimizer's number of groups is 1, expected 2 as in the checkpoint" + as_begun);
}

TEST_CASE("resume: another loader is refused, and nothing is changed") {
  Stopped stopped;
  const auto refusal = [&](nn::data::LoaderOptions options, std::int64_t samples = 10) {
    const std::string text = stopped.refusal(
        [&](ResumedRun& run) { run.train = nn::data::Loader(test::small_images(samples), options); });
    const std::string end = std::string(" as in the checkpoint") + as_begun;
    CHECK(text.ends_with(end));
    return text.substr(0, text.size() - end.size());
  };
  nn::data::LoaderOptions options = test::small_batches();
  CHECK(refusal(options, 11) == ": the loader's number of samples is 11, expected 10");
  options.batch_size = 5;
  CHECK(refusal(options) == ": the loader's batch_size is 5, expected 4");
  options = test::small_batches();
  options.seed = 8;
  CHECK(refusal(options) == ": the loader's seed is 8, expected 9");
  options = test::small_batches();
  options.shuffle = false;
  CHECK(refusal(options) == ": the loader's shuffle is 0, expected 1");
  options = test::small_batches();
  options.transforms.clear();
  CHECK(refusal(options) == ": the list of the loader's transforms is none, expected shift");
}

TEST_CASE("resume: epochs that are done, and a first epoch, are refused") {
  Stopped stopped;
  CHECK(stopped.refusal([](ResumedRun& run) { run.fit.epochs = 1; }) ==
        ": 2 epochs are done or begun, expected at most epochs, 1; raise epochs to go on");
  ResumedRun run(stopped.options);
  run.fit.first_epoch = 1;
  CHECK_THROWS_WITH_AS(
      run.run(), "fit: first_epoch is 1 of a run that is resumed, expected 0; the checkpoint knows", Error);
}

TEST_CASE("resume: a log that is not the checkpoint's is refused, and nothing is changed") {
  Stopped stopped;
  const std::string log = stopped.dir.read("log.csv");
  stopped.dir.write("log.csv", log.substr(0, log.size() - 1));
  const auto nothing = [](ResumedRun&) {};
  CHECK(stopped.refusal(nothing) == ": " + stopped.dir.file("log.csv") + ": " +
                                        std::to_string(log.size() - 1) +
                                        " bytes, expected the file that the checkpoint goes with, of " +
                                        std::to_string(log.size()) + " bytes or more");
  stopped.dir.write("log.csv", "x" + log);
  CHECK(stopped.refusal(nothing) == ": " + stopped.dir.file("log.csv") + ": the first line is not " +
                                        log.substr(0, log.find('\n')) +
                                        ", expected the file that the checkpoint goes with");
}

TEST_CASE("resume: files that are no checkpoint are refused") {
  const TempDir dir;
  ResumedRun run({.folder = dir.path(), .resume = dir.file("x")});
  CHECK_THROWS_WITH_AS(
      run.run(),
      (dir.file("x") + ": open failed (No such file or directory), expected a readable file").c_str(), Error);
  nn::save_weights(run.model, dir.file("x"));
  CHECK_THROWS_WITH_AS(
      run.run(),
      (dir.file("x") + ": there is no \"rill.training\" in its metadata, expected a checkpoint of fit()")
          .c_str(),
      Error);
}

TEST_CASE("checkpoint: a metric without a state is refused before the first step") {
  struct Last final : optim::Metric {
    std::string name() const override { return "last"; }
    void reset() override {}
    void update(const Tensor&, const Tensor&) override { FAIL("a step was done"); }
    double result() const override { return 0; }
  };
  const TempDir dir;
  ResumedRun run({.folder = dir.path()});
  run.trainer.metrics({std::make_shared<Last>()});
  CHECK_THROWS_WITH_AS(
      run.run(),
      "metric \"last\": there is no state_dict(), expected one for checkpoints; define it, or use "
      "mean_metric",
      Error);
}

TEST_CASE("checkpoint: a parameter that is none of the model's is refused before the first step") {
  const TempDir dir;
  nn::Sequential model = test::resumable_model(1);
  std::vector<Tensor> params = model.parameters();
  params.push_back(ones({2}).requires_grad_());
  optim::SGD sgd(params, {.lr = 0.1});
  optim::Trainer trainer(model, sgd, optim::losses::cross_entropy());
  const nn::data::Loader train(test::small_images(), test::small_batches());
  CHECK(message_of([&] { trainer.fit(train, {.epochs = 1, .checkpoint = {.file = dir.file("x")}}); }) ==
        "checkpoint: the optimizer trains a tensor [2] that is none of the model's, expected parameters "
        "of the model alone");
  CHECK(dir.names().empty());
}

TEST_CASE("checkpoint: options out of range are refused") {
  const auto refusal = [](optim::CheckpointOptions options) {
    const TempDir dir;
    ResumedRun run({.folder = dir.path()});
    run.fit.checkpoint = std::move(options);
    return message_of([&] { run.run(); });
  };
  CHECK(refusal({.every_steps = -1}) == "fit: checkpoint.every_steps is -1, expected 0 or more");
  CHECK(refusal({.every_epochs = -1}) == "fit: checkpoint.every_epochs is -1, expected 0 or more");
  for (const char* name : {"format", "rill.format", "rill.checksum", "rill.training"})
    CHECK(refusal({.metadata = {{name, ""}}}) ==
          std::string("fit: checkpoint.metadata names \"") + name +
              "\", expected another name; checkpoints write that one themselves");
}
