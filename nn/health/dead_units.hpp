// Which units of a model never fire.
#pragma once

#include <string>
#include <vector>

#include <rill/nn/data/dataset.hpp>
#include <rill/nn/module.hpp>

namespace rill::nn {

/// What a probe set shows of one activation layer.
struct LayerActivity {
  std::string name;             ///< the layer's path in the model, such as "2.0"
  std::string type;             ///< its type, such as "relu"
  std::int64_t units = 0;       ///< features of its input; 0 if it was not called
  std::int64_t never_on = 0;    ///< units whose input was positive for no sample of the probe set
  std::int64_t samples = 0;     ///< of the probe set
  std::int64_t non_finite = 0;  ///< units whose input was NaN or infinite for some sample; not counted above
  bool blocks_gradient =
      false;  ///< a unit that is never on is dead, as of ReLU; others still pass a gradient
};

/// Runs the first `samples` samples of the data set (all of them if there are fewer) through the model and counts the units
/// that are never on, for each nn::Activation in it, however deep, in the order of named_modules(). The model runs in
/// evaluation mode, without recording, in passes of at most 500 samples in the dtype of its first parameter; hooks of its own
/// see them. Modes, running statistics and counters stay as they were, also if the model throws, which is passed on.
///
/// An activation that stands in several places has one row, by the first name; a unit of it is on if it is on in any.
/// Throws Error if samples is less than 1, if an activation's input is not [batch, ...], or if its features change.
std::vector<LayerActivity> dead_units(Module& model, const data::Dataset& probe, std::int64_t samples);

}  // namespace rill::nn
