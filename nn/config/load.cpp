#include <filesystem>

#include <rill/core/io/file.hpp>
#include <rill/nn/config/archive.hpp>
#include <rill/nn/config/load.hpp>
#include <rill/nn/config/model_config.hpp>
#include <rill/nn/config/preprocessing.hpp>
#include <rill/nn/config/read_model.hpp>
#include <rill/nn/config/schema.hpp>
#include <rill/nn/keras/load.hpp>
#include <rill/nn/state_file.hpp>

namespace rill::nn {
namespace config {
namespace {

constexpr const char* prefix = "rill.";

// A part of a file's metadata, under its key without the prefix.
template <class T>
void read_part(const io::Safetensors& file, const std::string& key, T& value, const std::string& path,
               const Check& check = {}) {
  const auto found = file.metadata.find(prefix + key);
  if (found == file.metadata.end()) return;
  const std::string where = path + ": metadata " + prefix + key;
  const Json document = parse_json(found->second, where);
  Reader::read(Node(document, where), value, check);
}

struct TargetScaleConfig : TargetScale {
  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    archive.required("mean", self.mean, "of the training targets", finite());
    archive.required("std", self.std, "their deviation", above(0));
  }
};

void read_target_scale(const io::Safetensors& file, Model& model, const std::string& path) {
  std::optional<TargetScaleConfig> scale;
  read_part(file, "target_scale", scale, path);
  if (scale) model.target_scale = *scale;
}

Model built(const ModelConfig& config, const BuildOptions& build_options, std::uint64_t seed) {
  Generator generator(seed);
  Sequential network = build(config, generator, build_options);  // which checks the shape
  return Model(std::move(network), Shape(config.input_shape));
}

void read_preprocessing(const io::Safetensors& file, Model& model, const std::string& path) {
  std::vector<TransformConfig> preprocessing;
  read_part(file, "preprocessing", preprocessing, path);
  try {
    for (const TransformConfig& transform : preprocessing) model.preprocessing.push_back(transform.make());
    data::check_transforms(model.preprocessing, model.input_shape);
  } catch (const Error& error) {
    rill::detail::fail(path + ": metadata rill.preprocessing: " + error.what());
  }
}

// The values of a file, and what else it says of their model.
void take_values(Model& model, io::Safetensors file, const std::string& path) {
  read_preprocessing(file, model, path);
  read_part(file, "classes", model.classes, path, items(0, max_json_values));
  read_part(file, "features", model.features, path, items(0, max_json_values));
  read_part(file, "target", model.target, path);
  read_part(file, "loss", model.loss, path);
  read_target_scale(file, model, path);
  load_state(model, std::move(file), path);
  model.trained = true;
}

Model model_of_file(const std::string& path, const LoadOptions& options) {
  io::Safetensors file = io::load_safetensors(path);
  RILL_CHECK(
      file.metadata.contains("rill.model"), path,
      ": the file holds values but no model, expected one that save_model() wrote; load its config and give "
      "this file as its weights");
  const std::string where = path + ": metadata rill.model";
  const ModelConfig config = parse_model_config(file.metadata.at("rill.model"), where);
  std::int64_t values = 0;
  for (const auto& [name, value] : file.tensors) values += value.numel();
  Model model = built(config, {where, true, options.max_parameters, values}, options.seed);
  take_values(model, std::move(file), path);
  return model;
}

std::vector<std::byte> first_bytes(const std::string& path) {
  io::check_rereadable(path);
  std::vector<std::byte> bytes(64);
  bytes.resize(io::FileReader(path).read(bytes));
  return bytes;
}

[[noreturn]] void refuse_kind(const std::string& path, const char* kind, const char* recipe) {
  rill::detail::fail(path + ": this is " + kind + ", expected a JSON config or a safetensors file; " +
                     recipe);
}

// Refuses, with what to do, the files that people have.
void check_kind(const std::string& path, std::string_view head) {
  constexpr const char* from_keras =
      "in Python: open(\"model.json\", \"w\").write(model.to_json()) for the config, or with weights: "
      "tensorflowjs.converters.save_keras_model(model, \"folder\"), then load folder/model.json";
  constexpr const char* from_torch =
      "in Python: safetensors.torch.save_file(model.state_dict(), \"model.safetensors\"), then load it with "
      "a config "
      "of the same layers";
  if (head.starts_with("\x89HDF\r\n"))
    refuse_kind(path, "an HDF5 file, as Keras writes them (.h5)", from_keras);
  if (head.starts_with("PK\x03\x04")) {
    const bool torch = path.ends_with(".pt") || path.ends_with(".pth") || path.ends_with(".bin");
    refuse_kind(path,
                torch ? "a zip archive, as PyTorch writes them (.pt)"
                      : "a zip archive, as Keras 3 (.keras) and PyTorch (.pt) write them",
                torch ? from_torch : from_keras);
  }
  if (head.size() > 1 && head[0] == '\x80' && head[1] >= 2 && head[1] <= 5)
    refuse_kind(path, "a Python pickle, as PyTorch writes them (.pt)", from_torch);
  if (head.size() > 2 && head[0] == 8 && head[1] > 0 && head[1] < 32 && head[2] == 0x12)  // version, producer
    refuse_kind(path, "an ONNX file", "rill writes ONNX but does not read it");
  if (head.starts_with("\x93NUMPY")) refuse_kind(path, "a NumPy array", "it holds one tensor, not a model");
  if (head.starts_with("\x1f\x8b")) refuse_kind(path, "a gzip file", "unpack it with gunzip");
  if (head.starts_with("\x89PNG")) refuse_kind(path, "a picture (PNG)", "it holds no model");
  if (head.starts_with("version https://git-lfs"))
    refuse_kind(path, "a pointer of Git LFS", "fetch the file that it stands for with git lfs pull");
  const std::size_t first = head.find_first_not_of(" \t\r\n");
  if (first != std::string_view::npos && head[first] == '<')
    refuse_kind(path, "HTML or XML", "an error page may have come in the place of a download");
}

// A file that is cut, or damaged, where it would tell what it is: its name does, unless it begins as JSON.
bool is_named_safetensors(const std::string& path, std::string_view head) {
  const std::size_t first = head.find_first_not_of(" \t\r\n");
  return path.ends_with(".safetensors") && (first == std::string_view::npos || head[first] != '{');
}

}  // namespace

bool is_keras(const Node& document) {
  for (const char* key : {"class_name", "modelTopology", "format", "weightsManifest"}) {
    if (document.has(key)) return true;
  }
  return false;
}

Model model_of(const Node& document, const std::string& folder, const LoadOptions& options) {
  if (is_keras(document)) return keras::load(document, folder, options);
  if (document.has("model") && document.has("data"))
    document.fail("this is a run, expected a model, as the one under its key \"model\"");
  if (!document.is_object() || !document.has("rill"))
    document.fail(
        "this is no model, expected \"rill\": 1 with \"input_shape\" and \"layers\", or a Keras model");
  Model model = built(read_model_config(document),
                      {document.where(), !options.weights.empty(), options.max_parameters}, options.seed);
  if (!options.weights.empty()) load_values(model, options.weights);
  return model;
}

void load_values(Model& model, const std::string& path) {
  take_values(model, io::load_safetensors(path), path);
}

}  // namespace config

Model load_model(const std::string& path, const LoadOptions& options) {
  const std::vector<std::byte> bytes = config::first_bytes(path);
  const std::string_view head(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  // First, as the length of a header may begin like another kind of file: 640 is 80 02, a pickle's first bytes.
  if (io::begins_safetensors(head)) {
    RILL_CHECK(options.weights.empty(), path,
               ": the file has weights of its own, expected none beside it, got ", options.weights);
    return config::model_of_file(path, options);
  }
  config::check_kind(path, head);
  if (config::is_named_safetensors(path, head)) return config::model_of_file(path, options);
  const config::Json document = config::read_json(path);
  return config::model_of(config::Node(document, path), std::filesystem::path(path).parent_path().string(),
                          options);
}

void save_model(Model& model, const std::string& path) {
  io::Safetensors file = state_file(model);
  file.metadata.merge(model_metadata(model));
  io::save_safetensors(path, file);
}

std::map<std::string, std::string> model_metadata(Model& model) {
  std::vector<config::TransformConfig> preprocessing;
  for (const auto& transform : model.preprocessing)
    preprocessing.push_back(config::TransformConfig::of(*transform));
  const auto text = [](const auto& value) { return config::Writer::write(value).dump(); };
  std::map<std::string, std::string> metadata{
      {"rill.model", text(config::config_of(model.network, model.input_shape))},
      {"rill.preprocessing", text(preprocessing)},
      {"rill.classes", text(model.classes)},
      {"rill.features", text(model.features)},
      {"rill.target", text(model.target)},
      {"rill.loss", text(model.loss)}};
  if (model.target_scale)
    metadata["rill.target_scale"] = text(config::TargetScaleConfig{*model.target_scale});
  // Nothing is written beyond the limits of reading.
  for (const auto& [key, value] : metadata) {
    const std::string where = "save_model: " + key;
    if (key == "rill.model") {
      config::parse_model_config(value, where);
    } else {
      config::parse_json(value, where);
    }
  }
  return metadata;
}

std::string model_schema() {
  config::OrderedJson definitions = config::OrderedJson::object();
  config::OrderedJson schema{{"$schema", "http://json-schema.org/draft-07/schema#"},
                             {"title", "rill model"},
                             {"description", "A model in rill's JSON format"}};
  schema.update(config::Schema(definitions).object(config::ModelConfig()));
  schema["definitions"] = std::move(definitions);
  return schema.dump(2) + "\n";
}

}  // namespace rill::nn
