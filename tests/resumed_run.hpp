// A small training with everything that has a state: batch norm, dropout, random transforms, schedules, callbacks. Built
// anew for each run; what it ends with can be compared bit by bit.
#pragma once

#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <rill/nn/data/augment.hpp>
#include <rill/nn/layers.hpp>
#include <rill/optim/adagrad.hpp>
#include <rill/optim/adam.hpp>
#include <rill/optim/callbacks.hpp>
#include <rill/optim/decay.hpp>
#include <rill/optim/fit.hpp>
#include <rill/optim/one_cycle.hpp>
#include <rill/optim/plateau.hpp>
#include <rill/optim/rmsprop.hpp>
#include <rill/optim/sgd.hpp>

#include "temp_dir.hpp"

namespace rill::test {

inline nn::Sequential resumable_model(std::uint64_t seed) {
  Generator generator(seed);
  return nn::Sequential{nn::Flatten(), nn::Dense(9, 6, generator),  nn::BatchNorm1d(6),
                        nn::ReLU(),    nn::Dropout(0.3, generator), nn::Dense(6, 3, generator)};
}

inline std::shared_ptr<const nn::data::Dataset> small_images(std::int64_t count = 10) {
  Generator generator(4);
  Tensor y = empty({count}, DType::i64);
  for (std::int64_t i = 0; i < count; ++i)
    y.mutable_data<std::int64_t>()[static_cast<std::size_t>(i)] = i * 7 % 3;
  return std::make_shared<nn::data::TensorDataset>(randn({count, 3, 3}, generator), y, 3);
}

/// Three batches an epoch.
inline nn::data::LoaderOptions small_batches(std::int64_t prefetch = 0) {
  return {.batch_size = 4,
          .shuffle = true,
          .seed = 9,
          .transforms = {std::make_shared<nn::data::Shift>(nn::data::ShiftOptions{.pixels = 1})},
          .prefetch = prefetch};
}

inline std::unique_ptr<optim::Optimizer> optimizer_named(const std::string& name, nn::Module& model) {
  using namespace optim;
  if (name == "SGD") return std::make_unique<SGD>(model, SGDOptions{.lr = 0.05, .momentum = 0.9});
  if (name == "Adam") return std::make_unique<Adam>(model, AdamOptions{.lr = 0.01, .amsgrad = true});
  if (name == "AdamW") return std::make_unique<AdamW>(model);
  if (name == "RMSprop")
    return std::make_unique<RMSprop>(model, RMSpropOptions{.momentum = 0.5, .centered = true});
  return std::make_unique<Adagrad>(model, AdagradOptions{.lr = 0.05, .lr_decay = 0.1});
}

inline std::unique_ptr<optim::Schedule> schedule_named(const std::string& name, optim::Optimizer& optimizer,
                                                       std::int64_t steps) {
  using namespace optim;
  if (name == "OneCycleLR")
    return std::make_unique<OneCycleLR>(optimizer, OneCycleLROptions{.max_lr = 0.1, .total_steps = steps});
  if (name == "StepLR")
    return std::make_unique<StepLR>(optimizer, StepLROptions{.step_size = 2, .gamma = 0.3});
  return std::make_unique<optim::ReduceLROnPlateau>(optimizer,
                                                    optim::ReduceLROnPlateauOptions{.patience = 0});
}

struct ResumedRunOptions {
  std::string optimizer = "SGD", schedule = "StepLR", folder = {};
  std::int64_t epochs = 4;
  std::int64_t stop = 0;    ///< the step after which it is interrupted; 0 for none
  std::string resume = {};  ///< a checkpoint
  std::uint64_t seed = 1;   ///< of the model, which a checkpoint replaces
  std::int64_t every_steps = 0, every_epochs = 0;
  bool best = false;  ///< save the best model, too
  std::int64_t prefetch = 0;
};

class ResumedRun {
 public:
  explicit ResumedRun(const ResumedRunOptions& options)
      : options_(options),
        model(resumable_model(options.seed)),
        optimizer(optimizer_named(options.optimizer, model)),
        schedule(schedule_named(options.schedule, *optimizer, 3 * options.epochs)),
        train(small_images(), small_batches(options.prefetch)) {
    trainer.metrics({optim::accuracy()});
    namespace cb = optim::callbacks;
    early = std::make_shared<cb::EarlyStopping>(
        cb::EarlyStoppingOptions{.patience = 3, .restore_best_weights = true});
    fit.callbacks = {early, std::make_shared<cb::CSVLogger>(options.folder + "/log.csv"),
                     std::make_shared<cb::TerminateOnNaN>()};
    if (options.best)
      fit.callbacks.push_back(std::make_shared<cb::ModelCheckpoint>(
          options.folder + "/best.safetensors", cb::ModelCheckpointOptions{.save_best_only = true}));
    if (schedule->scales_initial_lr())
      fit.callbacks.push_back(std::make_shared<cb::ReduceLROnPlateau>(
          cb::ReduceLROnPlateauOptions{.monitor = "loss", .factor = 0.7, .patience = 1}));
    fit.epochs = options.epochs;
    fit.validation = &validation;
    fit.schedule = schedule.get();
    fit.checkpoint = {.file = options.folder + "/run.safetensors",
                      .every_steps = options.every_steps,
                      .every_epochs = options.every_epochs};
    fit.resume = options.resume;
    fit.interrupted = [this] { return options_.stop > 0 && ++asked_ == options_.stop; };
  }

  void run() { history = trainer.fit(train, fit); }

  /// All that is to be the same, as text: bits of tensors, rates, counters, history, files.
  std::string outcome() {
    std::string text;
    for (const auto& [name, value] : model.named_state()) text += name + bits(value);
    for (const auto& [name, value] : model.named_parameters()) {
      const optim::ParamState state = optimizer->state(value);
      text += std::to_string(state.steps);
      for (const auto& [key, tensor] : state.tensors) text += key + bits(tensor);
    }
    for (std::size_t i = 0; i < optimizer->group_count(); ++i)
      text += bits(optimizer->lr(i)) + bits(optimizer->initial_lr(i));
    text += bits(optimizer->momentum().value_or(-1));
    for (const auto& [name, value] : schedule->state()) text += name + bits(value);
    for (const optim::Logs& logs : history.epochs) {
      for (const auto& [name, value] : logs) text += name + bits(value);
    }
    text += history.reason + std::to_string(history.steps);
    Counters counters;
    counters.child("", model);
    return text + counters.text + file("log.csv") + file("best.safetensors");
  }

  std::string file(const std::string& name) const {
    std::ifstream in(options_.folder + "/" + name, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

 private:
  struct Counters final : nn::Visitor {
    void counter(std::string_view name, std::uint64_t& value) override {
      text += std::string(name) + std::to_string(value) + " ";
    }
    void child(std::string_view, nn::Module& module) override { module.visit(*this); }
    std::string text;
  };
  static std::string bits(double value) { return {reinterpret_cast<const char*>(&value), sizeof value}; }
  static std::string bits(const Tensor& tensor) {
    std::string text;
    dispatch(tensor.dtype(), [&]<class T>(T) { text = to_text(std::as_bytes(tensor.data<T>())); });
    return text;
  }
  ResumedRunOptions options_;
  std::int64_t asked_ = 0;

 public:
  nn::Sequential model;
  std::unique_ptr<optim::Optimizer> optimizer;
  std::unique_ptr<optim::Schedule> schedule;
  nn::data::Loader train, validation{small_images(7), {.batch_size = 4}};
  optim::Trainer trainer{model, *optimizer, optim::losses::cross_entropy()};
  std::shared_ptr<optim::callbacks::EarlyStopping> early;
  optim::FitOptions fit;
  optim::History history;
};

}  // namespace rill::test
