// Schedules: what a checkpoint keeps of them, and what they refuse.
#include <cmath>
#include <functional>
#include <memory>
#include <type_traits>
#include <vector>

#include <doctest/doctest.h>

#include <rill/rill.hpp>

#include "schedules.hpp"

using namespace rill;
using namespace rill::optim;
using test::make_optimizer;
using test::refused;

namespace {

using MakeSchedule = std::function<std::unique_ptr<Schedule>(Optimizer&)>;

std::vector<MakeSchedule> all_schedules() {
  return {
      [](Optimizer& o) { return std::make_unique<StepLR>(o, StepLROptions{.step_size = 2}); },
      [](Optimizer& o) {
        return std::make_unique<MultiStepLR>(o, MultiStepLROptions{.milestones = {2, 5}});
      },
      [](Optimizer& o) { return std::make_unique<ExponentialLR>(o, ExponentialLROptions{.gamma = 0.9}); },
      [](Optimizer& o) {
        return std::make_unique<CosineAnnealingLR>(o, CosineAnnealingLROptions{.t_max = 9, .eta_min = 0.01});
      },
      [](Optimizer& o) { return std::make_unique<LinearLR>(o); },
      [](Optimizer& o) {
        return std::make_unique<OneCycleLR>(o, OneCycleLROptions{.max_lr = 1, .total_steps = 20});
      },
      [](Optimizer& o) {
        return std::make_unique<ReduceLROnPlateau>(o, ReduceLROnPlateauOptions{.patience = 1, .cooldown = 2});
      },
      [](Optimizer& o) {
        return std::make_unique<SequentialLR>(
            o, Schedules(LinearLR(o), ReduceLROnPlateau(o, {.factor = .5, .patience = 0})),
            std::vector<std::int64_t>{3});
      },
      [](Optimizer& o) {
        return std::make_unique<ChainedScheduler>(
            o, Schedules(ExponentialLR(o, {.gamma = 0.9}), ReduceLROnPlateau(o, {.patience = 1}),
                         ReduceLROnPlateau(o, {.factor = .7, .patience = 2})));
      },
  };
}

double metric_of(int step) { return step % 4 == 0 ? 1.0 - step * 0.01 : 2.0; }

}  // namespace

TEST_CASE("schedule: one that takes over another's state goes on with the same bits") {
  for (const MakeSchedule& make : all_schedules()) {
    SGD whole = make_optimizer(0.3, 0.9), half = make_optimizer(0.3, 0.9);
    const auto unbroken = make(whole);
    CAPTURE(unbroken->name());
    for (int step = 0; step < 7; ++step) unbroken->step(metric_of(step));
    const auto resumed = make(half);
    CHECK(half.lr() != whole.lr());
    resumed->set_state(unbroken->state());
    CHECK(resumed->state() == unbroken->state());
    CHECK(resumed->steps() == 7);
    for (int step = 7; step < 16; ++step) {
      CHECK(half.lr() == whole.lr());
      CHECK(half.momentum() == whole.momentum());
      unbroken->step(metric_of(step));
      resumed->step(metric_of(step));
    }
  }
}

TEST_CASE("schedule: the state is the number of steps, and on a plateau what was counted") {
  SGD optimizer = make_optimizer();
  StepLR steps(optimizer, {.step_size = 2});
  steps.step();
  CHECK(steps.state() == Schedule::State{{"steps", 1}, {"initial_lr.0", 1}});
  ChainedScheduler chained(optimizer, {LinearLR(optimizer), ReduceLROnPlateau(optimizer)});
  chained.step(NAN);
  // No infinite "best": a file of JSON could not hold it.
  CHECK(chained.state() == Schedule::State{{"steps", 1},
                                           {"initial_lr.0", 1},
                                           {"1.num_bad_epochs", 1},
                                           {"1.cooldown_counter", 0},
                                           {"1.reductions", 0}});
  chained.step(5);
  CHECK(chained.state() == Schedule::State{{"steps", 2},
                                           {"initial_lr.0", 1},
                                           {"1.best", 5},
                                           {"1.num_bad_epochs", 0},
                                           {"1.cooldown_counter", 0},
                                           {"1.reductions", 0}});
}

TEST_CASE("schedule: lr_at looks ahead and changes nothing") {
  SGD optimizer = make_optimizer();
  const ExponentialLR schedule(optimizer, {.gamma = 0.5});
  CHECK(schedule.lr_at(3) == 0.125);
  CHECK(schedule.steps() == 0);
  CHECK(optimizer.lr() == 1);
  refused("ExponentialLR: step -1, expected 0 or more", [&] { schedule.lr_at(-1); });
}

TEST_CASE("schedule: a state that does not fit is refused and changes nothing") {
  SGD optimizer = make_optimizer();
  ReduceLROnPlateau schedule(optimizer, {.patience = 1});
  for (int i = 0; i < 4; ++i) schedule.step(1);
  const Schedule::State good = schedule.state();
  const double lr = optimizer.lr();
  const auto with = [&](const char* key, double value) {
    Schedule::State state = good;
    state[key] = value;
    return [&, state] { schedule.set_state(state); };
  };
  refused("ReduceLROnPlateau: state has no \"steps\", expected a number", [&] { schedule.set_state({}); });
  refused("ReduceLROnPlateau: state \"steps\" is -1, expected a whole number, 0 or more", with("steps", -1));
  refused("ReduceLROnPlateau: state \"num_bad_epochs\" is 0.5, expected a whole number, 0 or more",
          with("num_bad_epochs", 0.5));
  refused("ReduceLROnPlateau: state \"reductions\" is nan, expected a whole number, 0 or more",
          with("reductions", NAN));
  refused("ReduceLROnPlateau: state \"best\" is nan, expected a number", with("best", NAN));
  refused("ReduceLROnPlateau: state has \"worst\", expected no such entry", with("worst", 1));
  refused("ReduceLROnPlateau: state has no \"num_bad_epochs\", expected a number", [&] {
    schedule.set_state({{"steps", 3}});
  });
  Schedule::State half = good;
  half["num_bad_epochs"] = 1 - half["num_bad_epochs"];
  half["reductions"] = NAN;
  refused("ReduceLROnPlateau: state \"reductions\" is nan, expected a whole number, 0 or more",
          [&] { schedule.set_state(half); });
  CHECK(schedule.state() == good);
  CHECK(optimizer.lr() == lr);
  OneCycleLR cycle(optimizer, {.max_lr = 1, .total_steps = 3});
  refused("OneCycleLR: state of 4 steps, expected 0 to 3", [&] { cycle.set_state({{"steps", 4}}); });
}

TEST_CASE("schedule: numbers out of range are refused, and the optimizer keeps its learning rate") {
  SGD optimizer = make_optimizer(0.5);
  const auto make = [&]<class S>(std::type_identity<S>, auto options) {
    return [&optimizer, options] { S schedule(optimizer, options); };
  };
  const auto step = [&](const StepLROptions& o) { return make(std::type_identity<StepLR>(), o); };
  const auto multi = [&](const MultiStepLROptions& o) { return make(std::type_identity<MultiStepLR>(), o); };
  const auto expo = [&](const ExponentialLROptions& o) {
    return make(std::type_identity<ExponentialLR>(), o);
  };
  const auto cosine = [&](const CosineAnnealingLROptions& o) {
    return make(std::type_identity<CosineAnnealingLR>(), o);
  };
  const auto linear = [&](const LinearLROptions& o) { return make(std::type_identity<LinearLR>(), o); };
  refused("StepLR: step_size is 0, expected 1 or more", step({}));
  refused("StepLR: gamma is -1, expected a finite number, 0 or more", step({.step_size = 1, .gamma = -1}));
  refused("MultiStepLR: there are no milestones, expected at least one", multi({}));
  refused("MultiStepLR: milestone 0, expected 1 or more, in ascending order", multi({.milestones = {0}}));
  refused("MultiStepLR: milestone 4, expected 7 or more, in ascending order", multi({.milestones = {7, 4}}));
  refused("MultiStepLR: gamma is nan, expected a finite number, 0 or more",
          multi({.milestones = {1}, .gamma = NAN}));
  refused("ExponentialLR: gamma is nan, expected a finite number, 0 or more", expo({}));
  refused("CosineAnnealingLR: t_max is 0, expected 1 or more", cosine({}));
  refused("CosineAnnealingLR: eta_min is -1, expected a finite number, 0 or more",
          cosine({.t_max = 1, .eta_min = -1}));
  refused("LinearLR: start_factor is 1.5, expected 0 to 1", linear({.start_factor = 1.5}));
  refused("LinearLR: end_factor is nan, expected 0 to 1", linear({.end_factor = NAN}));
  refused("LinearLR: total_iters is 0, expected 1 or more", linear({.total_iters = 0}));
  CHECK(optimizer.lr() == 0.5);
}

TEST_CASE("schedule: combinations that cannot be are refused") {
  SGD optimizer = make_optimizer(), other = make_optimizer();
  const auto sequence = [&](std::vector<std::int64_t> milestones) {
    return [&, milestones] {
      SequentialLR schedule(optimizer, {LinearLR(optimizer), LinearLR(optimizer)}, milestones);
    };
  };
  refused("SequentialLR: there are 0 milestones for 2 schedules, expected 1", sequence({}));
  refused("SequentialLR: there are 2 milestones for 2 schedules, expected 1", sequence({1, 2}));
  refused("SequentialLR: milestone 0, expected more than 0", sequence({0}));
  refused("SequentialLR: milestone 5, expected more than 5", [&] {
    SequentialLR(optimizer, {LinearLR(optimizer), LinearLR(optimizer), LinearLR(optimizer)}, {5, 5});
  });
  refused("ChainedScheduler: there are no schedules, expected at least one",
          [&] { ChainedScheduler(optimizer, std::vector<std::unique_ptr<Schedule>>()); });
  refused("ChainedScheduler: a schedule is null, expected one",
          [&] { ChainedScheduler(optimizer, std::vector<std::unique_ptr<Schedule>>(1)); });
  refused("ChainedScheduler: the LinearLR drives another optimizer, expected the same",
          [&] { ChainedScheduler(optimizer, {LinearLR(other)}); });
}

TEST_CASE("schedule: the state brings the initial learning rates along, also those that set_lr() gave") {
  SGD whole = test::two_groups(), half = test::two_groups();
  StepLR unbroken(whole, {.step_size = 2}), resumed(half, {.step_size = 2});
  unbroken.step();
  whole.set_lr(1, 8);
  resumed.set_state(unbroken.state());
  for (int step = 0; step < 4; ++step) {
    unbroken.step();
    resumed.step();
    CHECK(half.lr(0) == whole.lr(0));
    CHECK(half.lr(1) == whole.lr(1));
  }
  CHECK(half.initial_lr(1) == 8);
}

TEST_CASE("schedule: an initial learning rate that cannot be is refused and changes nothing") {
  SGD optimizer = make_optimizer(0.5);
  StepLR schedule(optimizer, {.step_size = 1});
  const auto set = [&](const Schedule::State& state) { return [&, state] { schedule.set_state(state); }; };
  refused("StepLR: state has no \"initial_lr.0\", expected a number", set({{"steps", 3}}));
  refused("StepLR: state \"initial_lr.0\" is nan, expected a finite number, 0 or more",
          set({{"steps", 3}, {"initial_lr.0", NAN}}));
  refused("StepLR: state has \"initial_lr.1\", expected no such entry",
          set({{"steps", 3}, {"initial_lr.0", 1}, {"initial_lr.1", 1}}));
  ExponentialLR growing(optimizer, {.gamma = 1e200});
  refused("ExponentialLR: the learning rate of step 1 is inf, expected a finite number", [&] {
    growing.set_state({{"steps", 1}, {"initial_lr.0", 1e200}});
  });
  CHECK(optimizer.initial_lr() == 0.5);
  CHECK(optimizer.lr() == 0.5);
  CHECK(schedule.steps() == 0);
}

TEST_CASE("schedule: a combination that is refused leaves learning rate and momentum as they were") {
  SGD optimizer = make_optimizer(0.5, 0.9), other = make_optimizer(0.5, 0.9);
  const auto cycle = [](Optimizer& o) { return OneCycleLR(o, {.max_lr = 1, .total_steps = 9}); };
  refused("SequentialLR: milestone 0, expected more than 0", [&] {
    SequentialLR(optimizer, {LinearLR(optimizer), cycle(optimizer)}, {0});
  });
  refused("SequentialLR: there are 0 milestones for 2 schedules, expected 1", [&] {
    SequentialLR(optimizer, {cycle(optimizer), LinearLR(optimizer)}, {});
  });
  refused("ChainedScheduler: the OneCycleLR drives another optimizer, expected the same", [&] {
    ChainedScheduler(optimizer, {LinearLR(optimizer), cycle(optimizer), cycle(other)});
  });
  for (const Optimizer* each : {&optimizer, &other}) {
    CHECK(each->lr() == 0.5);
    CHECK(each->momentum() == 0.9);
  }
}
