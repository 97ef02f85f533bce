// What holds for every model that was read.
#pragma once

#include <rill/core/create.hpp>
#include <rill/nn/config/model_config.hpp>
#include <rill/nn/model.hpp>

#include "reading.hpp"

namespace rill::fuzz {

inline constexpr std::int64_t max_parameters = 10000;  // a model that asks for more is refused

inline nn::config::ModelConfig config_of(nn::Model& model) {
  return nn::config::config_of(model.network, model.input_shape);
}

/// The config of a model makes a model of the same config.
inline void check_config(nn::Model& model) {
  const std::string text = nn::config::to_json(config_of(model));
  const nn::config::ModelConfig config = nn::config::parse_model_config(text, "copy.json");
  require(nn::config::to_json(config) == text, "a config is another one when it is written and read again");
  Generator generator(1);
  // Layers of Keras may be as large in rill, but not larger.
  nn::Model copy(
      nn::config::build(config, generator, {.where = "copy.json", .max_parameters = max_parameters}),
      model.input_shape);
  require(nn::config::to_json(config_of(copy)) == text, "a config builds a model of another config");
}

/// It also takes a sample of its shape, and is the same when it is saved and loaded.
inline void check_model(nn::Model& model) {
  check_config(model);
  std::vector<std::int64_t> sizes{1};
  sizes.insert(sizes.end(), model.input_shape.begin(), model.input_shape.end());
  {
    const nn::EvalMode evaluation(model);
    const NoGrad no_grad;
    const std::vector<Tensor> values = model.parameters();
    model(zeros(Shape(sizes), values.empty() ? DType::f32 : values.front().dtype()));
  }
  const std::string path = scratch().file("saved.safetensors");
  nn::save_model(model, path);
  nn::Model copy = nn::load_model(path, {.max_parameters = max_parameters});
  const std::vector<nn::NamedTensor> state = model.named_state(), copied = copy.named_state();
  require(state.size() == copied.size(), "a saved model has other parameters");
  for (std::size_t i = 0; i < state.size(); ++i) {
    require(state[i].name == copied[i].name, "a saved model has other names");
    require_same(state[i].value, copied[i].value, "a saved model");
  }
  require(copy.classes == model.classes && copy.features == model.features && copy.target == model.target,
          "a saved model has other names of columns or classes");
}

}  // namespace rill::fuzz
