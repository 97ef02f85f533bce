// A run that is interrupted and resumed in fresh objects ends as the one that was not, bit by bit.
#include <atomic>

#include <doctest/doctest.h>

#include <rill/optim/checkpoint.hpp>
#include <rill/optim/health_monitor.hpp>
#include <rill/optim/recycle.hpp>

#include "resumed_run.hpp"
#include "thread_count.hpp"

using namespace rill;
using rill::test::ResumedRun;
using rill::test::ResumedRunOptions;
using rill::test::TempDir;

namespace {

std::string uninterrupted(ResumedRunOptions options, std::int64_t* steps = nullptr) {
  const TempDir dir;
  options.folder = dir.path();
  ResumedRun run(options);
  run.run();
  CHECK_FALSE(run.history.interrupted);
  if (steps) *steps = run.history.steps;
  return run.outcome();
}

// Stops after `stop` steps, and again after each step that follows if `often`.
std::string resumed(ResumedRunOptions options, std::int64_t stop, bool often = false) {
  const TempDir dir;
  options.folder = dir.path();
  options.stop = stop;
  ResumedRun first(options);
  first.run();
  CHECK(first.history.interrupted);
  CHECK(first.history.reason == "interrupted");
  options.resume = dir.file("run.safetensors");
  options.stop = often ? 1 : 0;
  for (options.seed = 2; options.seed < 40; ++options.seed) {
    ResumedRun next(options);
    next.run();
    if (!next.history.interrupted) return next.outcome();
  }
  return "it has no end";
}

void check_every_stop(const ResumedRunOptions& options) {
  CAPTURE(options.optimizer);
  CAPTURE(options.schedule);
  std::int64_t steps = 0;
  const std::string expected = uninterrupted(options, &steps);
  REQUIRE(steps >= 6);
  for (std::int64_t stop = 1; stop <= steps; ++stop) {
    CAPTURE(stop);
    CHECK(resumed(options, stop) == expected);
  }
}

}  // namespace

TEST_CASE("resume: from any step, with any optimizer and schedule, the run is the one without a stop") {
  for (const char* optimizer : {"SGD", "Adam", "AdamW", "RMSprop", "Adagrad"}) {
    for (const char* schedule : {"OneCycleLR", "StepLR", "ReduceLROnPlateau"})
      check_every_stop({.optimizer = optimizer, .schedule = schedule, .prefetch = 2});
  }
}

TEST_CASE("resume: a run that is stopped after every step is the one without a stop") {
  const ResumedRunOptions options{.optimizer = "Adam", .schedule = "StepLR", .best = true};
  CHECK(resumed(options, 1, true) == uninterrupted(options));
}

TEST_CASE("threads: a run resumed with another number of threads is the one without a stop") {
  const ResumedRunOptions options{.optimizer = "AdamW", .schedule = "OneCycleLR", .prefetch = 1};
  const std::string expected = uninterrupted(options);
  for (const int before : {1, 2}) {
    const TempDir dir;
    ResumedRunOptions own = options;
    own.folder = dir.path();
    own.stop = 5;
    {
      const test::ThreadCount threads(before);
      ResumedRun(own).run();
    }
    const test::ThreadCount threads(3 - before);
    own.stop = 0;
    own.resume = dir.file("run.safetensors");
    ResumedRun second(own);
    second.run();
    CHECK(second.outcome() == expected);
  }
}

TEST_CASE("resume: the checkpoint of an epoch's end is gone on from like one in its middle") {
  const TempDir dir;
  ResumedRunOptions options{.folder = dir.path(), .epochs = 2, .every_epochs = 1};
  ResumedRun(options).run();
  options.resume = dir.file("run.safetensors");
  options.epochs = 4;
  ResumedRun longer(options);
  longer.run();
  CHECK(longer.history.epochs.size() == 4);
  CHECK(longer.outcome() == uninterrupted({.epochs = 4}));
}

TEST_CASE("resume: a run that is stopped where an epoch begins leaves a checkpoint of the epochs before it") {
  const TempDir dir;
  ResumedRun run({.folder = dir.path(), .epochs = 9, .every_epochs = 5});
  run.fit.callbacks.push_back(std::make_shared<optim::callbacks::LambdaCallback>(
      optim::callbacks::LambdaCallbackOptions{.on_epoch_begin = [](optim::Run& now) {
        if (now.epoch == 3) now.stop("enough");
      }}));
  run.run();
  CHECK(run.history.epochs.size() == 3);
  CHECK(optim::detail::load_checkpoint(dir.file("run.safetensors")).position.epoch == 3);
}

TEST_CASE("resume: rows that the log got after the checkpoint are cut off and come again") {
  const TempDir dir;
  ResumedRunOptions options{.folder = dir.path(), .stop = 5};
  ResumedRun(options).run();
  const std::string log = dir.read("log.csv");
  dir.write("log.csv", log + "1,2,3\ngarbage");
  options.stop = 0;
  options.resume = dir.file("run.safetensors");
  ResumedRun second(options);
  second.run();
  CHECK(second.outcome() == uninterrupted({}));
}

TEST_CASE("resume: a run that early stopping has ended ends again, with its best weights") {
  const TempDir dir;
  ResumedRunOptions options{.folder = dir.path(), .epochs = 30, .every_epochs = 1};
  ResumedRun first(options);
  first.run();
  REQUIRE(first.history.reason.starts_with("EarlyStopping"));
  const std::string expected = first.outcome();
  options.resume = dir.file("run.safetensors");
  ResumedRun second(options);
  second.run();
  CHECK(second.history.reason == first.history.reason);
  CHECK(second.outcome() == expected);
}

TEST_CASE("resume: recycled units, health reports and gradient clipping take part") {
  const auto outcome = [](std::int64_t stop) {
    const TempDir dir;
    const auto probe = test::small_images();
    ResumedRunOptions options{.optimizer = "Adam", .folder = dir.path(), .stop = stop};
    std::shared_ptr<optim::callbacks::Recycle> recycle;
    const auto reports = [&] {
      std::ostringstream text;
      for (std::size_t i = 0; i < recycle->reports().size(); ++i)
        text << recycle->steps()[i] << ": " << recycle->reports()[i];
      return text.str();
    };
    const auto go = [&](ResumedRun& run) {
      recycle = std::make_shared<optim::callbacks::Recycle>(
          *probe, optim::callbacks::RecycleEvery{.steps = 2, .options = {.tau = 0.5}});
      run.fit.callbacks.insert(run.fit.callbacks.begin(),
                               {recycle, std::make_shared<optim::callbacks::HealthMonitor>(
                                             probe, optim::callbacks::HealthMonitorOptions{})});
      run.fit.clip_grad_norm = 0.5;
      run.run();
    };
    ResumedRun first(options);
    go(first);
    if (stop == 0) return first.outcome() + reports();
    options.stop = 0;
    options.seed = 2;
    options.resume = dir.file("run.safetensors");
    ResumedRun second(options);
    go(second);
    CHECK(recycle->runs() == static_cast<std::int64_t>(recycle->steps().size()));
    return second.outcome() + reports();
  };
  const std::string expected = outcome(0);
  CHECK(expected.find("8: ") != std::string::npos);
  for (const std::int64_t stop : {1, 2, 3, 4, 7}) {
    CAPTURE(stop);
    CHECK(outcome(stop) == expected);
  }
}

TEST_CASE("resume: a callback may interrupt anywhere") {
  using optim::Run;
  namespace cb = optim::callbacks;
  const std::string expected = uninterrupted({});
  const auto interrupt = [](Run& run) {
    if (run.epoch == 1) run.interrupt("enough");
  };
  for (const auto& how :
       {cb::LambdaCallbackOptions{.on_train_batch_begin = interrupt},
        cb::LambdaCallbackOptions{.on_gradients = interrupt},
        cb::LambdaCallbackOptions{.on_train_batch_end = interrupt},
        cb::LambdaCallbackOptions{.on_epoch_end = interrupt},
        cb::LambdaCallbackOptions{.on_epoch_begin = interrupt},
        cb::LambdaCallbackOptions{.on_train_begin = [](Run& run) { run.interrupt("no"); }}}) {
    const TempDir dir;
    ResumedRunOptions options{.folder = dir.path()};
    ResumedRun first(options);
    first.fit.callbacks.push_back(std::make_shared<cb::LambdaCallback>(how));
    first.run();
    CHECK(first.history.interrupted);
    options.resume = dir.file("run.safetensors");
    ResumedRun second(options);
    second.run();
    CHECK(second.outcome() == expected);
  }
}

TEST_CASE("resume: an interrupted run ends no epoch, and ends the training") {
  const TempDir dir;
  ResumedRun run({.folder = dir.path(), .stop = 3});
  std::string calls;
  run.fit.callbacks = {
      std::make_shared<optim::callbacks::LambdaCallback>(optim::callbacks::LambdaCallbackOptions{
          .on_train_batch_end = [&](optim::Run&) { calls += 'b'; },
          .on_epoch_end = [&](optim::Run&) { calls += 'e'; },
          .on_train_end = [&](optim::Run& r) { calls += r.reason() == "interrupted" ? 't' : '?'; }})};
  run.run();
  CHECK(calls == "bbbt");
  CHECK(run.history.epochs.empty());
  CHECK(run.history.steps == 3);
}
