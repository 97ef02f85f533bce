// The layers, and LayerList, the one list of them, which the tests iterate over.
#pragma once

#include <concepts>
#include <memory>
#include <tuple>

#include <rill/nn/init.hpp>
#include <rill/nn/module.hpp>

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

/// max(0, x), elementwise.
class ReLU final : public Activation {
 public:
  static constexpr std::string_view type_name = "relu";
  Tensor forward(const Tensor& x) override { return x.relu(); }
  bool blocks_gradient() const override { return true; }
  std::string_view type() const override { return type_name; }
};

/// x where x > 0, else negative_slope · x. The default 0.3 is that of tf.keras.layers.LeakyReLU; the function
/// leaky_relu() has PyTorch's 0.01.
class LeakyReLU final : public Activation {
 public:
  static constexpr std::string_view type_name = "leaky_relu";
  /// Throws Error for a negative, NaN or infinite slope.
  explicit LeakyReLU(double negative_slope = 0.3);
  Tensor forward(const Tensor& x) override { return x.leaky_relu(negative_slope_); }
  std::string_view type() const override { return type_name; }
  bool blocks_gradient() const override { return negative_slope_ == 0; }
  double negative_slope() const { return negative_slope_; }

 private:
  double negative_slope_;
};

/// x where x > 0, else alpha · (exp(x) - 1).
class ELU final : public Activation {
 public:
  static constexpr std::string_view type_name = "elu";
  /// Throws Error for a negative, NaN or infinite alpha.
  explicit ELU(double alpha = 1.0);
  Tensor forward(const Tensor& x) override { return x.elu(alpha_); }
  std::string_view type() const override { return type_name; }
  bool blocks_gradient() const override { return alpha_ == 0; }
  double alpha() const { return alpha_; }

 private:
  double alpha_;
};

/// x where x > 0, else weight · x; parameter weight [1], or [channels] for x [n, channels, ...]. Optimizers that are
/// given the module do not decay it (He et al., arXiv 1502.01852).
class PReLU final : public Activation {
 public:
  static constexpr std::string_view type_name = "prelu";
  /// Throws Error unless there is at least one parameter and the initial slope is finite.
  explicit PReLU(std::int64_t num_parameters = 1, double initial_slope = 0.25, DType dtype = DType::f32);
  Tensor forward(const Tensor& x) override { return x.prelu(weight); }
  void visit(Visitor& visitor) override { visitor.parameter("weight", weight); }
  std::string_view type() const override { return type_name; }

  Tensor weight;
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
/// the last, so that all compilers draw the same weights from one generator. In parentheses the order is open.
class Sequential final : public Module {
 public:
  static constexpr std::string_view type_name = "sequential";
  Sequential() = default;
  Sequential(const Sequential& other);
  Sequential(Sequential&&) = default;
  Sequential& operator=(Sequential other) noexcept;
  template <class... Modules>
  requires(sizeof...(Modules) > 0 && (std::derived_from<Modules, Module> && ...) &&
           !(sizeof...(Modules) == 1 &&
             (std::same_as<Modules, Sequential> && ...))) explicit Sequential(Modules... modules) {
    parts_.reserve(sizeof...(Modules));
    (add(std::move(modules)), ...);
  }

  /// Appends a module. A Sequential can be copied if all its modules can.
  template <std::derived_from<Module> M>
  Sequential& add(M module) {
    return add(std::make_unique<M>(std::move(module)));
  }
  template <std::derived_from<Module> M>
  Sequential& add(std::unique_ptr<M> module) {
    Copy copy = nullptr;
    if constexpr (std::copy_constructible<M>) {
      copy = [](const Module& part) -> std::unique_ptr<Module> {
        return std::make_unique<M>(static_cast<const M&>(part));
      };
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

using LayerList = std::tuple<Dense, ReLU, LeakyReLU, ELU, PReLU, Flatten, Sequential>;

}  // namespace rill::nn
