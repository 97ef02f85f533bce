// Schedules: PyTorch's rules beyond the golden numbers, groups, and schedules made of schedules.
#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include <doctest/doctest.h>

#include <rill/rill.hpp>

#include "schedules.hpp"

using namespace rill;
using namespace rill::optim;
using test::make_optimizer;
using test::refused;
using test::two_groups;

namespace {

using Rates = std::vector<double>;

// The learning rates of the first `count` steps.
Rates walk(Optimizer& optimizer, Schedule& schedule, int count) {
  Rates rates{optimizer.lr()};
  while (static_cast<int>(rates.size()) < count) {
    schedule.step();
    rates.push_back(optimizer.lr());
  }
  return rates;
}

bool near(const Rates& got, const Rates& expected, double bound = 1e-12) {
  return std::ranges::equal(got, expected, [=](double a, double b) { return std::abs(a - b) <= bound; });
}

}  // namespace

// reference/activations-formats-training.md, 4.2: measured with PyTorch.
TEST_CASE("schedule: CosineAnnealingLR rises again after t_max") {
  SGD optimizer = make_optimizer();
  CosineAnnealingLR schedule(optimizer, {.t_max = 4});
  CHECK(near(walk(optimizer, schedule, 7), {1, .8536, .5, .1464, 0, .1464, .5}, 5e-5));
}

// The example in PyTorch's documentation of LinearLR.
TEST_CASE("schedule: LinearLR stays where it has come to") {
  SGD optimizer = make_optimizer(0.05);
  LinearLR schedule(optimizer, {.start_factor = 0.5, .total_iters = 4});
  CHECK(near(walk(optimizer, schedule, 7), {.025, .03125, .0375, .04375, .05, .05, .05}));
}

TEST_CASE("schedule: LinearLR begins at a third and takes 5 steps by default") {
  SGD optimizer = make_optimizer(3);
  LinearLR schedule(optimizer);
  CHECK(near(walk(optimizer, schedule, 7), {1, 1.4, 1.8, 2.2, 2.6, 3, 3}));
}

TEST_CASE("schedule: a milestone that is given twice counts twice") {
  SGD optimizer = make_optimizer();
  MultiStepLR schedule(optimizer, {.milestones = {1, 3, 3}, .gamma = 0.5});
  CHECK(walk(optimizer, schedule, 5) == Rates{1, .5, .5, .125, .125});
}

TEST_CASE("schedule: one_cycle moves the momentum against the learning rate, as PyTorch does") {
  SGD optimizer = make_optimizer(0.1, 0.9);
  // Learning rates of torch.optim.lr_scheduler.OneCycleLR(max_lr=1, total_steps=10), PyTorch 1.13.
  OneCycleLR schedule(optimizer, {.max_lr = 1, .total_steps = 10});
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
  refused("OneCycleLR: step 11 of 10, expected at most that many", [&] { schedule.step(); });
  CHECK(optimizer.lr() == doctest::Approx(4e-6));
}

// The phases of PyTorch's formula end at step pct_start · n - 1 and n - 1, which for n of 1 and 2 are -0.7, 0 and -0.4, 1.
TEST_CASE("schedule: one_cycle of one step, and of two, has nothing of its rise") {
  SGD optimizer = make_optimizer(0.1, 0.9);
  CHECK(OneCycleLR(optimizer, {.max_lr = 1, .total_steps = 1}).lr_at(0) == doctest::Approx(4e-6));
  const OneCycleLR two(optimizer, {.max_lr = 1, .total_steps = 2});
  CHECK(two.lr_at(0) == doctest::Approx(0.811745654).epsilon(1e-7));
  CHECK(two.lr_at(1) == doctest::Approx(4e-6));
}

TEST_CASE("schedule: one_cycle leaves an optimizer without momentum its own") {
  SGD optimizer = make_optimizer(0.1);
  OneCycleLR schedule(optimizer, {.max_lr = 1, .total_steps = 10, .anneal = Anneal::linear});
  CHECK_FALSE(optimizer.momentum());
  schedule.step();
  CHECK(optimizer.lr() == doctest::Approx(0.52));
  schedule.step();
  schedule.step();
  CHECK(optimizer.lr() == doctest::Approx(1 - (1 - 4e-6) / 7));
}

TEST_CASE("schedule: each group's own learning rate is scaled") {
  SGD optimizer = two_groups();
  StepLR schedule(optimizer, {.step_size = 1, .gamma = 0.5});
  schedule.step();
  CHECK(optimizer.lr(0) == 0.5);
  CHECK(optimizer.lr(1) == 0.05);
  CHECK(schedule.lr_at(0, 1) == 0.1);
  refused("SGD: there is no group 2, expected 0 to 1", [&] { schedule.lr_at(0, 2); });
}

TEST_CASE("schedule: one max_lr of one_cycle is every group's, a list has one for each") {
  SGD optimizer = two_groups();
  const OneCycleLR same(optimizer, {.max_lr = 2, .total_steps = 10});
  CHECK(same.lr_at(2, 0) == 2);
  CHECK(same.lr_at(2, 1) == 2);
  const OneCycleLR own(optimizer, {.max_lr = {2, 0.5}, .total_steps = 10});
  CHECK(own.lr_at(2, 0) == 2);
  CHECK(own.lr_at(2, 1) == 0.5);
  CHECK(optimizer.lr(1) == doctest::Approx(0.5 / 25).epsilon(1e-14));
}

TEST_CASE("schedule: a learning rate set by hand is what the schedule scales from then on") {
  SGD optimizer = make_optimizer();
  ExponentialLR schedule(optimizer, {.gamma = 0.5});
  schedule.step();
  CHECK(optimizer.initial_lr() == 1);
  optimizer.set_lr(8);
  CHECK(optimizer.lr() == 8);
  schedule.step();
  CHECK(optimizer.lr() == 2);
}

TEST_CASE("schedule: a second schedule begins from the optimizer's initial learning rate") {
  SGD optimizer = make_optimizer();
  { ExponentialLR(optimizer, {.gamma = 0.5}).step(); }
  CHECK(optimizer.lr() == 0.5);
  const StepLR second(optimizer, {.step_size = 2});
  CHECK(optimizer.lr() == 1);
}

TEST_CASE("schedule: a step is an epoch, but for one_cycle, unless set otherwise") {
  SGD optimizer = make_optimizer();
  StepLR steps(optimizer, {.step_size = 2});
  OneCycleLR cycle(optimizer, {.max_lr = 1, .total_steps = 2});
  CHECK(steps.interval() == Interval::epoch);
  CHECK(cycle.interval() == Interval::batch);
  steps.set_interval(Interval::batch);
  CHECK(steps.interval() == Interval::batch);
  CHECK(SequentialLR(optimizer, {std::move(cycle), std::move(steps)}, {1}).interval() == Interval::batch);
}

TEST_CASE("schedule: a learning rate that would overflow is refused, and the step is not done") {
  SGD optimizer = make_optimizer();
  ExponentialLR schedule(optimizer, {.gamma = 1e200});
  schedule.step();
  refused("ExponentialLR: the learning rate of step 2 is inf, expected a finite number",
          [&] { schedule.step(); });
  CHECK(schedule.steps() == 1);
  CHECK(optimizer.lr() == 1e200);
}

TEST_CASE("schedule: SequentialLR goes from one to the next at its milestones") {
  SGD optimizer = make_optimizer();
  SequentialLR schedule(
      optimizer,
      {LinearLR(optimizer, {.start_factor = 0.25, .total_iters = 3}),
       CosineAnnealingLR(optimizer, {.t_max = 4}), ExponentialLR(optimizer, {.gamma = 0.5})},
      {3, 6});
  CHECK(near(walk(optimizer, schedule, 9),
             {.25, .5, .75, 1, .5 + std::sqrt(.125), .5, /* exponential from its start: */ 1, .5, .25}));
}

// What PyTorch does: each scheduler multiplies the learning rate that it finds.
TEST_CASE("schedule: ChainedScheduler multiplies the factors, as PyTorch's recursion does") {
  SGD optimizer = two_groups();
  ChainedScheduler schedule(optimizer, {LinearLR(optimizer, {.start_factor = 0.2, .total_iters = 4}),
                                        CosineAnnealingLR(optimizer, {.t_max = 20}),
                                        StepLR(optimizer, {.step_size = 3, .gamma = 0.3}),
                                        ExponentialLR(optimizer, {.gamma = 0.9})});
  double expected = 0.2;
  for (int t = 0; t < 12; ++t) {
    CHECK(optimizer.lr(0) == doctest::Approx(expected).epsilon(1e-12));
    CHECK(optimizer.lr(1) == doctest::Approx(expected * 0.1).epsilon(1e-12));
    schedule.step();
    const double pi = std::acos(-1.0);
    if (t < 4) expected *= 1 + 0.8 / (4 * 0.2 + t * 0.8);
    expected *= (1 + std::cos(pi * (t + 1) / 20)) / (1 + std::cos(pi * t / 20));
    if ((t + 1) % 3 == 0) expected *= 0.3;
    expected *= 0.9;
  }
}

TEST_CASE("schedule: combinations hold combinations, and a list of pointers") {
  SGD optimizer = make_optimizer();
  std::vector<std::unique_ptr<Schedule>> list;
  list.push_back(
      std::make_unique<LinearLR>(optimizer, LinearLROptions{.start_factor = 0.5, .total_iters = 1}));
  list.push_back(std::make_unique<ChainedScheduler>(
      optimizer, Schedules(ExponentialLR(optimizer, {.gamma = 0.5}), StepLR(optimizer, {.step_size = 2}))));
  SequentialLR schedule(optimizer, std::move(list), {1});
  CHECK(near(walk(optimizer, schedule, 5), {.5, 1, .5, .025, .0125}));
}

TEST_CASE("schedule: a one-cycle schedule ends the combination that it is part of") {
  SGD optimizer = make_optimizer(1, 0.5);
  SequentialLR schedule(optimizer,
                        {LinearLR(optimizer), OneCycleLR(optimizer, {.max_lr = 1, .total_steps = 3})}, {2});
  walk(optimizer, schedule, 5);
  CHECK(*optimizer.momentum() == doctest::Approx(0.95));
  schedule.step();
  refused("SequentialLR: step 6 of 5, expected at most that many", [&] { schedule.step(); });
  ChainedScheduler chained(optimizer,
                           {LinearLR(optimizer), OneCycleLR(optimizer, {.max_lr = 1, .total_steps = 3})});
  refused("ChainedScheduler: step 4 of 3, expected at most that many", [&] { walk(optimizer, chained, 5); });
}

TEST_CASE("schedule: ReduceLROnPlateau takes its turn in a sequence, with the metrics of its own steps") {
  SGD optimizer = make_optimizer();
  SequentialLR schedule(optimizer,
                        {LinearLR(optimizer, {.start_factor = 0.5, .total_iters = 2}),
                         ReduceLROnPlateau(optimizer, {.factor = 0.5, .patience = 0})},
                        {2});
  schedule.step();
  schedule.step(1);  // ends the warm-up, and so is no best metric of what follows
  CHECK(optimizer.lr() == 1);
  refused("SequentialLR: step() has no metric, expected step(metric)", [&] { schedule.step(); });
  CHECK(schedule.steps() == 2);
  schedule.step(7);
  CHECK(optimizer.lr() == 1);
  schedule.step(7);
  CHECK(optimizer.lr() == 0.5);
}

TEST_CASE("schedule: a sequence that is set to a step has the momentum of one that walked there") {
  for (const bool cycle_first : {true, false}) {
    const auto sequence = [&](SGD& optimizer) {
      Schedules list =
          cycle_first
              ? Schedules{OneCycleLR(optimizer, {.max_lr = 1, .total_steps = 10}), LinearLR(optimizer)}
              : Schedules{LinearLR(optimizer), OneCycleLR(optimizer, {.max_lr = 1, .total_steps = 10})};
      return SequentialLR(optimizer, std::move(list), {5});
    };
    SGD walking = make_optimizer(1, 0.5);
    SequentialLR walked = sequence(walking);
    for (int step = 0; step <= 8; ++step) {
      CAPTURE(step);
      SGD other = make_optimizer(1, 0.5);
      SequentialLR set = sequence(other);
      for (int i = 0; i < 9; ++i) set.step();
      set.set_state(walked.state());
      CHECK(other.momentum() == walking.momentum());
      walked.step();
    }
  }
}

TEST_CASE("schedule: the momentum stays the optimizer's own until the turn of a one-cycle schedule comes") {
  SGD optimizer = make_optimizer(1, 0.5);
  SequentialLR schedule(optimizer,
                        {LinearLR(optimizer), OneCycleLR(optimizer, {.max_lr = 1, .total_steps = 20})}, {2});
  CHECK(optimizer.momentum() == 0.5);
  schedule.step();
  CHECK(optimizer.momentum() == 0.5);
  schedule.step();
  CHECK(*optimizer.momentum() == doctest::Approx(0.95));
}
