// Metrics: what a training loop measures besides the loss.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include <rill/optim/state_dict.hpp>

namespace rill::optim {

/// What is measured over an epoch: reset() at its start, update() with every batch, result() at its end.
class Metric {
 public:
  virtual ~Metric() = default;
  virtual std::string name() const = 0;
  virtual void reset() = 0;
  virtual void update(const Tensor& prediction, const Tensor& target) = 0;
  virtual double result() const = 0;

  /// What the batches since reset() have left, for a checkpoint within an epoch. The default throws Error: a metric
  /// without it serves only where no checkpoints are asked for.
  virtual StateDict state_dict() const;
  /// Goes on from there. Throws Error, and changes nothing, for what state_dict() does not give.
  virtual void load_state_dict(const StateDict& state);
};

/// A metric that is the mean over samples of a number for each batch, such as a share or an error.
std::shared_ptr<Metric> mean_metric(
    std::string name, std::function<double(const Tensor& prediction, const Tensor& target)> of_batch);

/// The share of samples whose largest logit is their label's: "accuracy".
std::shared_ptr<Metric> accuracy();

}  // namespace rill::optim
