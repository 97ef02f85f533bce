// Import: what is known while a Keras model is read, layer after layer, and what has been read of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <rill/nn/config/model_config.hpp>
#include <rill/nn/keras/fields.hpp>
#include <rill/nn/model.hpp>

namespace rill::nn::keras {

using config::ConfigOf;
using config::LayerConfig;
using Sizes = std::vector<std::int64_t>;

/// The most elements that a sample may have behind a layer.
inline constexpr std::int64_t max_sample = std::int64_t{1} << 40;

/// A weight of Keras and where it goes.
struct Slot {
  std::vector<std::string> path;  ///< names of the models around, of the layer, and of the weight
  std::string target;             ///< its name in rill: "1.weight"
  Sizes sizes;                    ///< its shape in Keras
  bool transposed = false;        ///< [in, out], which is [out, in] in rill
};

struct Import {
  const LoadOptions& options;
  bool weights_follow = false;  ///< values are read from a file, so initialisers need not be known

  Sizes shape = {};                    ///< of what the next layer gets, without the batch
  std::string dtype = {};              ///< "f32" or "f64"; empty as long as no layer has said it
  bool trainable = true;               ///< of the models around
  std::vector<std::string> path = {};  ///< names of the models around
  std::string prefix = {};             ///< of the names in rill: "2." in a network that is layer 2

  std::int64_t elements = 0;  ///< of all parameters and buffers
  std::int64_t layers = 0;    ///< read so far
  std::vector<Slot> slots = {};
  std::vector<std::string> frozen = {};  ///< parameters, by their names in rill, that are not to be trained
};

/// A layer that is being read.
struct Layer {
  Node entry;  ///< the object with class_name and config
  Fields& fields;
  std::string class_name, name;
  bool trainable;
  Import& import;
  std::vector<LayerConfig>& network;  ///< what it becomes is put here

  void add(LayerConfig config) { network.push_back(std::move(config)); }
  /// Counts the elements of a weight, which `target` of the layer to be added next will hold. Throws Error above
  /// LoadOptions::max_parameters.
  void add_slot(const std::string& weight, const std::string& target, Sizes sizes);
  /// Keeps a parameter of the layer to be added next from being trained.
  void freeze(const std::string& target);
  std::string target_of(const std::string& target) const;
};

/// What the model's layers, and those of models in it, become. Throws Error, naming the place, for what rill cannot do.
std::vector<LayerConfig> read_network(const Node& model, Import& import);

/// The shape of a sample, which the first layer or the model tells. Throws Error if none does.
Sizes input_shape_of(const Node& model);
/// A shape, with the batch first or without it. Throws Error for sizes that are not known.
Sizes read_shape(const Node& value, bool with_batch);

/// How many elements there are, the largest number where it would overflow.
std::int64_t elements_of(const Sizes& sizes);
/// "[28, 28]", for messages.
std::string shown(const Sizes& sizes);

// Readers of layers, for the table in network.cpp.

void read_dense(Layer& layer);
void read_flatten(Layer& layer);
void read_reshape(Layer& layer);
void read_dropout(Layer& layer);
void read_batch_normalization(Layer& layer);
void read_layer_normalization(Layer& layer);
void read_rescaling(Layer& layer);
void read_prelu(Layer& layer);
void read_activation(Layer& layer);        ///< Activation
void read_activation_layer(Layer& layer);  ///< LeakyReLU, ELU, …

/// The value of a layer's key "activation": a name, or a layer. None for the identity.
std::optional<LayerConfig> activation_of(Layer& layer);

/// Throws Error, saying what to do instead, for a regularizer or a constraint under the key, unless they are to be dropped.
void check_penalty(Layer& layer, std::string_view key);

/// What draws a weight [rows, columns] of Keras, or one of one dimension where there are no columns.
config::InitConfig initializer_of(Layer& layer, std::string_view key, std::int64_t rows,
                                  std::int64_t columns);
/// The one value that an initializer gives every element; none for one that draws, or whose values a file replaces.
double constant_of(Layer& layer, std::string_view key, double fallback);

}  // namespace rill::nn::keras
