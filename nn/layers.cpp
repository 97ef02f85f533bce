#include <rill/core/ops/linear.hpp>
#include <rill/nn/layers.hpp>

namespace rill::nn {
namespace {

Shape weight_shape(std::int64_t in, std::int64_t out, DType dtype) {
  RILL_CHECK(is_floating(dtype), "Dense: dtype is ", dtype, ", expected f32 or f64");
  RILL_CHECK(in >= 1 && out >= 1, "Dense: in is ", in, " and out is ", out, ", expected 1 or more");
  return {out, in};
}

}  // namespace

Dense::Dense(std::int64_t in, std::int64_t out, Generator& generator, const DenseOptions& options)
    : weight(empty(weight_shape(in, out, options.dtype), options.dtype)) {
  RILL_CHECK(options.init, "Dense: init is empty, expected an initialiser");
  options.init(weight, generator);
  RILL_CHECK(weight.defined() && weight.shape() == Shape({out, in}) && weight.dtype() == options.dtype &&
                 weight.is_leaf(),
             "Dense: init has put another tensor in the weight's place, expected it to fill the ",
             options.dtype, " [", out, ", ", in, "] that it was given");
  weight.requires_grad_();
  if (options.bias) bias = zeros({out}, options.dtype).requires_grad_();
}

Tensor Dense::forward(const Tensor& x) { return linear(x, weight, bias); }

void Dense::visit(Visitor& visitor) {
  visitor.parameter("weight", weight);
  if (bias.defined()) visitor.parameter("bias", bias);
}

Tensor Flatten::forward(const Tensor& x) {
  RILL_CHECK(x.dim() >= 1, "Flatten: x is a scalar, expected [n, ...]");
  if (x.dim() == 2) return x;
  std::int64_t features = 1;
  for (int i = 1; i < x.dim(); ++i) features *= x.shape()[i];
  return x.reshape(Shape{x.shape()[0], features});
}

Sequential::Sequential(const Sequential& other) : Module(other) {
  for (const Part& part : other.parts_) {
    RILL_CHECK(part.copy, "Sequential: module ", parts_.size(), " (", part.module->type(),
               ") cannot be copied, expected one with a copy constructor, added as what it is");
    parts_.push_back({part.copy(*part.module), part.copy});
  }
}

Sequential& Sequential::operator=(const Sequential& other) {
  Sequential copy(other);
  Module::operator=(other);
  parts_.swap(copy.parts_);
  return *this;
}

Sequential& Sequential::append(std::unique_ptr<Module> module, Copy copy) {
  RILL_CHECK(module, "Sequential: the module is null, expected one");
  parts_.push_back({std::move(module), copy});
  return *this;
}

Tensor Sequential::forward(const Tensor& x) {
  Tensor y = x;
  for (const Part& part : parts_) y = (*part.module)(y);
  return y;
}

void Sequential::visit(Visitor& visitor) {
  for (std::size_t i = 0; i < parts_.size(); ++i) visitor.child(std::to_string(i), *parts_[i].module);
}

Module& Sequential::operator[](std::size_t index) {
  RILL_CHECK(!parts_.empty(), "Sequential: there is no module ", index,
             ", expected a model with at least one");
  RILL_CHECK(index < parts_.size(), "Sequential: there is no module ", index, ", expected 0 to ",
             parts_.size() - 1);
  return *parts_[index].module;
}

}  // namespace rill::nn
