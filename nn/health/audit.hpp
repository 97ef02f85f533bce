// The health of a model's units on a probe set: before training, after it, or of a saved model.
//
//   std::cout << nn::audit(model, *test_set, {.samples = 10000});
//
// Activations are seen wherever they run: as layers, as functions in a module of one's own, as the activation of a Dense.
#pragma once

#include <functional>

#include <rill/nn/data/dataset.hpp>
#include <rill/nn/health/report.hpp>
#include <rill/nn/module.hpp>

namespace rill::nn {

/// Which statistics normalise while a model is judged. `running`: the model is in evaluation mode. `batch`: it is in
/// training mode, with Dropout off, for a model whose running statistics mean nothing yet; what the passes change in
/// buffers and counters is undone.
enum class Statistics { running, batch };

struct AuditOptions {
  std::int64_t samples = 0;  ///< the first ones of the probe set; 0 for all. More than there are: all
  /// The mean loss of predictions and targets; with it, gradients are measured too.
  std::function<Tensor(const Tensor& prediction, const Tensor& target)> loss = {};
  Statistics statistics = Statistics::running;
  std::int64_t batch_size = 500;  ///< the most samples in a pass; the passes are of nearly equal size
};

/// Runs the probe set through the model and says what its units do. Values, gradients, modes, buffers and counters stay as they
/// were, also if the model throws, which is passed on; hooks of the model's own see the passes.
///
/// Throws Error, and leaves all as it was, for a probe that holds a NaN or an infinity, for a model in which no activation runs, for
/// samples or batch_size out of range, and where a layer's units are not the same in every pass. Floating samples and targets are converted to the model's dtype.
HealthReport audit(Module& model, const data::Dataset& probe, const AuditOptions& options = {});
/// The same for samples x [n, ...] without targets; a loss is refused. Throws Error for a probe without samples.
HealthReport audit(Module& model, const Tensor& probe, const AuditOptions& options = {});

/// What is wrong with a model before its first step.
struct BornDead {
  bool network =
      false;  ///< the output is the same for samples that differ: no gradient reaches the first layers
  std::int64_t dead = 0;  ///< units that are never on, of activations that let no gradient through then
  std::int64_t units = 0;
  std::int64_t non_finite = 0;  ///< units that are NaN or infinite, of which `dead` counts none
  HealthReport report = {};
};

/// audit() with batch statistics: BatchNorm is judged as it will train, for with its first running statistics a net looks dead that
/// is not. The first 10,000 samples of a data set are looked at. Throws Error as audit() does.
BornDead born_dead(Module& model, const data::Dataset& probe);
BornDead born_dead(Module& model, const Tensor& probe);

}  // namespace rill::nn
