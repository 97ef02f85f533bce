// Initial values of weights. A weight is [out, in, ...]: fan_in counts what a unit reads, fan_out what reads a unit.
#pragma once

#include <concepts>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <rill/core/create.hpp>

namespace rill::nn {

/// Fills a weight, drawing from a generator. It knows its name and its options, so that a config can be written; any
/// function of a weight and a generator becomes one with the name "custom".
class Init {
 public:
  using Function = std::function<void(Tensor& weight, Generator& generator)>;
  struct Option {
    std::string key;
    double value;  ///< of an enumeration, its number: mode 0 is Fan::in, 1 is Fan::out
  };

  /// None: it is false and must not be called.
  Init() = default;
  template <class F>
  requires(!std::same_as<std::remove_cvref_t<F>, Init> && std::is_constructible_v<Function, F>)
      Init(F function)  // NOLINT(google-explicit-constructor)
      : function_(std::move(function)) {
    if (function_) name_ = "custom";
  }
  Init(std::string name, std::vector<Option> options, Function function)
      : name_(std::move(name)), options_(std::move(options)), function_(std::move(function)) {}

  /// Throws Error for an empty one, for a dtype that is not floating and a shape that does not suit the initialiser.
  void operator()(Tensor& weight, Generator& generator) const;
  explicit operator bool() const { return static_cast<bool>(function_); }

  /// The function in nn::init that made it: "kaiming_normal", …; "custom" or "" otherwise.
  const std::string& name() const { return name_; }
  /// That function's arguments, all of them, in order.
  const std::vector<Option>& options() const { return options_; }

 private:
  std::string name_;
  std::vector<Option> options_;
  Function function_;
};

namespace init {

enum class Fan { in, out };

/// The factor by which weights are scaled before a nonlinearity, by convention.
/// PyTorch's values: "linear", "sigmoid" 1; "tanh" 5/3; "relu" √2; "leaky_relu" √(2 / (1 + slope²)), with the
/// function's default slope 0.01; "selu" 3/4. Beyond PyTorch: "prelu" is leaky_relu's with slope 0.25, and "elu" is
/// variance_gain("elu"), 1.2452. Throws Error for another name, and for a slope unless the function has one.
double gain(std::string_view nonlinearity);
double gain(std::string_view nonlinearity, double slope);

/// 1/√E[f(z)²] for z ~ N(0, 1): with weights of this gain over √fan_in, the second moment of pre-activations is the same in
/// every layer. "linear" 1, "relu" √2, "leaky_relu" and "prelu" √(2 / (1 + parameter²)) (parameter: slope, 0.01 and 0.25),
/// "elu" and "celu" in closed form (parameter: alpha, 1), "selu" 1, "gelu" 1.533530, "silu" 1.676532, "tanh" 1.592537,
/// "sigmoid" 1.846229, "softplus" 1.041867. Next to gain() it differs for tanh, selu and sigmoid.
/// Throws Error for another name, a parameter for a function that has none, and a negative one.
double variance_gain(std::string_view nonlinearity);
double variance_gain(std::string_view nonlinearity, double parameter);

/// Normal with standard deviation gain / √fan (He et al., arXiv 1502.01852).
Init kaiming_normal(double gain = 1.4142135623730951, Fan fan = Fan::in);
/// Uniform in ±gain · √(3 / fan).
Init kaiming_uniform(double gain = 1.4142135623730951, Fan fan = Fan::in);
/// Normal with standard deviation gain · √(2 / (fan_in + fan_out)) (Glorot and Bengio, 2010).
Init xavier_normal(double gain = 1);
/// Uniform in ±gain · √(6 / (fan_in + fan_out)).
Init xavier_uniform(double gain = 1);
/// Normal with standard deviation 1 / √fan_in (LeCun et al., 1998). Keras' is truncated at two deviations.
Init lecun_normal();
/// Uniform in ±√(3 / fan_in).
Init lecun_uniform();
/// gain · a matrix [out, rest] with orthonormal rows, or columns where there are fewer of them: the Q of the QR of a normal
/// matrix, with the signs that make R's diagonal positive (Saxe et al., arXiv 1312.6120). As in PyTorch.
Init orthogonal(double gain = 1);
/// Normal with `mean` and standard deviation `std`, drawn again until in [low, high], which are values and not deviations,
/// as in PyTorch. Either may be infinite. Throws Error unless std is above 0 and low below high.
Init truncated_normal(double mean = 0, double std = 1, double low = -2, double high = 2);

// For tensors of any shape.
Init normal(double mean = 0, double std = 1);
Init uniform(double low = 0, double high = 1);
Init constant(double value);  ///< every element the same
Init zeros();
Init ones();

}  // namespace init
}  // namespace rill::nn
