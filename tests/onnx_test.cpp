// ONNX files of networks: what stands in them, that ONNX's own checker and shape inference accept them, and refusals.
// `make trust-onnx` runs them in onnxruntime.
#include <doctest/doctest.h>

#include "skip.hpp"

#ifndef RILL_HAVE_ONNX

TEST_CASE("onnx: files of networks") {
  rill::test::skip("built without ONNX; ONNX=1 tools/setup.sh onnx installs what it needs");
}

#else

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include <onnx/checker.h>
#include <onnx/onnx_pb.h>
#include <onnx/shape_inference/implementation.h>

#include <rill/nn/onnx/export.hpp>
#include <rill/rill.hpp>

#include "onnx_networks.hpp"
#include "temp_dir.hpp"

using namespace rill;

namespace {

using Names = std::vector<std::string>;

onnx::ModelProto exported(nn::Module& network, const Shape& sample, const nn::OnnxOptions& options = {}) {
  const test::TempDir folder;
  nn::save_onnx(folder.file("network.onnx"), network, sample, options);
  onnx::ModelProto model;
  REQUIRE(model.ParseFromString(folder.read("network.onnx")));
  return model;
}

Names ops_of(const onnx::ModelProto& model) {
  Names names;
  for (const auto& node : model.graph().node()) names.push_back(node.op_type());
  return names;
}

Names initializers(const onnx::ModelProto& model) {
  Names names;
  for (const auto& each : model.graph().initializer()) names.push_back(each.name());
  return names;
}

template <class... Parts>
onnx::ModelProto chain(const Shape& sample, Parts... parts) {
  nn::Sequential network{std::move(parts)...};
  return exported(network, sample);
}

// "N 2 3" of an input or output.
std::string shape_of(const onnx::ValueInfoProto& info) {
  std::string text;
  for (const auto& size : info.type().tensor_type().shape().dim())
    text += (text.empty() ? "" : " ") +
            (size.has_dim_param() ? size.dim_param() : std::to_string(size.dim_value()));
  return text;
}

std::string shape_text(const Shape& sample) {
  std::string text = "N";
  for (const std::int64_t size : sample) text += " " + std::to_string(size);
  return text;
}

Shape without_batch(const Shape& shape) { return Shape(shape.sizes().subspan(1)); }

double only_attribute(const onnx::NodeProto& node) {
  REQUIRE(node.attribute_size() == 1);
  const auto& attribute = node.attribute(0);
  return attribute.type() == onnx::AttributeProto::INT ? static_cast<double>(attribute.i()) : attribute.f();
}

void write_numbers(const std::string& path, const Tensor& values) {
  std::ofstream out(path, std::ios::binary);
  const auto write = [&](auto numbers) {
    out.write(reinterpret_cast<const char*>(numbers.data()),
              static_cast<std::streamsize>(numbers.size_bytes()));
  };
  values.dtype() == DType::f32 ? write(values.data<float>()) : write(values.data<double>());
  REQUIRE(out.flush());
}

// ONNX's own opinion of every network.
void accepted(DType dtype) {
  for (const auto& each : test::onnx_networks(dtype)) {
    CAPTURE(each.name);
    onnx::ModelProto model = exported(*each.network, each.sample, {.preprocessing = each.preprocessing});
    CHECK_NOTHROW(onnx::checker::check_model(model));
    CHECK_NOTHROW(
        onnx::shape_inference::InferShapes(model, onnx::OpSchemaRegistry::Instance(), {true, 1, true}));
  }
}

struct Own final : nn::Module {
  Tensor forward(const Tensor& x) override { return x; }
};

struct OwnActivation final : nn::Activation {
  Tensor forward(const Tensor& x) override { return x; }
  std::string_view type() const override { return "wavy"; }
};

void refused(const std::string& text, nn::Module& network, const Shape& sample,
             const nn::OnnxOptions& options = {}) {
  const test::TempDir folder;
  folder.write("network.onnx", "the old one");
  CHECK_THROWS_WITH_AS(nn::save_onnx(folder.file("network.onnx"), network, sample, options), text.c_str(),
                       Error);
  CHECK(folder.read("network.onnx") == "the old one");
  CHECK(folder.names() == Names{"network.onnx"});
}

}  // namespace

TEST_CASE("onnx: every layer and whole networks pass ONNX's checker and its strict shape inference") {
  SUBCASE("f32") { accepted(DType::f32); }
  SUBCASE("f64") { accepted(DType::f64); }
}

TEST_CASE("onnx: the output's shape and type are those of the network's own output") {
  for (const DType dtype : {DType::f32, DType::f64}) {
    for (const auto& each : test::onnx_networks(dtype)) {
      CAPTURE(each.name);
      const onnx::ModelProto model = exported(*each.network, each.sample);
      const auto& input = model.graph().input(0);
      const auto& output = model.graph().output(0);
      const int type = dtype == DType::f64 ? onnx::TensorProto::DOUBLE : onnx::TensorProto::FLOAT;
      CHECK(shape_of(input) == shape_text(each.sample));
      CHECK(shape_of(output) ==
            shape_text(without_batch((*each.network)(onnx_batch(each, 2, dtype)).shape())));
      CHECK(output.type().tensor_type().elem_type() == input.type().tensor_type().elem_type());
      CHECK(output.type().tensor_type().elem_type() == type);
    }
  }
}

TEST_CASE("onnx: a file says IR version 8, opset 17, the producer, and a batch of any size") {
  const onnx::ModelProto model = chain({3}, nn::Tanh());
  CHECK(model.ir_version() == 8);
  REQUIRE(model.opset_import_size() == 1);
  CHECK(model.opset_import(0).domain().empty());
  CHECK(model.opset_import(0).version() == 17);
  CHECK(model.producer_name() == "rill");
  CHECK(model.producer_version() == RILL_VERSION_STRING);
  REQUIRE(model.graph().input_size() == 1);
  CHECK(model.graph().input(0).name() == "input");
  CHECK(shape_of(model.graph().input(0)) == "N 3");
  REQUIRE(model.graph().output_size() == 1);
  CHECK(model.graph().output(0).name() == "output");
}

TEST_CASE("onnx: producer, input and output have the names that were asked for") {
  nn::Tanh tanh;
  const onnx::ModelProto model =
      exported(tanh, {3}, {.producer = "me", .input = "pixels", .output = "digit"});
  CHECK(model.producer_name() == "me");
  CHECK(model.graph().node(0).input(0) == "pixels");
  CHECK(model.graph().node(0).output(0) == "digit");
}

TEST_CASE("onnx: a dense layer on rows is a Gemm over its own weight and bias, by name and bit by bit") {
  Generator generator(1);
  const nn::Dense dense(3, 4, generator, {.bias_init = nn::init::constant(0.25)});
  const onnx::ModelProto model = chain({3}, dense);
  CHECK(ops_of(model) == Names{"Gemm"});
  CHECK(only_attribute(model.graph().node(0)) == 1);
  CHECK(model.graph().node(0).attribute(0).name() == "transB");
  CHECK(initializers(model) == Names{"0.weight", "0.bias"});
  const auto& weight = model.graph().initializer(0);
  CHECK(std::vector<std::int64_t>(weight.dims().begin(), weight.dims().end()) ==
        std::vector<std::int64_t>{4, 3});
  REQUIRE(weight.raw_data().size() == 48);
  CHECK(std::memcmp(weight.raw_data().data(), dense.weight.data<float>().data(), 48) == 0);
}

TEST_CASE("onnx: a dense layer on more axes is a MatMul with the transposed weight, and an Add") {
  Generator generator(1);
  const nn::Dense dense(3, 2, generator);
  const onnx::ModelProto model = chain({5, 3}, dense);
  CHECK(ops_of(model) == Names{"MatMul", "Add"});
  CHECK(initializers(model) == Names{"0.weight.T", "0.bias"});
  const auto& weight = model.graph().initializer(0);
  CHECK(std::vector<std::int64_t>(weight.dims().begin(), weight.dims().end()) ==
        std::vector<std::int64_t>{3, 2});
  REQUIRE(weight.raw_data().size() == 24);
  float numbers[6];
  std::memcpy(numbers, weight.raw_data().data(), 24);
  for (std::int64_t row = 0; row < 2; ++row) {
    for (std::int64_t column = 0; column < 3; ++column)
      CHECK(numbers[column * 2 + row] == static_cast<float>(dense.weight.at({row, column})));
  }
}

TEST_CASE("onnx: a dense layer's activation follows it, at the place \"activation\"") {
  Generator generator(1);
  const onnx::ModelProto model = chain({3}, nn::Dense(3, 4, generator, {.activation = nn::PReLU()}));
  CHECK(ops_of(model) == Names{"Gemm", "PRelu"});
  CHECK(initializers(model) == Names{"0.weight", "0.bias", "0.activation.weight"});
  CHECK(model.graph().node(1).name() == "0.activation/PRelu");
}

TEST_CASE("onnx: layers are ONNX's op of that name, with their attribute") {
  const auto attribute = [](auto layer) { return only_attribute(chain({4}, layer).graph().node(0)); };
  CHECK(attribute(nn::LeakyReLU()) == doctest::Approx(0.3).epsilon(1e-7));
  CHECK(attribute(nn::ELU(0.7)) == doctest::Approx(0.7).epsilon(1e-7));
  CHECK(attribute(nn::CELU(0.5)) == 0.5);
  CHECK(attribute(nn::Softmax()) == 1);
  CHECK(attribute(nn::LogSoftmax(0)) == 0);
  CHECK(attribute(nn::BatchNorm1d(4, {.eps = 0.25})) == 0.25);
  const onnx::ModelProto model =
      chain({2, 3}, nn::ReLU(), nn::LeakyReLU(), nn::ELU(), nn::PReLU(), nn::SELU(), nn::CELU(),
            nn::Softplus(), nn::Tanh(), nn::Sigmoid(), nn::BatchNorm1d(2), nn::LayerNorm(3), nn::Flatten(),
            nn::Softmax(), nn::LogSoftmax());
  CHECK(ops_of(model) == Names{"Relu", "LeakyRelu", "Elu", "PRelu", "Selu", "Celu", "Softplus", "Tanh",
                               "Sigmoid", "BatchNormalization", "LayerNormalization", "Flatten", "Softmax",
                               "LogSoftmax"});
}

TEST_CASE("onnx: leaky_relu with slope 0 is Relu, which has no NaN at -inf") {
  CHECK(ops_of(chain({4}, nn::LeakyReLU(0))) == Names{"Relu"});
}

TEST_CASE("onnx: no attribute rounds an f64 network's numbers to f32") {
  for (const auto& each : test::onnx_networks(DType::f64)) {
    CAPTURE(each.name);
    const onnx::ModelProto model =
        exported(*each.network, each.sample, {.preprocessing = each.preprocessing});
    for (const auto& node : model.graph().node()) {
      for (const auto& attribute : node.attribute())
        CHECK((attribute.type() != onnx::AttributeProto::FLOAT || attribute.f() == 1));
    }
  }
}

TEST_CASE("onnx: dropout is left out") {
  Generator generator(1);
  CHECK(ops_of(chain({4}, nn::Tanh(), nn::Dropout(0.5, generator))) == Names{"Tanh"});
}

TEST_CASE("onnx: what computes nothing is one Identity") {
  CHECK(ops_of(chain({4}, nn::Flatten())) == Names{"Identity"});
}

TEST_CASE("onnx: layers that share a tensor share an initializer") {
  Generator generator(1);
  nn::Dense first(3, 3, generator), second(3, 3, generator);
  second.weight = first.weight;
  CHECK(initializers(chain({3}, first, nn::Tanh(), second)) == Names{"0.weight", "0.bias", "2.bias"});
  CHECK(initializers(chain({2, 3}, first, second)) == Names{"0.weight.T", "0.bias", "1.bias"});
}

TEST_CASE("onnx: preprocessing stands before the network") {
  nn::Tanh tanh;
  const nn::data::Transforms steps{
      std::make_shared<nn::data::Scale>(0.5),
      std::make_shared<nn::data::Standardize>(tensor({1, 2}, DType::f64), tensor({4, 8}, DType::f64))};
  const onnx::ModelProto model = exported(tanh, {2}, {.preprocessing = steps});
  CHECK(ops_of(model) == Names{"Mul", "Sub", "Mul", "Tanh"});
  CHECK(initializers(model) == Names{"constant/0.5", "preprocessing.1.mean", "preprocessing.1.inverse_std"});
  float inverse[2];
  REQUIRE(model.graph().initializer(2).raw_data().size() == 8);
  std::memcpy(inverse, model.graph().initializer(2).raw_data().data(), 8);
  CHECK(inverse[0] == 0.25F);
  CHECK(inverse[1] == 0.125F);
}

TEST_CASE("onnx: missing values are filled before the network") {
  nn::Tanh tanh;
  const onnx::ModelProto model =
      exported(tanh, {2},
               {.preprocessing = {std::make_shared<nn::data::Impute>(tensor({1, 2}, DType::f64)),
                                  std::make_shared<nn::data::Scale>(0.5)}});
  CHECK(ops_of(model) == Names{"IsNaN", "Where", "Mul", "Tanh"});
  CHECK(initializers(model) == Names{"preprocessing.0.values", "constant/0.5"});
  const auto& where = model.graph().node(1);
  CHECK(Names{where.input(0), where.input(1), where.input(2)} ==
        Names{"preprocessing.0/IsNaN", "preprocessing.0.values", "input"});
}

TEST_CASE("onnx: the network's mode, gradients and hooks are as before") {
  Generator generator(1);
  nn::Sequential network{nn::Dense(3, 3, generator), nn::BatchNorm1d(3)};
  int calls = 0;
  network.register_forward_hook([&](nn::Module&, const Tensor&, const Tensor&) {
    ++calls;
    return Tensor();
  });
  exported(network, {3});
  CHECK(network.training());
  CHECK(calls == 0);
  for (const auto& [name, value] : network.named_buffers()) {
    if (name == "1.num_batches_tracked") CHECK(value.item() == 0);
  }
}

TEST_CASE("onnx: modules that are none of nn's layers are refused by place and type") {
  Generator generator(1);
  Own own;
  refused("save_onnx: the network is a \"module\", expected one of nn's layers", own, {3});
  nn::Sequential nested{nn::Tanh(), nn::Sequential().add(nn::Tanh()).add(Own())};
  refused("save_onnx: module \"1.1\" is a \"module\", expected one of nn's layers", nested, {3});
  nn::Sequential held{nn::Dense(3, 3, generator, {.activation = OwnActivation()})};
  refused("save_onnx: module \"0.activation\" is a \"wavy\", expected one of nn's layers", held, {3});
}

TEST_CASE("onnx: shapes that do not fit are refused by place, type and shape") {
  Generator generator(1);
  nn::Sequential dense{nn::Tanh(), nn::Dense(3, 4, generator)};
  refused("save_onnx: module \"1\" (dense): x is [n, 2, 4], expected [n, ..., 3]", dense, {2, 4});
  refused("save_onnx: module \"1\" (dense): x is [n], expected [n, ..., 3]", dense, {});
  nn::BatchNorm1d batch(4);
  refused("save_onnx: the network (batch_norm): x is [n, 3], expected [n, 4] or [n, 4, length]", batch, {3});
  nn::LayerNorm layer(4);
  refused("save_onnx: the network (layer_norm): x is [n, 3], expected its last axes to be [4]", layer, {3});
  nn::PReLU prelu(4);
  refused("save_onnx: the network (prelu): x is [n, 3, 4], expected [n, 4, ...]", prelu, {3, 4});
  nn::Softmax softmax(2);
  refused("save_onnx: the network (softmax): x is [n, 3], expected one with axis 2", softmax, {3});
  refused("save_onnx: input_shape is [0], expected at most 7 sizes of 1 or more", prelu, {0});
  refused("save_onnx: input_shape is [1, 1, 1, 1, 1, 1, 1, 1], expected at most 7 sizes of 1 or more", prelu,
          {1, 1, 1, 1, 1, 1, 1, 1});
}

TEST_CASE("onnx: parameters of two dtypes are refused") {
  Generator generator(1);
  nn::Sequential rows{nn::Dense(3, 3, generator), nn::Dense(3, 3, generator, {.dtype = DType::f64})};
  const std::string text =
      "save_onnx: parameter \"1.weight\" is f64, expected f32, as the first one of the network; convert it "
      "with to()";
  refused(text, rows, {3});
  refused(text, rows, {2, 3});
}

TEST_CASE("onnx: preprocessing that ONNX has no nodes for here is refused") {
  nn::Flatten flatten;
  refused("save_onnx: preprocessing 0 is a \"shift\", expected scale, normalize, standardize or impute",
          flatten, {8, 8}, {.preprocessing = {std::make_shared<nn::data::Shift>(nn::data::ShiftOptions{})}});
  refused("transforms: transform 0 is null, expected a transform", flatten, {8},
          {.preprocessing = {nullptr}});
}

TEST_CASE("onnx: input and output need two different names") {
  nn::Tanh tanh;
  refused("save_onnx: input is \"x\" and output \"x\", expected two different names", tanh, {3},
          {.input = "x", .output = "x"});
  refused("save_onnx: input is \"\" and output \"output\", expected two different names", tanh, {3},
          {.input = ""});
}

TEST_CASE("onnx: a file above the limit is refused before its tensors are copied") {
  Generator generator(1);
  nn::Sequential network{nn::Dense(3, 4, generator)};
  refused(
      "save_onnx: \"0.bias\" makes it 64 bytes of parameters, expected a file of at most 63; save_weights() "
      "has "
      "no such limit",
      network, {3}, {.max_bytes = 63});
  const std::size_t size = exported(network, {3}).ByteSizeLong();
  refused("save_onnx: the file takes " + std::to_string(size) + " bytes, expected at most " +
              std::to_string(size - 1) + "; save_weights() has no such limit",
          network, {3}, {.max_bytes = size - 1});
  CHECK(exported(network, {3}, {.max_bytes = size}).ByteSizeLong() == size);
}

// For tools/trust/onnxruntime.sh: each network as a file, and with numbers that another runtime has to find.
TEST_CASE("onnx: writes networks and what goes in and comes out of them" * doctest::skip()) {
  const char* variable = std::getenv("RILL_ONNX_FOLDER");
  REQUIRE(variable);
  const std::string folder = variable + std::string("/");
  std::ofstream list(folder + "networks.txt");
  for (const DType dtype : {DType::f32, DType::f64}) {
    for (const auto& each : test::onnx_networks(dtype)) {
      const std::string name = each.name + "_" + std::string(name_of(dtype));
      // rill's own preprocessing is f32.
      const auto preprocessing = dtype == DType::f32 ? each.preprocessing : nn::data::Transforms();
      nn::save_onnx(folder + name + ".onnx", *each.network, each.sample, {.preprocessing = preprocessing});
      const Tensor raw = test::onnx_batch(each, 5, DType::f32);
      Tensor x = raw.clone();
      nn::data::apply_transforms(preprocessing, x);
      write_numbers(folder + name + ".input", raw.to(dtype));
      write_numbers(folder + name + ".output", (*each.network)(x.to(dtype)));
      list << name << ' ' << dtype;
      for (const std::int64_t size : raw.shape()) list << ' ' << size;
      list << '\n';
    }
  }
  REQUIRE(list.flush());
}

#endif
