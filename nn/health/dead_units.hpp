// Which units of a model never fire.
#pragma once

#include <string>
#include <vector>

#include <rill/nn/data/dataset.hpp>
#include <rill/nn/layers.hpp>

namespace rill::nn {

/// What a probe set shows of one activation layer.
struct LayerActivity {
  std::string name;             ///< the layer's path in the model, such as "2"
  std::string type;             ///< its type, such as "relu"
  std::int64_t units = 0;       ///< features of its input
  std::int64_t never_on = 0;    ///< units whose input was positive for no sample of the probe set
  std::int64_t samples = 0;     ///< of the probe set
  std::int64_t non_finite = 0;  ///< units whose input was NaN or infinite for some sample; not counted above
  bool blocks_gradient =
      false;  ///< a unit that is never on is dead, as of ReLU; others still pass a gradient
};

/// Runs `samples` samples of the data set through the model (all of them if there are fewer), without recording, and
/// counts for each activation layer directly in the Sequential the units that are never on.
/// Throws Error if samples is less than 1, or if an activation's input is not [batch, ...].
std::vector<LayerActivity> dead_units(Sequential& model, const data::Dataset& probe, std::int64_t samples);

}  // namespace rill::nn
