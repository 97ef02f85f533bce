// Initial values of weights. A weight is [out, in, ...]: fan_in counts what a unit reads, fan_out what reads a unit.
#pragma once

#include <functional>
#include <string_view>

#include <rill/core/create.hpp>

namespace rill::nn {

/// Fills a weight, drawing from a generator.
using Init = std::function<void(Tensor& weight, Generator& generator)>;

namespace init {

enum class Fan { in, out };

/// The factor by which weights are scaled so that the variance of a layer's output is that of its input.
/// PyTorch's values: "linear", "sigmoid" 1; "tanh" 5/3; "relu" √2; "leaky_relu" √(2 / (1 + slope²)), with the
/// function's default slope 0.01; "selu" 3/4. Beyond PyTorch: "prelu" is leaky_relu's with slope 0.25, and "elu" is
/// 1.2452, which is 1/√E[elu(z)²] for z ~ N(0, 1). Throws Error for another name.
double gain(std::string_view nonlinearity);
double gain(std::string_view nonlinearity, double slope);

/// Normal with standard deviation gain / √fan (He et al., arXiv 1502.01852).
Init kaiming_normal(double gain = 1.4142135623730951, Fan fan = Fan::in);
/// Uniform in ±gain · √(3 / fan).
Init kaiming_uniform(double gain = 1.4142135623730951, Fan fan = Fan::in);
/// Normal with standard deviation gain · √(2 / (fan_in + fan_out)) (Glorot and Bengio, 2010).
Init xavier_normal(double gain = 1);
/// Uniform in ±gain · √(6 / (fan_in + fan_out)).
Init xavier_uniform(double gain = 1);
/// Every element the same.
Init constant(double value);

}  // namespace init
}  // namespace rill::nn
