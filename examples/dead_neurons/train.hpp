// Trainer: one network of an experiment on its way, and what is measured of it.
//
// A trainer belongs to one thread; its results follow from set-up, variant and seed alone.
#pragma once

#include <cmath>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <rill/rill.hpp>

#include "setup.hpp"
#include "variant.hpp"

namespace dead_neurons {

/// He normal with the activation's own gain; the last layer with gain 1. All biases of the last layer are 0.
inline rill::nn::Sequential make_model(const Setup& setup, const Variant& variant,
                                       rill::Generator& generator) {
  using namespace rill::nn;
  Sequential model;
  model.add(Flatten());
  const DenseOptions hidden{.init = init::kaiming_normal(variant.gain()),
                            .bias_init = init::constant(variant.bias.value_or(setup.bias))};
  for (int layer = 0; layer < setup.depth; ++layer) {
    model.add(Dense(layer == 0 ? 784 : setup.width, setup.width, generator, hidden));
    if (variant.batch_norm) model.add(BatchNorm1d(setup.width));
    if (variant.layer_norm) model.add(LayerNorm(setup.width));
    model.add(variant.activation->make(variant.number));
  }
  if (variant.rai) init::rai(model, generator);
  model.add(Dense(setup.width, 10, generator, {.init = init::kaiming_normal(1.0)}));
  return model;
}

inline const std::vector<std::string>& optimizer_names() {
  static const std::vector<std::string> names{"SGD", "Adam", "AdamW", "RMSprop"};
  return names;
}

/// `name` is one of optimizer_names().
inline std::unique_ptr<rill::optim::Optimizer> make_optimizer(const std::string& name,
                                                              rill::nn::Module& model, double lr) {
  using namespace rill::optim;
  if (name == "SGD") return std::make_unique<SGD>(model, SGDOptions{.lr = lr});
  if (name == "AdamW") return std::make_unique<AdamW>(model, AdamWOptions{.lr = lr});
  if (name == "RMSprop") return std::make_unique<RMSprop>(model, RMSpropOptions{.lr = lr});
  return std::make_unique<Adam>(model, AdamOptions{.lr = lr});
}

class Trainer {
 public:
  Trainer(const Setup& setup, const Variant& variant, const Inputs& inputs, std::uint64_t seed)
      : setup_(setup),
        variant_(variant),
        inputs_(inputs),
        generator_(seed),
        model_(make_model(setup, variant, generator_)),
        optimizer_(make_optimizer(setup.optimizer, model_, setup.lr)),
        loader_(inputs.train, {.batch_size = setup.batch, .shuffle = true, .drop_last = true, .seed = seed}) {
  }

  /// A copy that goes on from here on its own: the same weights, the same memory of the optimizer.
  Trainer branch() const { return Trainer(*this); }

  /// Steps that an epoch has.
  std::int64_t epoch_steps() const {
    const std::int64_t all = loader_.batches();
    return setup_.steps_per_epoch > 0 ? std::min(all, setup_.steps_per_epoch) : all;
  }
  std::int64_t step() const { return step_; }
  rill::nn::Module& model() { return model_; }
  void set_lr(double lr) {
    setup_.lr = lr;
    optimizer_->set_lr(lr);
  }
  /// Goes on with an optimizer that remembers nothing.
  void renew_optimizer() { optimizer_ = make_optimizer(setup_.optimizer, model_, setup_.lr); }
  /// The loss of every step so far.
  const std::vector<float>& losses() const { return losses_; }
  /// Whether the loss was no number at last: nothing is learnt from then on.
  bool diverged() const { return !losses_.empty() && !std::isfinite(losses_.back()); }

  /// Goes on for one epoch, and calls `after(*this)` after each step; ends early where the loss is no number.
  void train_epoch(const std::function<void(Trainer&)>& after = {}) {
    for (const rill::nn::data::Batch& batch : loader_.epoch(epoch_++)) {
      if (batch.index == epoch_steps() || diverged()) break;
      train_step(batch);
      if (after) after(*this);
    }
  }

  /// The share of test images that are read correctly.
  double accuracy() {
    const rill::NoGrad no_grad;
    const rill::nn::EvalMode evaluation(model_);
    const std::int64_t count = inputs_.test_x.size(0);
    std::int64_t correct = 0;
    for (std::int64_t begin = 0; begin < count; begin += 500) {
      const std::int64_t end = std::min(begin + 500, count);
      correct += rill::nn::count_correct(model_(inputs_.test_x.slice(0, begin, end)),
                                         inputs_.test_y.slice(0, begin, end));
    }
    return static_cast<double>(correct) / static_cast<double>(count);
  }

  /// Makes new units of those that are dead; how many.
  std::int64_t recycle() {
    return rill::optim::recycle(model_, *optimizer_, *inputs_.train, generator_,
                                {.samples = inputs_.probe.size(0)})
        .recycled();
  }

  rill::nn::HealthReport audit() {
    rill::nn::HealthReport report = rill::nn::audit(model_, inputs_.probe);
    report.step = step_;
    return report;
  }

 private:
  Trainer(const Trainer& other)
      : setup_(other.setup_),
        variant_(other.variant_),
        inputs_(other.inputs_),
        generator_(other.generator_),
        model_(rill::nn::clone(other.model_)),
        optimizer_(make_optimizer(setup_.optimizer, model_, setup_.lr)),
        loader_(other.loader_),
        losses_(other.losses_),
        step_(other.step_),
        epoch_(other.epoch_) {
    // Both have the same parameters in the same groups.
    for (std::size_t group = 0; group < optimizer_->group_count(); ++group) {
      const std::vector<rill::Tensor> from = other.optimizer_->params(group), to = optimizer_->params(group);
      for (std::size_t i = 0; i < to.size(); ++i)
        optimizer_->set_state(to[i], other.optimizer_->state(from[i]));
    }
    optimizer_->set_lr(other.optimizer_->lr());
  }

  void train_step(const rill::nn::data::Batch& batch) {
    const rill::Tensor loss = cross_entropy(model_(batch.x), batch.y);
    loss.backward();
    if (variant_.clip) rill::optim::clip_grad_norm_(model_, *variant_.clip);
    if (variant_.warmup) {
      optimizer_->set_lr(setup_.lr * std::min(1.0, static_cast<double>(step_ + 1) / *variant_.warmup));
    }
    optimizer_->step();
    optimizer_->zero_grad();
    losses_.push_back(static_cast<float>(loss.item()));
    ++step_;
    if (variant_.recycle && step_ % static_cast<std::int64_t>(*variant_.recycle) == 0) recycle();
  }

  Setup setup_;
  Variant variant_;
  const Inputs& inputs_;
  rill::Generator generator_;
  rill::nn::Sequential model_;
  std::unique_ptr<rill::optim::Optimizer> optimizer_;
  rill::nn::data::Loader loader_;
  std::vector<float> losses_;
  std::int64_t step_ = 0, epoch_ = 0;
};

}  // namespace dead_neurons
