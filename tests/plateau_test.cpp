// ReduceLROnPlateau: PyTorch's rule, metric by metric; groups; numbers that it refuses.
#include <cmath>
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

// The learning rates after each metric, from 1.
Rates react(const ReduceLROnPlateauOptions& options, const std::vector<double>& metrics) {
  SGD optimizer = make_optimizer();
  ReduceLROnPlateau schedule(optimizer, options);
  Rates rates;
  for (const double metric : metrics) {
    schedule.step(metric);
    rates.push_back(optimizer.lr());
  }
  return rates;
}

}  // namespace

// reference/activations-formats-training.md, 4.2: measured with PyTorch.
TEST_CASE("plateau: with patience 2 the fourth of equal metrics reduces") {
  CHECK(react({.patience = 2}, {1, 1, 1, 1, 1}) == Rates{1, 1, 1, .1, .1});
}

TEST_CASE("plateau: what is better begins the count anew") {
  CHECK(react({.factor = .5, .patience = 1}, {3, 3, 2, 2, 2, 2, 2}) == Rates{1, 1, 1, 1, .5, .5, .25});
}

TEST_CASE("plateau: max mode wants larger metrics") {
  CHECK(react({.mode = PlateauMode::max, .factor = .5, .patience = 0}, {1, 2, 1, 3}) == Rates{1, 1, .5, .5});
}

TEST_CASE("plateau: better is better by more than the threshold, as a share of the best or as it is") {
  using enum ThresholdMode;
  CHECK(react({.factor = .5, .patience = 0, .threshold = .25}, {8, 6, 5.5}) == Rates{1, .5, .25 * 2});
  CHECK(react({.factor = .5, .patience = 0, .threshold = 1, .threshold_mode = absolute}, {8, 7, 6.5}) ==
        Rates{1, .5, .5});
  CHECK(react({.mode = PlateauMode::max, .factor = .5, .patience = 0, .threshold = .25}, {8, 10, 10.5}) ==
        Rates{1, .5, .5});
  CHECK(
      react(
          {.mode = PlateauMode::max, .factor = .5, .patience = 0, .threshold = 1, .threshold_mode = absolute},
          {8, 9, 9.5}) == Rates{1, .5, .5});
}

TEST_CASE("plateau: a NaN is a bad metric, also as the first") {
  CHECK(react({.factor = .5, .patience = 1}, {NAN, NAN, 5, NAN, NAN}) == Rates{1, .5, .5, .5, .25});
}

TEST_CASE("plateau: nothing is counted while it cools down") {
  CHECK(react({.factor = .5, .patience = 0, .cooldown = 2}, {1, 1, 1, 1, 1, 1}) ==
        Rates{1, .5, .5, .5, .25, .25});
}

TEST_CASE("plateau: min_lr is the floor, and a reduction by no more than eps is left out") {
  CHECK(react({.factor = .5, .patience = 0, .min_lr = .3}, {1, 1, 1, 1}) == Rates{1, .5, .3, .3});
  CHECK(react({.factor = .5, .patience = 0, .eps = .25}, {1, 1, 1, 1}) == Rates{1, .5, .5, .5});
}

TEST_CASE("plateau: min_lr may be given for each group") {
  SGD optimizer = two_groups();
  ReduceLROnPlateau schedule(optimizer, {.patience = 0, .min_lr = {0.5, 0.05}});
  schedule.step(1);
  schedule.step(1);
  CHECK(optimizer.lr(0) == 0.5);
  CHECK(optimizer.lr(1) == 0.05);
}

TEST_CASE("plateau: a step without a metric is refused") {
  SGD optimizer = make_optimizer();
  ReduceLROnPlateau schedule(optimizer);
  refused("ReduceLROnPlateau: step() has no metric, expected step(metric)", [&] { schedule.step(); });
  CHECK(schedule.steps() == 0);
}

TEST_CASE("plateau: numbers out of range are refused by ReduceLROnPlateau and one_cycle's lists") {
  SGD optimizer = two_groups();
  const auto plateau = [&](const ReduceLROnPlateauOptions& options) {
    return [&, options] { ReduceLROnPlateau schedule(optimizer, options); };
  };
  refused("ReduceLROnPlateau: factor is 1, expected 0 or more and less than 1", plateau({.factor = 1}));
  refused("ReduceLROnPlateau: patience is -1, expected 0 or more", plateau({.patience = -1}));
  refused("ReduceLROnPlateau: threshold is inf, expected a finite number, 0 or more",
          plateau({.threshold = INFINITY}));
  refused("ReduceLROnPlateau: cooldown is -1, expected 0 or more", plateau({.cooldown = -1}));
  refused("ReduceLROnPlateau: min_lr is -1, expected a finite number, 0 or more", plateau({.min_lr = -1}));
  refused("ReduceLROnPlateau: min_lr is nan, expected a finite number, 0 or more",
          plateau({.min_lr = {0, NAN}}));
  refused("ReduceLROnPlateau: min_lr has 3 numbers, expected one, or one for each of 2 groups",
          plateau({.min_lr = {0, 0, 0}}));
  refused("ReduceLROnPlateau: eps is nan, expected a finite number, 0 or more", plateau({.eps = NAN}));
  refused("OneCycleLR: max_lr has 1 numbers, expected one, or one for each of 2 groups",
          [&] { OneCycleLR schedule(optimizer, {.max_lr = {1.0}, .total_steps = 5}); });
}
