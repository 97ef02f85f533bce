// Dense, Flatten, Rescaling, Sequential; and LayerList, the one list of all layers, which the tests iterate over. This header gives
// all of them.
#pragma once

#include <concepts>
#include <memory>
#include <tuple>

#include <rill/nn/activations.hpp>
#include <rill/nn/dropout.hpp>
#include <rill/nn/init.hpp>
#include <rill/nn/module.hpp>
#include <rill/nn/norm.hpp>

namespace rill::nn {

struct DenseOptions {
  bool bias = true;
  Init init = init::kaiming_normal();  ///< of the weight
  Init bias_init = init::zeros();      ///< drawn after the weight; init::constant(0.1) lets ReLUs start alive
  DType dtype = DType::f32;
  AnyActivation activation = {};  ///< run on the result; the layer gets one of its own, in its dtype
};

/// y = x weightᵀ + bias: x [..., in], y [..., out]; parameters weight [out, in] and bias [out] (PyTorch's Linear). With an
/// activation, which is its child "activation", activation(y), as in Keras.
class Dense final : public Module {
 public:
  static constexpr std::string_view type_name = "dense";
  /// Throws Error unless both sizes are at least 1 and there are initialisers.
  Dense(std::int64_t in, std::int64_t out, Generator& generator, const DenseOptions& options = {});
  Tensor forward(const Tensor& x) override;
  void visit(Visitor& visitor) override;
  std::string_view type() const override { return type_name; }

  /// What the values were drawn by at first.
  const Init& init() const { return init_; }
  const Init& bias_init() const { return bias_init_; }

  Tensor weight;
  Tensor bias;               ///< undefined without a bias
  AnyActivation activation;  ///< none unless asked for

 private:
  Init init_, bias_init_;
};

/// x [n, ...] as [n, features]; shares the block.
class Flatten final : public Module {
 public:
  static constexpr std::string_view type_name = "flatten";
  /// Throws Error for a scalar.
  Tensor forward(const Tensor& x) override;
  std::string_view type() const override { return type_name; }
};

/// y = x · scale + offset, element by element, with numbers that are not trained (Keras' Rescaling). As the first layer it
/// takes inputs as they are, pixels of 0 to 255, as the last one it gives outputs in the targets' unit.
class Rescaling final : public Module {
 public:
  static constexpr std::string_view type_name = "rescaling";
  /// Throws Error unless both are in the range of f32.
  explicit Rescaling(double scale, double offset = 0);
  Tensor forward(const Tensor& x) override;
  std::string_view type() const override { return type_name; }

  double scale() const { return scale_; }
  double offset() const { return offset_; }

 private:
  double scale_, offset_;
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
  /// pointer to a base of theirs. Of an AnyActivation it takes the activation inside. Throws Error for null and for none.
  template <std::derived_from<Module> M>
  Sequential& add(M module) {
    return add(std::make_unique<M>(std::move(module)));
  }
  template <std::derived_from<Module> M>
  Sequential& add(std::unique_ptr<M> module) {
    return append(detail::Owned(std::move(module)));
  }
  Sequential& add(AnyActivation activation) { return append(std::move(activation.held_)); }

  /// Puts another module in the place of module `index`, as add() would; the old one goes, with its hooks. Build optimizers and
  /// monitors afterwards. Throws Error if there is no module `index`.
  template <std::derived_from<Module> M>
  Sequential& replace(std::size_t index, M module) {
    return replace(index, std::make_unique<M>(std::move(module)));
  }
  template <std::derived_from<Module> M>
  Sequential& replace(std::size_t index, std::unique_ptr<M> module) {
    return exchange(index, detail::Owned(std::move(module)));
  }
  Sequential& replace(std::size_t index, AnyActivation activation) {
    return exchange(index, std::move(activation.held_));
  }

  Tensor forward(const Tensor& x) override;
  void visit(Visitor& visitor) override;
  std::string_view type() const override { return type_name; }

  std::size_t size() const { return parts_.size(); }
  /// Throws Error if there is no module `index`.
  Module& operator[](std::size_t index);

 private:
  Sequential& append(detail::Owned part);
  Sequential& exchange(std::size_t index, detail::Owned part);

  std::vector<detail::Owned> parts_;
};

using LayerList =
    std::tuple<Dense, ReLU, LeakyReLU, ELU, PReLU, GELU, SELU, CELU, SiLU, Softplus, Tanh, Sigmoid, Softmax,
               LogSoftmax, Dropout, BatchNorm1d, LayerNorm, Flatten, Rescaling, Sequential>;

}  // namespace rill::nn
