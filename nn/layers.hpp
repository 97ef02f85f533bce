// Dense, Flatten, Sequential; and LayerList, the one list of all layers, which the tests iterate over. This header gives
// all of them.
#pragma once

#include <concepts>
#include <memory>
#include <tuple>
#include <typeinfo>

#include <rill/nn/activations.hpp>
#include <rill/nn/dropout.hpp>
#include <rill/nn/init.hpp>
#include <rill/nn/module.hpp>
#include <rill/nn/norm.hpp>

namespace rill::nn {

struct DenseOptions {
  bool bias = true;
  Init init = init::kaiming_normal();  ///< of the weight; the bias starts at 0
  DType dtype = DType::f32;
};

/// y = x weightᵀ + bias: x [..., in], y [..., out]; parameters weight [out, in] and bias [out] (PyTorch's Linear).
class Dense final : public Module {
 public:
  static constexpr std::string_view type_name = "dense";
  /// Throws Error unless both sizes are at least 1 and there is an initialiser.
  Dense(std::int64_t in, std::int64_t out, Generator& generator, const DenseOptions& options = {});
  Tensor forward(const Tensor& x) override;
  void visit(Visitor& visitor) override;
  std::string_view type() const override { return type_name; }

  Tensor weight;
  Tensor bias;  ///< undefined without a bias
};

/// x [n, ...] as [n, features]; shares the block.
class Flatten final : public Module {
 public:
  static constexpr std::string_view type_name = "flatten";
  /// Throws Error for a scalar.
  Tensor forward(const Tensor& x) override;
  std::string_view type() const override { return type_name; }
};

/// Modules one after the other, named "0", "1", … as in PyTorch. Owns them; a Sequential may hold another one.
///
/// Write `nn::Sequential model{nn::Dense(…, generator), …}` with braces: they make C++ build the layers from the first to
/// the last, so that all compilers draw the same weights from one generator. In parentheses the order is open. One
/// Sequential alone in the braces is copied, not nested: for that write `nn::Sequential().add(inner)`.
class Sequential final : public Module {
 public:
  static constexpr std::string_view type_name = "sequential";
  Sequential() = default;
  Sequential(const Sequential& other);
  Sequential(Sequential&&) = default;
  Sequential& operator=(const Sequential& other);
  Sequential& operator=(Sequential&&) = default;
  template <class... Modules>
  requires(sizeof...(Modules) > 0 && (std::derived_from<Modules, Module> && ...) &&
           !(sizeof...(Modules) == 1 &&
             (std::same_as<Modules, Sequential> && ...))) explicit Sequential(Modules... modules) {
    parts_.reserve(sizeof...(Modules));
    (add(std::move(modules)), ...);
  }

  /// Appends a module. A Sequential can be copied if all its modules can, and were added as what they are, not as a
  /// pointer to a base of theirs.
  template <std::derived_from<Module> M>
  Sequential& add(M module) {
    return add(std::make_unique<M>(std::move(module)));
  }
  template <std::derived_from<Module> M>
  Sequential& add(std::unique_ptr<M> module) {
    Copy copy = nullptr;
    if constexpr (std::copy_constructible<M>) {
      const Module* own = module.get();
      // What is of a derived type would be cut down to M.
      if (own && typeid(*own) == typeid(M)) {
        copy = [](const Module& part) -> std::unique_ptr<Module> {
          return std::make_unique<M>(static_cast<const M&>(part));
        };
      }
    }
    return append(std::move(module), copy);
  }

  Tensor forward(const Tensor& x) override;
  void visit(Visitor& visitor) override;
  std::string_view type() const override { return type_name; }

  std::size_t size() const { return parts_.size(); }
  /// Throws Error if there is no module `index`.
  Module& operator[](std::size_t index);

 private:
  using Copy = std::unique_ptr<Module> (*)(const Module&);
  struct Part {
    std::unique_ptr<Module> module;
    Copy copy;  // null where the module cannot be copied
  };
  Sequential& append(std::unique_ptr<Module> module, Copy copy);

  std::vector<Part> parts_;
};

using LayerList =
    std::tuple<Dense, ReLU, LeakyReLU, ELU, PReLU, GELU, SELU, CELU, SiLU, Softplus, Tanh, Sigmoid, Softmax,
               LogSoftmax, Dropout, BatchNorm1d, LayerNorm, Flatten, Sequential>;

}  // namespace rill::nn
