// Module: a part of a model. A module says in visit() what it holds; parameters, names, counts, saved files and
// copies all follow from that.
//
//   struct Block : nn::Module {
//     nn::Dense dense;
//     Tensor scale;
//     Tensor forward(const Tensor& x) override { return dense(x).leaky_relu(0.1) * scale; }
//     void visit(nn::Visitor& visitor) override {
//       visitor.child("dense", dense);
//       visitor.parameter("scale", scale);
//     }
//   };
//
// Several threads may run forward() of one module at the same time under NoGrad; training belongs to one thread.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <rill/core/create.hpp>

namespace rill::nn {

class Module;

/// What Module::visit() tells of: the module's own tensors and its children, in the order of the file formats.
class Visitor {
 public:
  virtual ~Visitor() = default;
  virtual void parameter(std::string_view, Tensor&) {}
  virtual void child(std::string_view, Module&) {}
};

struct NamedTensor {
  std::string name;
  Tensor value;
};

class Module {
 public:
  virtual ~Module() = default;

  virtual Tensor forward(const Tensor& x) = 0;
  Tensor operator()(const Tensor& x) { return forward(x); }

  /// Calls the visitor for every parameter and child; the default says that there are none.
  virtual void visit(Visitor&) {}

  /// The name of this kind of module in configs and summaries.
  virtual std::string_view type() const { return "module"; }

  /// Every parameter once, named by its path as in PyTorch: "0.weight", "0.bias".
  std::vector<NamedTensor> named_parameters();
  std::vector<Tensor> parameters();
  std::int64_t parameter_count();

  /// Clears the gradient of every parameter.
  void zero_grad();

 protected:
  Module() = default;
  // A copy would share its parameters with the original.
  Module(Module&&) = default;
  Module& operator=(Module&&) = default;
};

/// A module that cuts or bends what passes through it, unit by unit.
class Activation : public Module {
 public:
  /// Whether the gradient is 0 wherever the input is not positive, so that a unit which is never on is dead.
  virtual bool blocks_gradient() const { return false; }
};

/// Writes every parameter to a safetensors file under its name; the file is replaced in one step or not at all.
/// Throws Error if it cannot be written.
void save_weights(Module& model, const std::string& path);

/// Reads every parameter from a safetensors file. Throws Error, and changes nothing, if the file is no valid
/// safetensors file, or if names, shapes or dtypes are not the model's.
void load_weights(Module& model, const std::string& path);

}  // namespace rill::nn
