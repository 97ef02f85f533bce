// ModelConfig: a model as rill's own JSON format holds it.
//
//   { "rill": 1, "input_shape": [28, 28],
//     "layers": [ { "type": "flatten" }, { "type": "dense", "units": 10, "activation": "elu" } ] }
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <rill/nn/config/layers.hpp>

namespace rill::nn::config {

/// The version of rill's format that is read and written.
inline constexpr std::int64_t format_version = 1;

struct ModelConfig {
  std::int64_t rill = format_version;
  std::vector<std::int64_t> input_shape = {};  ///< of a sample, without the batch
  std::string dtype = "f32";
  std::vector<LayerConfig> layers = {};
  std::vector<std::string> frozen = {};  ///< names of parameters that are not trained
  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    archive.required("rill", self.rill, "version of the format", between(1, 1));
    archive.required("input_shape", self.input_shape, "of a sample, without the batch",
                     Check{.low = 1, .high = static_cast<double>(max_units), .min_items = 1, .max_items = 7});
    archive.optional("dtype", self.dtype, "of the parameters", one_of({"f32", "f64"}));
    archive.required("layers", self.layers, "modules, one after the other", items(1, max_layers));
    archive.optional("frozen", self.frozen, "names of parameters that are not trained: \"0.weight\"");
  }
};

/// The config of a model. Throws Error, naming the layer, for modules that are none of nn's.
ModelConfig config_of(Sequential& network, const Shape& input_shape);

struct BuildOptions {
  std::string where = "model";
  bool weights_follow = false;
  std::int64_t max_parameters = 0;
  /// How many values the file of the weights holds: a config in it that asks for far more is refused.
  std::optional<std::int64_t> values = {};
};

/// The model, its weights drawn from the generator. Throws Error, naming the layer, for sizes that do not fit together.
Sequential build(const ModelConfig& config, Generator& generator, const BuildOptions& options);

/// Reads a document's text. Throws Error, naming file and place, for everything that is not exactly rill's format.
ModelConfig parse_model_config(const std::string& text, const std::string& where);
/// The document, every default written out, with line breaks.
std::string to_json(const ModelConfig& config);

}  // namespace rill::nn::config
