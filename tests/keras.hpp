// Small Keras models for tests: documents around layers, and TensorFlow.js models with their shard.
#pragma once

#include <cstring>
#include <initializer_list>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <rill/nn/config/model_config.hpp>
#include <rill/rill.hpp>

#include "golden.hpp"
#include "temp_dir.hpp"

namespace rill::test {

/// {"class_name": …, "config": {…}}; the layer's name is its class's unless the config has one.
inline Json keras_layer(const std::string& class_name, Json config = Json::object()) {
  if (!config.contains("name")) config["name"] = class_name;
  return {{"class_name", class_name}, {"config", std::move(config)}};
}

inline Json keras_dense(std::int64_t units, Json config = Json::object()) {
  config["units"] = units;
  return keras_layer("Dense", std::move(config));
}

/// A Sequential of Keras 2 for samples of that shape.
inline Json keras_model(Json layers, const std::vector<std::int64_t>& shape = {4}) {
  Json batch = Json::array({nullptr});
  for (const std::int64_t size : shape) batch.push_back(size);
  layers.insert(layers.begin(), keras_layer("InputLayer", {{"batch_input_shape", batch}, {"name", "in"}}));
  return {{"class_name", "Sequential"}, {"config", {{"name", "net"}, {"layers", std::move(layers)}}}};
}

/// The model of a document, read from a file "m.json".
inline nn::Model load_keras(const Json& document, const nn::LoadOptions& options = {}) {
  const TempDir folder;
  return nn::load_model(folder.write("m.json", document.dump()), options);
}

/// The message, starting at the name "m.json", of what must not be read; "accepted" if it was.
inline std::string keras_error(const Json& document, const nn::LoadOptions& options = {}) {
  const TempDir folder;
  const std::string path = folder.write("m.json", document.dump());
  try {
    nn::load_model(path, options);
  } catch (const Error& error) {
    const std::string message = error.what();
    return message.starts_with(path) ? message.substr(path.size() - 6) : message;
  }
  return "accepted";
}

/// rill's config of a model's layers.
inline Json layers_of(nn::Model& model) {
  return Json::parse(nn::config::to_json(nn::config::config_of(model.network, model.input_shape)))
      .at("layers");
}
inline Json rill_layers(const Json& layers, const std::vector<std::int64_t>& shape = {4}) {
  nn::Model model = load_keras(keras_model(layers, shape));
  return layers_of(model);
}

struct KerasWeight {
  std::string name;
  std::vector<std::int64_t> shape;
  std::vector<float> values;
};

inline std::string float_bytes(const std::vector<float>& values) {
  std::string bytes(values.size() * sizeof(float), '\0');
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

/// A TensorFlow.js document around a topology, and the bytes of its one shard "w.bin".
struct TfjsModel {
  Json document;
  std::string shard;

  TfjsModel(const Json& topology, const std::vector<KerasWeight>& weights)
      : document{{"format", "layers-model"}, {"modelTopology", topology}} {
    Json entries = Json::array();
    for (const KerasWeight& weight : weights) {
      entries.push_back({{"name", weight.name}, {"shape", weight.shape}, {"dtype", "float32"}});
      shard += float_bytes(weight.values);
    }
    document["weightsManifest"] = Json::array({{{"paths", {"w.bin"}}, {"weights", entries}}});
  }

  Json& group() { return document["weightsManifest"][0]; }
  Json& weight(std::size_t index) { return group()["weights"][index]; }

  nn::Model load(const nn::LoadOptions& options = {}) const {
    const TempDir folder;
    folder.write("w.bin", shard);
    return nn::load_model(folder.write("m.json", document.dump()), options);
  }
  /// As keras_error().
  std::string error() const {
    const TempDir folder;
    folder.write("w.bin", shard);
    const std::string path = folder.write("m.json", document.dump());
    try {
      nn::load_model(path);
    } catch (const Error& error) {
      std::string message = error.what();
      for (std::size_t at; (at = message.find(folder.path() + "/")) != std::string::npos;)
        message.erase(at, folder.path().size() + 1);
      return message;
    }
    return "accepted";
  }
};

inline Tensor f32(const std::vector<float>& values, const Shape& shape) {
  Tensor x = empty(shape);
  std::ranges::copy(values, x.mutable_data<float>().begin());
  return x;
}

}  // namespace rill::test
