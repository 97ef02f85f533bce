// Activations as layers. Each calls the function of the same name, whose exact form stands in core/ops. And
// AnyActivation, which holds one of them, or of a user's own.
#pragma once

#include <rill/core/ops/bounded_relu.hpp>
#include <rill/core/ops/gelu.hpp>
#include <rill/nn/owned.hpp>

namespace rill::nn {

using ReLUOptions = BoundedReluOptions;

/// max(0, x), elementwise; with options the function bounded_relu(), as Keras' layer of that name.
class ReLU final : public Activation {
 public:
  static constexpr std::string_view type_name = "relu";
  ReLU() = default;
  /// Throws Error for options that bounded_relu() refuses.
  explicit ReLU(const ReLUOptions& options);
  Tensor forward(const Tensor& x) override { return plain_ ? x.relu() : bounded_relu(x, options_); }
  std::string_view type() const override { return type_name; }
  const ReLUOptions& options() const { return options_; }

 private:
  ReLUOptions options_ = {};
  bool plain_ = true;
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
  double negative_slope() const { return negative_slope_; }

 private:
  double negative_slope_;
};

/// x where x > 0, else alpha · (exp(x) - 1). The default 1 is PyTorch's and Keras'.
class ELU final : public Activation {
 public:
  static constexpr std::string_view type_name = "elu";
  /// Throws Error for a negative, NaN or infinite alpha.
  explicit ELU(double alpha = 1.0);
  Tensor forward(const Tensor& x) override { return x.elu(alpha_); }
  std::string_view type() const override { return type_name; }
  double alpha() const { return alpha_; }

 private:
  double alpha_;
};

/// x where x > 0, else weight · x; parameter weight [1], or [channels] for x [n, channels, ...]. The initial slope 0.25 is
/// PyTorch's; Keras starts at 0, with one slope a feature. Optimizers that are given the module do not decay it (He et
/// al., arXiv 1502.01852).
class PReLU final : public Activation {
 public:
  static constexpr std::string_view type_name = "prelu";
  /// Throws Error unless there is at least one parameter and the initial slope is finite.
  explicit PReLU(std::int64_t num_parameters = 1, double initial_slope = 0.25, DType dtype = DType::f32);
  Tensor forward(const Tensor& x) override { return x.prelu(weight); }
  void visit(Visitor& visitor) override { visitor.parameter("weight", weight); }
  std::string_view type() const override { return type_name; }
  double initial_slope() const { return initial_slope_; }

  Tensor weight;

 private:
  double initial_slope_;
};

/// x · Φ(x), or its approximation with tanh. Exact by default, as in PyTorch and Keras.
class GELU final : public Activation {
 public:
  static constexpr std::string_view type_name = "gelu";
  explicit GELU(GeluApproximation approximate = GeluApproximation::none) : approximate_(approximate) {}
  Tensor forward(const Tensor& x) override { return gelu(x, approximate_); }
  std::string_view type() const override { return type_name; }
  GeluApproximation approximate() const { return approximate_; }

 private:
  GeluApproximation approximate_;
};

/// scale · (x where x > 0, else alpha · (exp(x) - 1)), with the two constants of Klambauer et al., arXiv 1706.02515; wants
/// init::lecun_normal().
class SELU final : public Activation {
 public:
  static constexpr std::string_view type_name = "selu";
  Tensor forward(const Tensor& x) override { return x.selu(); }
  std::string_view type() const override { return type_name; }
};

/// x where x > 0, else alpha · (exp(x / alpha) - 1). The default 1 is PyTorch's and Keras'.
class CELU final : public Activation {
 public:
  static constexpr std::string_view type_name = "celu";
  /// Throws Error unless alpha is finite and above 0.
  explicit CELU(double alpha = 1.0);
  Tensor forward(const Tensor& x) override { return x.celu(alpha_); }
  std::string_view type() const override { return type_name; }
  double alpha() const { return alpha_; }

 private:
  double alpha_;
};

/// x · sigmoid(x), which Keras also calls swish.
class SiLU final : public Activation {
 public:
  static constexpr std::string_view type_name = "silu";
  Tensor forward(const Tensor& x) override { return x.silu(); }
  std::string_view type() const override { return type_name; }
};

/// ln(1 + exp(beta · x)) / beta. The default 1 is PyTorch's; Keras has no beta.
class Softplus final : public Activation {
 public:
  static constexpr std::string_view type_name = "softplus";
  /// Throws Error unless beta is finite and above 0.
  explicit Softplus(double beta = 1.0);
  Tensor forward(const Tensor& x) override { return x.softplus(beta_); }
  std::string_view type() const override { return type_name; }
  double beta() const { return beta_; }

 private:
  double beta_;
};

class Tanh final : public Activation {
 public:
  static constexpr std::string_view type_name = "tanh";
  Tensor forward(const Tensor& x) override { return x.tanh(); }
  std::string_view type() const override { return type_name; }
};

/// 1 / (1 + exp(-x)).
class Sigmoid final : public Activation {
 public:
  static constexpr std::string_view type_name = "sigmoid";
  Tensor forward(const Tensor& x) override { return x.sigmoid(); }
  std::string_view type() const override { return type_name; }
};

/// Any activation as a value, or none: the type of a member whose activation is chosen later, as Dense's.
///
/// Where it stands it is the activation that it holds: it has its type() and its parameters, under the holder's name
/// ("activation.weight" of a PReLU held as "activation"). Profiles and monitors, however, see ops run for the AnyActivation, which is
/// the module that named_modules() gives; hooks belong on it, too. Copies share parameters, as those of all modules do.
class AnyActivation final : public Activation {
 public:
  /// None: it is false and must not be called.
  AnyActivation() = default;
  template <std::derived_from<Activation> A>
  requires(!std::same_as<A, AnyActivation> && std::copy_constructible<A>)
      AnyActivation(A activation)  // NOLINT(google-explicit-constructor)
      : AnyActivation(detail::Owned(std::make_unique<A>(std::move(activation)))) {}
  AnyActivation(const AnyActivation& other);
  AnyActivation(AnyActivation&&) = default;
  AnyActivation& operator=(const AnyActivation& other);
  AnyActivation& operator=(AnyActivation&&) = default;

  explicit operator bool() const { return static_cast<bool>(held_); }
  /// The activation itself; null if there is none. dynamic_cast tells of which kind it is.
  Activation* get() { return static_cast<Activation*>(held_.get()); }
  const Activation* get() const { return static_cast<const Activation*>(held_.get()); }

  /// Throws Error if there is none.
  Tensor forward(const Tensor& x) override;
  void visit(Visitor& visitor) override;
  /// "none" if there is none.
  std::string_view type() const override { return held_ ? get()->type() : "none"; }

 private:
  friend class Sequential;
  explicit AnyActivation(detail::Owned held);
  void set_training(bool training) override;

  detail::Owned held_;
};

/// exp x / Σ exp x along an axis, by default the last one, as in Keras; PyTorch asks for it. No Activation: it mixes units.
class Softmax final : public Module {
 public:
  static constexpr std::string_view type_name = "softmax";
  explicit Softmax(int axis = -1) : axis_(axis) {}
  /// Throws Error for a scalar, and if x has no such axis.
  Tensor forward(const Tensor& x) override { return x.softmax(axis_); }
  std::string_view type() const override { return type_name; }
  int axis() const { return axis_; }

 private:
  int axis_;
};

/// The logarithm of Softmax.
class LogSoftmax final : public Module {
 public:
  static constexpr std::string_view type_name = "log_softmax";
  explicit LogSoftmax(int axis = -1) : axis_(axis) {}
  Tensor forward(const Tensor& x) override { return x.log_softmax(axis_); }
  std::string_view type() const override { return type_name; }
  int axis() const { return axis_; }

 private:
  int axis_;
};

}  // namespace rill::nn
