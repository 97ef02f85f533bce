#include <rill/tools/rill/model_file.hpp>

#include <fmt/format.h>

#include <rill/core/create.hpp>
#include <rill/nn/config/load.hpp>
#include <rill/tools/rill/files.hpp>
#include <rill/tools/rill/program.hpp>

namespace rill::command {
namespace {

std::string joined(const Shape& shape) {
  std::string text;
  for (const std::int64_t size : shape) text += (text.empty() ? "" : "x") + std::to_string(size);
  return text.empty() ? "1" : text;
}

}  // namespace

void ModelFile::add_to(CLI::App& app, const std::string& name) {
  app.add_option(name, path,
                 "a saved model or checkpoint (.safetensors),\na TensorFlow.js model.json, or a JSON config")
      ->required()
      ->type_name("FILE");
  app.add_option("--weights", weights, "values for a JSON config, a safetensors file")->type_name("FILE");
  app.add_flag("--drop-regularizers", drop_regularizers,
               "leave Keras' regularizers and constraints out;\npredictions are the same");
}

nn::Model ModelFile::open() const {
  const nn::LoadOptions options{.drop_regularizers = drop_regularizers};
  const FileKind kind = kind_of(path);
  if (kind != FileKind::json && !(kind == FileKind::other && path.ends_with(".json"))) {
    if (!weights.empty() && kind == FileKind::safetensors)
      throw UsageError(path + ": the file has weights of its own, expected no --weights");
    return nn::load_model(path, options);
  }
  // People write configs; a TensorFlow.js model is written by a program, and comes with its values.
  if (!reads_as_config(path)) {
    if (!weights.empty()) throw UsageError(path + ": the model has weights beside it, expected no --weights");
    return nn::load_model(path, options);
  }
  if (!weights.empty()) kind_of(weights);  // a file that is not there is no wrong config
  return reading_config(
      [&] { return nn::load_model(path, {.weights = weights, .drop_regularizers = drop_regularizers}); });
}

nn::Model ModelFile::open_trained() const {
  nn::Model model = open();
  RILL_CHECK(model.trained, path,
             ": the model has no weights, expected a trained one; give a saved model, or the weights of this "
             "config with --weights");
  return model;
}

Shape output_shape(nn::Model& model) {
  std::vector<std::int64_t> sizes{1};
  sizes.insert(sizes.end(), model.input_shape.begin(), model.input_shape.end());
  const nn::EvalMode evaluation(model);
  const NoGrad no_grad;
  const std::vector<Tensor> values = model.parameters();
  const Tensor y = model(zeros(Shape(sizes), values.empty() ? DType::f32 : values.front().dtype()));
  return Shape(y.shape().sizes().subspan(1));
}

std::string describe(nn::Model& model) {
  return fmt::format("{} -> {}, {} parameters", joined(model.input_shape), joined(output_shape(model)),
                     model.parameter_count());
}

}  // namespace rill::command
