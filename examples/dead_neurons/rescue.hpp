// The rescue: after an epoch at far too high a learning rate most units are dead. What brings them back?
//
// From the same weights, several ways lead on at a sensible learning rate.
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

/// Runs the rescue of one network, looking at it `looks` times an epoch. A new optimizer "continue"s; or dead units are made
/// new first, which is "recycle", or every 200 steps, which is "recycle_200". "recycle_old_state" goes on with the optimizer
/// that did the damage and what it remembers of it, and "fresh" begins anew with the network, too.
inline Rescue run_rescue(const Setup& setup, const Variant& variant, const Inputs& inputs, std::uint64_t seed,
                         int looks) {
  constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();
  Rescue rescue;
  const auto follow = [&](const char* name, Trainer& trainer, std::int64_t every,
                          const std::function<void(Trainer&)>& after = {}) {
    rescue.branches.push_back(detail::follow(name, trainer, rescue_epochs, every, after));
  };
  Trainer damaged(setup, variant, inputs, seed);
  const std::int64_t every = std::max<std::int64_t>(1, damaged.epoch_steps() / looks);
  rescue.branches.push_back(detail::follow(damage_name(setup), damaged, setup.epochs, every));
  damaged.set_lr(rescue_lr);

  Trainer old_state = damaged.branch();
  damaged.renew_optimizer();
  Trainer on = damaged.branch(), once = damaged.branch(), often = damaged.branch();
  follow("continue", on, every);

  rescue.recycled = once.recycle();
  rescue.branches.push_back({.name = "right_after_recycle", .points = {detail::look(once)}});
  follow("recycle", once, every);
  often.recycle();
  follow("recycle_200", often, never, [start = often.step()](Trainer& now) {
    if ((now.step() - start) % 200 == 0) now.recycle();
  });
  old_state.recycle();
  follow("recycle_old_state", old_state, never);

  Setup sane = setup;
  sane.lr = rescue_lr;
  Trainer fresh(sane, variant, inputs, seed);
  follow("fresh", fresh, never);
  return rescue;
}

}  // namespace dead_neurons
