#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <rill/core/error.hpp>
#include <rill/core/io/file.hpp>
#include <rill/core/version.hpp>
#include <rill/nn/onnx/graph.hpp>

namespace rill::nn {
namespace {

constexpr int ir_version = 8, opset = 17;

// Protobuf's stream over a file that is being written. What is thrown passes through protobuf.
class WriterStream final : public google::protobuf::io::CopyingOutputStream {
 public:
  explicit WriterStream(io::Writer& writer) : writer_(writer) {}
  bool Write(const void* data, int size) override {
    writer_.write({static_cast<const std::byte*>(data), static_cast<std::size_t>(size)});
    return true;
  }

 private:
  io::Writer& writer_;
};

DType dtype_of_first(Module& network) {
  for (const NamedTensor& own : network.named_state()) {
    if (is_floating(own.value.dtype())) return own.value.dtype();
  }
  return DType::f32;
}

void check_options(const Shape& input_shape, const OnnxOptions& options) {
  RILL_CHECK(input_shape.numel() >= 1 && input_shape.rank() < Shape::max_rank, "save_onnx: input_shape is ",
             input_shape, ", expected at most ", Shape::max_rank - 1, " sizes of 1 or more");
  RILL_CHECK(!options.input.empty() && !options.output.empty() && options.input != options.output,
             "save_onnx: input is \"", options.input, "\" and output \"", options.output,
             "\", expected two different names");
  data::check_transforms(options.preprocessing, input_shape);
}

void append_standardize(onnx_export::Graph& graph, const data::Standardize& standardize) {
  const std::span<const double> means = standardize.mean(), stds = standardize.std();
  const Shape shape = means.size() == 1 ? Shape{1} : graph.sample();
  std::vector<double> inverse;
  for (const double std : stds) inverse.push_back(1 / std);
  graph.add("Sub", {graph.value(), graph.numbers("mean", shape, {means.begin(), means.end()})});
  graph.add("Mul", {graph.value(), graph.numbers("inverse_std", shape, inverse)});
}

void append_impute(onnx_export::Graph& graph, const data::Impute& impute) {
  const std::span<const double> values = impute.values();
  const Shape shape = values.size() == 1 ? Shape{1} : graph.sample();
  const std::string x = graph.value();
  const std::string missing = graph.add("IsNaN", {x});
  graph.add("Where", {missing, graph.numbers("values", shape, {values.begin(), values.end()}), x});
}

void append_preprocessing(onnx_export::Graph& graph, const data::Transforms& transforms) {
  for (std::size_t i = 0; i < transforms.size(); ++i) {
    const onnx_export::Place place(graph, "preprocessing." + std::to_string(i));
    if (const auto* scale = dynamic_cast<const data::Scale*>(transforms[i].get())) {
      graph.add("Mul", {graph.value(), graph.scalar(scale->factor())});
    } else if (const auto* normalize = dynamic_cast<const data::Normalize*>(transforms[i].get())) {
      const data::detail::PixelScale pixels("save_onnx", normalize->options());
      graph.add("Sub", {graph.value(), graph.scalar(pixels.offset)});
      graph.add("Div", {graph.value(), graph.scalar(pixels.divisor)});
    } else if (const auto* impute = dynamic_cast<const data::Impute*>(transforms[i].get())) {
      append_impute(graph, *impute);
    } else {
      const auto* standardize = dynamic_cast<const data::Standardize*>(transforms[i].get());
      RILL_CHECK(standardize, "save_onnx: preprocessing ", i, " is a \"", transforms[i]->type(),
                 "\", expected scale, normalize, standardize or impute");
      append_standardize(graph, *standardize);
    }
  }
}

}  // namespace

void save_onnx(const std::string& path, Module& network, const Shape& input_shape,
               const OnnxOptions& options) {
  check_options(input_shape, options);
  ::onnx::ModelProto model;
  model.set_ir_version(ir_version);
  model.set_producer_name(options.producer);
  model.set_producer_version(RILL_VERSION_STRING);
  ::onnx::OperatorSetIdProto& operators = *model.add_opset_import();
  operators.set_domain("");
  operators.set_version(opset);
  model.mutable_graph()->set_name("network");
  onnx_export::Graph graph(*model.mutable_graph(), dtype_of_first(network), input_shape, options);
  append_preprocessing(graph, options.preprocessing);
  onnx_export::append(graph, network);
  graph.finish();

  RILL_CHECK(model.ByteSizeLong() <= options.max_bytes, "save_onnx: the file takes ", model.ByteSizeLong(),
             " bytes, expected at most ", options.max_bytes, "; save_weights() has no such limit");
  io::write_file_atomically(path, [&](io::Writer& writer) {
    WriterStream stream(writer);
    google::protobuf::io::CopyingOutputStreamAdaptor adaptor(&stream);
    const bool written = model.SerializeToZeroCopyStream(&adaptor) && adaptor.Flush();
    RILL_CHECK(written, "save_onnx: protobuf cannot write ", path, ", expected a model that it can");
  });
}

}  // namespace rill::nn
