// What of a run goes into a checkpoint, and how it comes back: all of it, or nothing.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <rill/optim/checkpoint.hpp>
#include <rill/optim/metric.hpp>

namespace rill::optim::detail {

/// The objects that a run of fit() moves.
struct Training {
  Run& run;
  const std::vector<std::shared_ptr<Callback>>& callbacks;
  const std::vector<std::shared_ptr<Metric>>& metrics;
  const nn::data::Loader& loader;
};

/// Everything but position, epoch so far, history and metadata; metrics where `within_epoch`. Tensors are shared with the
/// training. Throws Error for an optimizer that trains what is no parameter of the model.
Checkpoint capture(const Training& training, bool within_epoch);

/// Puts the training where the checkpoint, read from `path`, was taken. Throws Error, and changes nothing, where the two do
/// not fit: names, shapes and dtypes of the model, optimizer and its groups, schedules, callbacks, metrics, loader.
void restore(const Training& training, const Checkpoint& checkpoint, const std::string& path);

}  // namespace rill::optim::detail
