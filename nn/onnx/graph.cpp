#include <bit>
#include <cstring>

#include <rill/core/error.hpp>
#include <rill/nn/onnx/graph.hpp>

namespace rill::nn::onnx_export {
namespace {

static_assert(std::endian::native == std::endian::little, "ONNX' raw data is little-endian");

// The bytes of a row-major tensor.
std::string_view bytes_of(const Tensor& tensor) {
  const void* data = tensor.dtype() == DType::f32 ? static_cast<const void*>(tensor.data<float>().data())
                                                  : tensor.data<double>().data();
  return {static_cast<const char*>(data), static_cast<std::size_t>(tensor.numel()) * size_of(tensor.dtype())};
}

template <class T>
void write_numbers(const std::vector<double>& values, std::string& raw) {
  raw.resize(values.size() * sizeof(T));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const T number = static_cast<T>(values[i]);
    std::memcpy(raw.data() + i * sizeof(T), &number, sizeof(T));
  }
}

void set_value(::onnx::AttributeProto& proto, const Attribute& attribute) {
  proto.set_name(attribute.name);
  if (const auto* number = std::get_if<double>(&attribute.value)) {
    proto.set_type(::onnx::AttributeProto::FLOAT);
    proto.set_f(static_cast<float>(*number));
  } else if (const auto* integer = std::get_if<std::int64_t>(&attribute.value)) {
    proto.set_type(::onnx::AttributeProto::INT);
    proto.set_i(*integer);
  } else {
    proto.set_type(::onnx::AttributeProto::INTS);
    for (const std::int64_t each : std::get<std::vector<std::int64_t>>(attribute.value)) proto.add_ints(each);
  }
}

}  // namespace

Graph::Graph(::onnx::GraphProto& proto, DType dtype, const Shape& sample, const OnnxOptions& options)
    : proto_(proto), dtype_(dtype), sample_(sample), options_(options), value_(options.input) {
  names_ = {options.input, options.output};
  describe(*proto_.add_input(), value_);
}

std::string Graph::shape_text() const {
  std::string text = "[n";
  for (const std::int64_t size : sample_) text += ", " + std::to_string(size);
  return text + "]";
}

std::string Graph::place_text() const { return place_.empty() ? "the network" : "module \"" + place_ + "\""; }

const std::string& Graph::add(const char* op, const std::vector<std::string>& inputs,
                              const std::vector<Attribute>& attributes) {
  ::onnx::NodeProto& node = *proto_.add_node();
  node.set_op_type(op);
  node.set_name(unique(place_ + "/" + op));
  for (const std::string& input : inputs) node.add_input(input);
  for (const Attribute& attribute : attributes) set_value(*node.add_attribute(), attribute);
  node.add_output(node.name());
  return value_ = node.name();
}

std::string Graph::scalar(double number) {
  const auto [place, fresh] = scalars_.try_emplace(std::bit_cast<std::uint64_t>(number));
  if (fresh) {
    place->second = unique(rill::detail::concat("constant/", number));
    ::onnx::TensorProto& proto = initializer(place->second, {});
    dtype_ == DType::f32 ? write_numbers<float>({number}, *proto.mutable_raw_data())
                         : write_numbers<double>({number}, *proto.mutable_raw_data());
  }
  return place->second;
}

std::string Graph::numbers(const char* name, const Shape& shape, const std::vector<double>& values) {
  const std::string own = unique(path_to(name));
  ::onnx::TensorProto& proto = initializer(own, shape);
  dtype_ == DType::f32 ? write_numbers<float>(values, *proto.mutable_raw_data())
                       : write_numbers<double>(values, *proto.mutable_raw_data());
  return own;
}

std::string Graph::tensor(const char* name, const Tensor& tensor, const Shape& shape) {
  RILL_CHECK(tensor.dtype() == dtype_, "save_onnx: parameter \"", path_to(name), "\" is ", tensor.dtype(),
             ", expected ", dtype_, ", as the first one of the network; convert it with to()");
  std::string& own = tensors_[{bytes_of(tensor).data(), false, rill::detail::concat(shape)}];
  if (own.empty()) {
    own = unique(path_to(name));
    initializer(own, shape).set_raw_data(bytes_of(tensor).data(), bytes_of(tensor).size());
  }
  return own;
}

std::string Graph::transposed(const char* name, const Tensor& matrix) {
  const std::int64_t rows = matrix.shape()[0], columns = matrix.shape()[1];
  RILL_CHECK(matrix.dtype() == dtype_, "save_onnx: parameter \"", path_to(name), "\" is ", matrix.dtype(),
             ", expected ", dtype_, ", as the first one of the network; convert it with to()");
  const std::string_view from = bytes_of(matrix);
  std::string& own = tensors_[{from.data(), true, rill::detail::concat(matrix.shape())}];
  if (!own.empty()) return own;
  own = unique(path_to(name) + ".T");
  std::string& raw = *initializer(own, {columns, rows}).mutable_raw_data();
  raw.resize(from.size());
  const std::size_t size = size_of(dtype_);
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t column = 0; column < columns; ++column) {
      std::memcpy(raw.data() + static_cast<std::size_t>(column * rows + row) * size,
                  from.data() + static_cast<std::size_t>(row * columns + column) * size, size);
    }
  }
  return own;
}

void Graph::finish() {
  if (proto_.node_size() == 0) add("Identity", {value_});
  value_ = options_.output;
  proto_.mutable_node(proto_.node_size() - 1)->set_output(0, value_);
  describe(*proto_.add_output(), value_);
}

std::string Graph::unique(const std::string& wanted) {
  std::string name = wanted;
  for (int i = 1; !names_.insert(name).second; ++i) name = wanted + "_" + std::to_string(i);
  return name;
}

::onnx::TensorProto& Graph::initializer(const std::string& name, const Shape& shape) {
  bytes_ += static_cast<std::size_t>(shape.numel()) * size_of(dtype_);
  RILL_CHECK(bytes_ <= options_.max_bytes, "save_onnx: \"", name, "\" makes it ", bytes_,
             " bytes of parameters, expected a file of at most ", options_.max_bytes,
             "; save_weights() has no such limit");
  ::onnx::TensorProto& proto = *proto_.add_initializer();
  proto.set_name(name);
  proto.set_data_type(dtype_ == DType::f32 ? ::onnx::TensorProto::FLOAT : ::onnx::TensorProto::DOUBLE);
  for (const std::int64_t size : shape) proto.add_dims(size);
  return proto;
}

void Graph::describe(::onnx::ValueInfoProto& info, const std::string& name) const {
  info.set_name(name);
  ::onnx::TypeProto_Tensor& type = *info.mutable_type()->mutable_tensor_type();
  type.set_elem_type(dtype_ == DType::f32 ? ::onnx::TensorProto::FLOAT : ::onnx::TensorProto::DOUBLE);
  type.mutable_shape()->add_dim()->set_dim_param("N");
  for (const std::int64_t size : sample_) type.mutable_shape()->add_dim()->set_dim_value(size);
}

}  // namespace rill::nn::onnx_export
