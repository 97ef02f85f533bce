// Models out of JSON documents, of every kind that load_model() knows. Internal, as json.hpp.
#pragma once

#include <rill/nn/config/json.hpp>
#include <rill/nn/model.hpp>

namespace rill::nn::config {

/// Whether a document is a model of Keras or TensorFlow.js: it has "class_name", "modelTopology", "format" or
/// "weightsManifest".
bool is_keras(const Node& document);

/// The model of a document, or a part of one; other files that it names are looked for in `folder`. Throws Error as load_model()
/// does.
Model model_of(const Node& document, const std::string& folder, const LoadOptions& options);

/// Gives the model the values of a safetensors file, and the preprocessing, names and loss that a saved model's file holds beside
/// them. Throws Error as load_weights() does.
void load_values(Model& model, const std::string& path);

}  // namespace rill::nn::config
