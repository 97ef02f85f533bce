// Module: a part of a model. A module says in visit() what it holds; parameters, names, counts, modes, saved files and
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
// Call a module as model(x): that runs its hooks and tells observers whose ops they see; forward() alone does not.
// Copying a module shares its parameters, as copying a Tensor does, and leaves its hooks behind; nn::clone() makes an
// independent one. Several threads may run one module in evaluation mode at the same time under NoGrad; training and
// hooks belong to one thread.
#pragma once

#include <concepts>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <rill/core/create.hpp>

namespace rill::nn {

class AnyActivation;
class Module;

/// What Module::visit() tells of: the module's own tensors and its children, in the order of the file formats.
class Visitor {
 public:
  virtual ~Visitor() = default;
  /// A tensor that is trained.
  virtual void parameter(std::string_view, Tensor&) {}
  /// A tensor that is saved but not trained, such as a running mean.
  virtual void buffer(std::string_view, Tensor&) {}
  /// A number from which a resumed run has to go on, such as the position in a random stream; not part of the weights.
  virtual void counter(std::string_view, std::uint64_t&) {}
  virtual void child(std::string_view, Module&) {}
};

struct NamedTensor {
  std::string name;
  Tensor value;
};

struct NamedModule {
  std::string name;
  Module* module;
};

/// Called with the module, its input and its output; a defined tensor that it returns takes the output's place.
using ForwardHook = std::function<Tensor(Module& module, const Tensor& x, const Tensor& y)>;

namespace detail {
struct ForwardHooks;
}

/// A forward hook that was registered on a module; remove() takes it off again. Dropping the handle keeps the hook.
class ForwardHookHandle {
 public:
  ForwardHookHandle() = default;
  void remove();

 private:
  friend class Module;
  std::weak_ptr<detail::ForwardHooks> hooks_;
  std::weak_ptr<const void> entry_;
};

class Module {
 public:
  virtual ~Module() = default;

  /// forward(x) and the hooks.
  Tensor operator()(const Tensor& x);
  virtual Tensor forward(const Tensor& x) = 0;

  /// Calls the visitor for every parameter, buffer, counter and child; the default says that there are none.
  virtual void visit(Visitor&) {}

  /// The name of this kind of module in configs and summaries.
  virtual std::string_view type() const { return "module"; }

  /// Every parameter once, named by its path as in PyTorch: "0.weight", "0.bias". Of tied ones, the first name. Throws
  /// Error if two different tensors have one name, or one is undefined.
  std::vector<NamedTensor> named_parameters();
  std::vector<NamedTensor> named_buffers();
  /// Parameters and buffers in one list, in the order of visit().
  std::vector<NamedTensor> named_state();
  std::vector<Tensor> parameters();
  /// Elements of all parameters; tied ones count once.
  std::int64_t parameter_count();
  /// This module, with the empty name, and all below it, each once and before its children.
  std::vector<NamedModule> named_modules();

  /// Clears the gradient of every parameter.
  void zero_grad();
  /// Freezes every parameter, or thaws it: a frozen one loses its gradient and gets none, so optimizers leave it alone.
  void requires_grad_(bool required = true);
  /// Converts parameters and floating buffers. What has another dtype becomes another tensor, without a gradient: build
  /// optimizers afterwards. Throws Error for i64.
  void to(DType dtype);

  /// Training mode or evaluation mode, of this module and all below it. New modules are in training mode.
  void train(bool training = true);
  void eval() { train(false); }
  bool training() const { return training_; }

  /// Throws Error if the hook is empty.
  ForwardHookHandle register_forward_hook(ForwardHook hook);

 protected:
  Module() = default;
  Module(const Module& other) : training_(other.training_) {}
  Module(Module&&) = default;
  Module& operator=(const Module& other);
  Module& operator=(Module&&) = default;

 private:
  friend class AnyActivation;
  friend class ModeGuard;
  /// Of this module alone. Who holds a module that visit() does not tell of hands the mode on.
  virtual void set_training(bool training) { training_ = training; }

  bool training_ = true;
  std::shared_ptr<detail::ForwardHooks> hooks_;
};

/// A module that cuts or bends what passes through it, unit by unit.
class Activation : public Module {};

/// While it lives, a model and all below it are in one mode; then each module is back in its own. The model must live and
/// not move meanwhile.
class [[nodiscard]] ModeGuard {
 public:
  ModeGuard(Module& model, bool training);
  ~ModeGuard();
  ModeGuard(const ModeGuard&) = delete;
  ModeGuard& operator=(const ModeGuard&) = delete;

 private:
  std::vector<std::pair<Module*, bool>> modes_;
};

/// The same for evaluation mode.
class [[nodiscard]] EvalMode : public ModeGuard {
 public:
  explicit EvalMode(Module& model) : ModeGuard(model, false) {}
};

namespace detail {
/// Gives the copy of a model tensors of its own, with the same values; what was tied stays tied. Throws Error, and changes
/// nothing, if both hold the same module.
void own_tensors(const Module& model, Module& copy);
}  // namespace detail

/// An independent copy: parameters and buffers have blocks of their own, ties are kept, gradients and hooks are not.
/// Throws Error for a model that C++ does not copy whole: one that holds a module by shared_ptr.
template <std::derived_from<Module> M>
M clone(const M& model) {
  M copy(model);
  detail::own_tensors(model, copy);
  return copy;
}

/// Copies the values of parameters and buffers from one model into another with the same names, shapes and dtypes. A
/// tied tensor counts under each of its names.
/// Throws Error, and changes nothing, if they differ.
void copy_state(Module& from, Module& to);

/// Writes every parameter and buffer to a safetensors file under its name, a tied one under each of its names, as
/// PyTorch's state_dict() has them, and a checksum; the file is replaced in one step or not at all. Throws Error if it
/// cannot be written.
void save_weights(Module& model, const std::string& path);

/// Reads every parameter and buffer from a safetensors file. Throws Error, and changes nothing, if the file is no valid
/// safetensors file, if names, shapes or dtypes are not the model's, or if it has two values for a tied tensor. Of a
/// tied tensor's names one is enough. Of a checkpoint of fit() the weights and buffers are read, and the rest left alone.
void load_weights(Module& model, const std::string& path);

}  // namespace rill::nn
