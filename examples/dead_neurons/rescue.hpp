// The rescue: after an epoch at far too high a learning rate most units are dead. What brings them back?
//
// From the same weights and the same optimizer's memory, several ways lead on at a sensible learning rate.
#pragma once

#include <fmt/format.h>

#include <functional>
#include <limits>
#include <string>
#include <vector>

#include <rill/rill.hpp>

#include "train.hpp"

namespace dead_neurons {

constexpr double rescue_lr = 0.001;
constexpr int rescue_epochs = 2;

struct RescuePoint {
  std::int64_t step = 0;
  double accuracy = 0;
  rill::nn::HealthReport report{};
};

/// One way, from its first point to its last.
struct RescueBranch {
  std::string name;
  std::vector<RescuePoint> points{};
};

struct Rescue {
  std::vector<RescueBranch> branches{};
  std::int64_t recycled = 0;  ///< units that were recycled at once

  const RescueBranch* find(const std::string& name) const {
    for (const RescueBranch& branch : branches) {
      if (branch.name == name) return &branch;
    }
    return nullptr;
  }
};

/// The name of the first branch, which ends with the damage done.
inline std::string damage_name(const Setup& setup) { return fmt::format("after_lr_{}", setup.lr); }

namespace detail {

inline RescuePoint look(Trainer& trainer) {
  return {.step = trainer.step(), .accuracy = trainer.accuracy(), .report = trainer.audit()};
}

// Trains on, and looks at the start, every so many steps, and at the end.
inline RescueBranch follow(std::string name, Trainer& trainer, int epochs, std::int64_t every,
                           const std::function<void(Trainer&)>& after = {}) {
  RescueBranch branch{.name = std::move(name)};
  branch.points.push_back(look(trainer));
  for (int epoch = 0; epoch < epochs; ++epoch) {
    trainer.train_epoch([&](Trainer& now) {
      if (after) after(now);
      if (now.step() % every == 0) branch.points.push_back(look(now));
    });
  }
  if (branch.points.back().step != trainer.step()) branch.points.push_back(look(trainer));
  return branch;
}

}  // namespace detail

/// Runs the rescue of one network, looking at it `looks` times an epoch: "continue" just goes on, "recycle" makes new units
/// of the dead ones first, "recycle_200" does so every 200 steps, and "fresh" begins anew.
inline Rescue run_rescue(const Setup& setup, const Variant& variant, const Inputs& inputs, std::uint64_t seed,
                         int looks) {
  Rescue rescue;
  Trainer damaged(setup, variant, inputs, seed);
  constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();
  const std::int64_t every = std::max<std::int64_t>(1, damaged.epoch_steps() / looks);
  rescue.branches.push_back(detail::follow(damage_name(setup), damaged, setup.epochs, every));
  damaged.optimizer().set_lr(rescue_lr);

  Trainer on = damaged.branch();
  rescue.branches.push_back(detail::follow("continue", on, rescue_epochs, every));

  Trainer once = damaged.branch();
  rescue.recycled = once.recycle();
  RescueBranch recycled = detail::follow("recycle", once, rescue_epochs, every);
  rescue.branches.push_back({.name = "right_after_recycle", .points = {recycled.points.front()}});
  rescue.branches.push_back(std::move(recycled));

  Trainer often = damaged.branch();
  rescue.branches.push_back(detail::follow("recycle_200", often, rescue_epochs, never, [](Trainer& now) {
    if (now.step() % 200 == 0) now.recycle();
  }));

  Setup sane = setup;
  sane.lr = rescue_lr;
  Trainer fresh(sane, variant, inputs, seed);
  rescue.branches.push_back(detail::follow("fresh", fresh, rescue_epochs, never));
  return rescue;
}

}  // namespace dead_neurons
