#include <cmath>
#include <limits>

#include <rill/core/ops/linear.hpp>
#include <rill/nn/layers.hpp>

namespace rill::nn {
namespace {

Shape weight_shape(std::int64_t in, std::int64_t out, DType dtype) {
  RILL_CHECK(is_floating(dtype), "Dense: dtype is ", dtype, ", expected f32 or f64");
  RILL_CHECK(in >= 1 && out >= 1, "Dense: in is ", in, " and out is ", out, ", expected 1 or more");
  return {out, in};
}

void run_init(const char* option, const char* place, const Init& init, Generator& generator, Tensor& value) {
  const Shape shape = value.shape();
  const DType dtype = value.dtype();
  init(value, generator);
  RILL_CHECK(value.defined() && value.shape() == shape && value.dtype() == dtype && value.is_leaf(),
             "Dense: ", option, " has put another tensor in the ", place,
             "'s place, expected it to fill the ", dtype, " ", shape, " that it was given");
  value.requires_grad_();
}

}  // namespace

Dense::Dense(std::int64_t in, std::int64_t out, Generator& generator, const DenseOptions& options)
    : weight(empty(weight_shape(in, out, options.dtype), options.dtype)),
      init_(options.init),
      bias_init_(options.bias_init) {
  RILL_CHECK(options.init, "Dense: init is empty, expected an initialiser");
  RILL_CHECK(!options.bias || options.bias_init, "Dense: bias_init is empty, expected an initialiser");
  run_init("init", "weight", options.init, generator, weight);
  if (options.bias) {
    bias = empty({out}, options.dtype);
    run_init("bias_init", "bias", options.bias_init, generator, bias);
  }
  if (!options.activation) return;
  // One set of options makes many layers, and each is to learn a slope of its own.
  activation = clone(options.activation);
  activation.to(options.dtype);
}

Tensor Dense::forward(const Tensor& x) {
  Tensor y = linear(x, weight, bias);
  return activation ? activation(y) : y;
}

void Dense::visit(Visitor& visitor) {
  visitor.parameter("weight", weight);
  if (bias.defined()) visitor.parameter("bias", bias);
  if (activation) visitor.child("activation", activation);
}

Tensor Flatten::forward(const Tensor& x) {
  RILL_CHECK(x.dim() >= 1, "Flatten: x is a scalar, expected [n, ...]");
  if (x.dim() == 2) return x;
  std::int64_t features = 1;
  for (int i = 1; i < x.dim(); ++i) features *= x.shape()[i];
  return x.reshape(Shape{x.shape()[0], features});
}

Rescaling::Rescaling(double scale, double offset) : scale_(scale), offset_(offset) {
  constexpr double most = std::numeric_limits<float>::max();  // as in configs
  RILL_CHECK(std::abs(scale) <= most && std::abs(offset) <= most, "Rescaling: scale is ", scale,
             " and offset is ", offset, ", expected numbers in the range of f32");
}

Tensor Rescaling::forward(const Tensor& x) { return x * scale_ + offset_; }

Sequential::Sequential(const Sequential& other) : Module(other) {
  for (const detail::Owned& part : other.parts_) {
    RILL_CHECK(part.copyable(), "Sequential: module ", parts_.size(), " (", part.get()->type(),
               ") cannot be copied, expected one with a copy constructor, added as what it is");
    parts_.push_back(part.copy());
  }
}

Sequential& Sequential::operator=(const Sequential& other) {
  Sequential copy(other);
  Module::operator=(other);
  parts_.swap(copy.parts_);
  return *this;
}

Sequential& Sequential::append(detail::Owned part) {
  RILL_CHECK(part, "Sequential: the module is null, expected one");
  parts_.push_back(std::move(part));
  return *this;
}

Sequential& Sequential::exchange(std::size_t index, detail::Owned part) {
  RILL_CHECK(part, "Sequential: the module is null, expected one");
  (*this)[index];  // refuses an index out of range
  parts_[index] = std::move(part);
  return *this;
}

Tensor Sequential::forward(const Tensor& x) {
  Tensor y = x;
  for (const detail::Owned& part : parts_) y = (*part.get())(y);
  return y;
}

void Sequential::visit(Visitor& visitor) {
  for (std::size_t i = 0; i < parts_.size(); ++i) visitor.child(std::to_string(i), *parts_[i].get());
}

Module& Sequential::operator[](std::size_t index) {
  RILL_CHECK(!parts_.empty(), "Sequential: there is no module ", index,
             ", expected a model with at least one");
  RILL_CHECK(index < parts_.size(), "Sequential: there is no module ", index, ", expected 0 to ",
             parts_.size() - 1);
  return *parts_[index].get();
}

}  // namespace rill::nn
