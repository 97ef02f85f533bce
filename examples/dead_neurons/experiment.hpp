// Experiments: which networks are trained, cell by cell, and all cells at once on a few threads.
#pragma once

#include <atomic>
#include <exception>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <rill/rill.hpp>

#include "setup.hpp"
#include "train.hpp"
#include "variant.hpp"

namespace dead_neurons {

/// What is measured of one network of one seed.
struct Outcome {
  double accuracy = 0;
  bool diverged = false;
  rill::nn::HealthReport born, end;               ///< before the first step and after the last
  std::vector<rill::nn::HealthReport> history{};  ///< while it was trained, where that was asked for
  std::vector<float> losses{};                    ///< of every step
};

/// Networks of one set-up, and what became of each variant and seed.
struct Experiment {
  std::string name;
  Setup setup;
  bool standard = true;  ///< the set-up is the one that its name stands for
  std::vector<Variant> variants;
  std::vector<std::vector<Outcome>> outcomes{};  ///< [variant][seed]

  /// The outcomes of a variant; null if it was not asked for.
  const std::vector<Outcome>* find(const std::string& variant) const {
    for (std::size_t v = 0; v < variants.size(); ++v) {
      if (variants[v].name == variant) return &outcomes[v];
    }
    return nullptr;
  }
};

inline const std::vector<std::string>& experiment_names() {
  static const std::vector<std::string> names{"A", "B", "rescue", "C", "sweep"};
  return names;
}

/// The variants of an experiment where none are asked for.
inline std::vector<std::string> standard_variants(const std::string& experiment) {
  const std::vector<std::string> activations{
      "relu", "leaky_relu:0.01", "leaky_relu:0.1", "leaky_relu:0.3", "elu", "prelu", "gelu"};
  const auto with = [&](const std::vector<std::string>& more) {
    std::vector<std::string> all = activations;
    all.insert(all.end(), more.begin(), more.end());
    return all;
  };
  if (experiment == "A")
    return with(
        {"relu+recycle", "relu+batch_norm", "relu+layer_norm", "relu+bias:0", "relu+bias:0.1", "relu+rai"});
  if (experiment == "B") {
    return with({"relu+recycle", "relu+batch_norm", "relu+layer_norm", "relu+clip:1", "relu+warmup:200",
                 "relu+bias:0.1", "relu+rai"});
  }
  if (experiment == "C") return activations;
  if (experiment == "rescue") return {"relu"};
  return {"leaky_relu:0",   "leaky_relu:0.001", "leaky_relu:0.01", "leaky_relu:0.1",
          "leaky_relu:0.2", "leaky_relu:0.3",   "leaky_relu:1"};
}

/// Trains one network; `trace_every` steps it is audited, if that is not 0.
inline Outcome run_cell(const Setup& setup, const Variant& variant, const Inputs& inputs, std::uint64_t seed,
                        std::int64_t trace_every) {
  Trainer trainer(setup, variant, inputs, seed);
  Outcome outcome;
  outcome.born = rill::nn::born_dead(trainer.model(), inputs.probe).report;
  if (trace_every > 0) outcome.history.push_back(outcome.born);
  for (int epoch = 0; epoch < setup.epochs; ++epoch) {
    trainer.train_epoch([&](Trainer& now) {
      if (trace_every > 0 && now.step() % trace_every == 0) outcome.history.push_back(now.audit());
    });
  }
  outcome.accuracy = trainer.accuracy();
  outcome.diverged = trainer.diverged();
  outcome.end = trainer.audit();
  outcome.losses = trainer.losses();
  return outcome;
}

/// Runs all jobs on rill's number of threads, each on one, and calls `done` with the line that a job returns, one at a
/// time. Throws what the first job that failed has thrown, after those under way have ended.
inline void run_jobs(const std::vector<std::function<std::string()>>& jobs,
                     const std::function<void(const std::string& line)>& done) {
  std::atomic<std::size_t> next{0};
  std::mutex mutex;
  std::exception_ptr failure;
  const auto work = [&] {
    const rill::SerialLoops serial;
    for (std::size_t i = next++; i < jobs.size(); i = next++) {
      try {
        const std::string line = jobs[i]();
        const std::lock_guard lock(mutex);
        done(line);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!failure) failure = std::current_exception();
        next = jobs.size();
      }
    }
  };
  {
    std::vector<std::jthread> workers;
    const auto count = std::min<std::size_t>(jobs.size(), static_cast<std::size_t>(rill::num_threads()));
    for (std::size_t i = 0; i < count; ++i) workers.emplace_back(work);
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace dead_neurons
