// An ONNX graph under construction: a chain of values, each computed by a node from the one before and from constants.
//
// Invariants: every name in the graph is there once. A tensor is stored once, however many layers share it. All numbers
// are of one dtype. Sizes are counted before a tensor is copied.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include <onnx/onnx_pb.h>

#include <rill/nn/onnx/export.hpp>

namespace rill::nn::onnx_export {

struct Attribute {
  const char* name;
  std::variant<std::int64_t, double, std::vector<std::int64_t>> value;
};

class Graph {
 public:
  /// The chain starts with the graph's input, [N, sample...].
  Graph(::onnx::GraphProto& proto, DType dtype, const Shape& sample, const OnnxOptions& options);

  DType dtype() const { return dtype_; }
  /// The shape of the value at the chain's end, without the batch.
  const Shape& sample() const { return sample_; }
  void set_sample(const Shape& sample) { sample_ = sample; }
  /// "[n, 3]"
  std::string shape_text() const;

  /// The name of the value at the chain's end.
  const std::string& value() const { return value_; }
  /// Where the network is being read: "2.activation", or "" for the network itself.
  const std::string& place() const { return place_; }
  /// `module "2.activation"`, or `the network`.
  std::string place_text() const;

  /// Adds a node that reads `inputs`; its output, which is the chain's new end.
  const std::string& add(const char* op, const std::vector<std::string>& inputs,
                         const std::vector<Attribute>& attributes = {});

  /// The name of a scalar.
  std::string scalar(double number);
  /// The name of an initializer with numbers of its own, as the current place's `name`.
  std::string numbers(const char* name, const Shape& shape, const std::vector<double>& values);
  /// The name of the current place's tensor `name`, as what has another shape, or with two axes exchanged. Throws Error
  /// if it has another dtype than the graph.
  std::string tensor(const char* name, const Tensor& tensor) {
    return this->tensor(name, tensor, tensor.shape());
  }
  std::string tensor(const char* name, const Tensor& tensor, const Shape& shape);
  std::string transposed(const char* name, const Tensor& matrix);

  /// Names the chain's end as the graph's output.
  void finish();

 private:
  friend class Place;
  std::string unique(const std::string& wanted);
  std::string path_to(const char* name) const { return place_.empty() ? name : place_ + "." + name; }
  ::onnx::TensorProto& initializer(const std::string& name, const Shape& shape);
  void describe(::onnx::ValueInfoProto& info, const std::string& name) const;

  ::onnx::GraphProto& proto_;
  DType dtype_;
  Shape sample_;
  const OnnxOptions& options_;
  std::string value_, place_;
  std::size_t bytes_ = 0;
  std::set<std::string> names_;
  std::map<std::uint64_t, std::string> scalars_;  // by their bits
  std::map<std::tuple<const void*, bool, std::string>, std::string>
      tensors_;  // by block, exchanged or not, and shape
};

/// While it lives, the graph's place is one below.
class [[nodiscard]] Place {
 public:
  Place(Graph& graph, const std::string& name) : graph_(graph), before_(graph.place_) {
    graph.place_ = before_.empty() ? name : before_ + "." + name;
  }
  ~Place() { graph_.place_ = before_; }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

 private:
  Graph& graph_;
  std::string before_;
};

/// Appends what a module computes. Throws Error for one that is none of nn's layers, and for shapes that do not fit.
void append(Graph& graph, Module& module);

}  // namespace rill::nn::onnx_export
