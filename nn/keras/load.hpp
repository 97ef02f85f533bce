// Models of Keras 2, Keras 3 and TensorFlow.js as rill's.
//
// What differs from Keras: Keras' running variance is biased, rill's unbiased as PyTorch's; it is taken as it is, and goes on as
// rill's if training does. Seeds are not used. Images are flattened in the order in which they come: a model of Keras wants
// [height, width, channels]. Loss, optimizer and metrics of a compiled model are no part of it and not read. Parameters that Keras
// keeps fixed (trainable, center and scale false) ask for no gradient; save_model() does not keep that.
#pragma once

#include <string>

#include <rill/nn/config/json.hpp>
#include <rill/nn/model.hpp>

namespace rill::nn::keras {

/// The model of a document: of to_json(), or a model.json of TensorFlow.js whose weights are in files beside it, in `folder`. Throws Error,
/// naming the place, for graph-models, models that are no chain, code, what rill does not have, and weights that do not fit.
Model load(const config::Node& document, const std::string& folder, const LoadOptions& options);

}  // namespace rill::nn::keras
