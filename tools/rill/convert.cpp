// rill convert: a model in another format.
#include <fmt/format.h>

#include <rill/nn/config/model_config.hpp>
#include <rill/tools/rill/commands.hpp>
#include <rill/tools/rill/files.hpp>
#include <rill/tools/rill/model_file.hpp>
#include <rill/tools/rill/output.hpp>
#ifdef RILL_HAVE_ONNX
#include <rill/nn/onnx/export.hpp>
#endif

namespace rill::command {
namespace {

struct ConvertOptions {
  ModelFile model;
  std::string out, to = "auto";
};

std::string format_of(const ConvertOptions& options) {
  if (options.to != "auto") return options.to;
  for (const char* format : {"safetensors", "json", "onnx"}) {
    if (options.out.ends_with(std::string(".") + format)) return format;
  }
  throw UsageError(options.out +
                   ": the name does not tell the format, expected .json, .safetensors or .onnx, or --to");
}

void save_as_onnx([[maybe_unused]] nn::Model& model, const std::string& path) {
#ifdef RILL_HAVE_ONNX
  nn::save_onnx(path, model.network, model.input_shape, {.preprocessing = model.preprocessing});
#else
  rill::detail::fail(
      path +
      ": this rill was built without ONNX, expected one with it; install libonnx-dev, libprotobuf-dev "
      "and protobuf-compiler, and build rill anew");
#endif
}

void write_config(nn::Model& model, const std::string& path) {
  if (!model.preprocessing.empty() || !model.classes.empty())
    note("a config holds neither values, nor preprocessing, nor class names");
  if (path == "-") {
    out(nn::config::to_json(nn::config::config_of(model.network, model.input_shape)));
  } else {
    nn::save_config(model, path);
  }
}

int convert(const ConvertOptions& options) {
  const std::string format = format_of(options);
  const bool config_alone = format == "json", to_output = options.out == "-";
  if (to_output && !config_alone)
    throw UsageError("OUT is -, standard output, which is for json alone, expected a file for " + format);
  refuse_overwriting("OUT", options.out, {options.model.path, options.model.weights});
  nn::Model model = config_alone ? options.model.open() : options.model.open_trained();
  if (config_alone) {
    write_config(model, options.out);
  } else if (format == "safetensors") {
    nn::save_model(model, options.out);
  } else {
    save_as_onnx(model, options.out);
  }
  if (!to_output) out(fmt::format("{}: {}, {}\n", options.out, format, describe(model)));
  return done;
}

}  // namespace

void add_convert(Program& program) {
  auto options = std::make_shared<ConvertOptions>();
  CLI::App* app = program.add(
      {.name = "convert",
       .summary = "Write a model as safetensors, as ONNX, or as a JSON config",
       .text = "Reads a model of any kind that rill knows, Keras' and TensorFlow.js' too, and writes it as\n"
               ".safetensors: a saved model that stands alone, with PyTorch's names and layouts;\n"
               ".onnx: for other runtimes, opset 17, preprocessing included;\n"
               ".json: rill's own config, every default written out, without the values.",
       .examples = {{"rill convert keras/model.json model.safetensors", "a TensorFlow.js model as rill's"},
                    {"rill convert model.safetensors model.onnx", "a trained model for onnxruntime"}},
       .reads = "MODEL",
       .writes = "OUT, replaced in one step or not at all"});
  options->model.add_to(*app);
  app->add_option("OUT", options->out,
                  "the file to write; its name tells the format;\n- is standard output, for --to json")
      ->required()
      ->type_name("FILE");
  choice(app->add_option("--to", options->to, "the format, whatever the name"),
         {"auto", "safetensors", "onnx", "json"})
      ->capture_default_str();
  program.does([options] { return convert(*options); });
}

}  // namespace rill::command
