// The MODEL argument that most commands take: a saved model, a TensorFlow.js model.json, or a JSON config with its weights
// in another file.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include <rill/nn/model.hpp>

namespace rill::command {

inline constexpr const char* model_kinds =
    "a saved model or checkpoint (safetensors), a TensorFlow.js model.json, or a JSON config with --weights";

struct ModelFile {
  std::string path, weights;
  bool drop_regularizers = false;

  void add_to(CLI::App& app, const std::string& name = "MODEL");

  /// The model. Throws UsageError for a JSON config that is wrong, Error for files that are missing or broken.
  nn::Model open() const;
  /// The same, and throws Error for a model without values of its own.
  nn::Model open_trained() const;
};

/// "28x28 -> 10, 235146 parameters"
std::string describe(nn::Model& model);
/// What the model gives for one sample.
Shape output_shape(nn::Model& model);

}  // namespace rill::command
