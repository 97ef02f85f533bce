// Model: a network with what it takes to use it: the shape of its inputs, what is done to them first, and the names of what
// it tells apart. One file holds all of it.
//
//   nn::Model model = nn::load_model("model.json");     // rill's own format, or Keras'
//   ... train model ...
//   nn::save_model(model, "model.safetensors");
//   Tensor y = nn::load_model("model.safetensors").predict(raw);
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <rill/nn/data/transform.hpp>
#include <rill/nn/layers.hpp>

namespace rill::nn {

/// In what a loss of numbers is measured: deviations from the mean of the training targets.
struct TargetScale {
  double mean = 0, std = 1;
};

/// As a module it is its network: the same names, the same outputs.
class Model final : public Module {
 public:
  static constexpr std::string_view type_name = "model";
  Model() = default;
  Model(Sequential of, Shape of_input) : network(std::move(of)), input_shape(of_input) {}

  /// The network's output for samples that are prepared already.
  Tensor forward(const Tensor& x) override { return network(x); }
  void visit(Visitor& visitor) override { network.visit(visitor); }
  std::string_view type() const override { return type_name; }

  /// The network's output for samples as they come, f32 [n, input_shape...] or [n, features]: preprocessed, in evaluation
  /// mode, without recording. Throws Error for other shapes.
  Tensor predict(const Tensor& raw);

  Sequential network;
  Shape input_shape;                 ///< of a sample, without the batch
  data::Transforms preprocessing{};  ///< of raw samples; no random ones
  std::vector<std::string> classes;  ///< label i is classes[i]; empty where labels have no names
  /// Names of the columns that a sample is read from; empty where they have none.
  std::vector<std::string> features;
  std::string target;  ///< name of the column that is predicted, or empty
  /// What it was trained by, as a run names it ("cross_entropy"), or empty. A run sets it; who trains otherwise sets or clears
  /// it, as `rill eval` measures this one.
  std::string loss;
  /// Where that loss was one of standardized targets: their scale. The model's outputs are in the targets' unit.
  std::optional<TargetScale> target_scale;
  bool trained = false;  ///< its values come from a file, not from initialisers
};

struct LoadOptions {
  std::uint64_t seed = 0;    ///< of the initial weights, where the file has none
  std::string weights = {};  ///< a safetensors file whose values a config's model is given; empty for none
  /// A config whose model has more parameters and buffers than this is refused before anything is allocated.
  std::int64_t max_parameters = std::int64_t{1} << 28;
  /// Keras' regularizers and constraints are left out, not refused. They do not change what a model predicts.
  bool drop_regularizers = false;
};

/// The model in a file, which is recognised by its content: a file that save_model() or a checkpoint wrote, rill's JSON config,
/// a Keras config (Keras 2 and 3), or a TensorFlow.js model.json with its weights beside it. Throws Error, naming the place and what was
/// expected, for everything else, and for what rill cannot do.
Model load_model(const std::string& path, const LoadOptions& options = {});

/// Writes the model to one safetensors file that stands alone: values under PyTorch's names; config, preprocessing, names and
/// loss in its metadata, and a checksum. The file is replaced in one step or not at all. Throws Error for modules and preprocessing that are
/// none of rill's, for more layers, names or numbers than load_model() takes, and if it cannot be written.
void save_model(Model& model, const std::string& path);

/// Writes rill's JSON config of the model, without its values, every default written out. Throws Error as save_model() does.
void save_config(Model& model, const std::string& path);
void save_config(Sequential& network, const Shape& input_shape, const std::string& path);

/// What save_model() writes into the metadata, for files of one's own such as checkpoints: "rill.model", "rill.preprocessing",
/// "rill.classes", "rill.features", "rill.target", "rill.loss", and "rill.target_scale" where there is one. Throws Error as save_model() does.
std::map<std::string, std::string> model_metadata(Model& model);

/// The JSON schema (draft 7) of rill's model configs, for editors.
std::string model_schema();

}  // namespace rill::nn
