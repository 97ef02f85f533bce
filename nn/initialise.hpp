// Initial values for a whole model that is there already. Only values change: the tensors stay, so optimizers and ties do.
//
// lsuv() and variance_preserving() find the weights by running the model, without recording and in evaluation mode, and
// watching its `linear` ops: they reach layers and functions alike, but no product that is written as matmul().
#pragma once

#include <optional>
#include <string_view>

#include <rill/nn/module.hpp>

namespace rill::nn::init {

/// variance_gain() of an activation by the name of its op and its parameter, as wiring() tells them. Throws Error for one
/// that variance_gain() does not know, and for softplus with a beta other than 1.
double activation_gain(std::string_view op, std::optional<double> parameter);

struct RaiOptions {
  /// Whether the first Dense gets init::kaiming_normal() and biases of 0 instead.
  bool symmetric_first_layer = false;
};

/// Randomized asymmetric initialisation of every Dense (Lu, Shin, Su, Karniadakis, arXiv 1903.06733), which lets far fewer
/// deep narrow ReLU nets be born dead: the n weights of a unit and its bias are normal with standard deviation 0.6007/√n, then
/// one of them, any with the same chance, is drawn from Beta(2, 1) instead, which is above 0. Without a bias, one of the
/// weights. Throws Error, and changes nothing, for a model without a Dense.
void rai(Module& model, Generator& generator, const RaiOptions& options = {});

struct LsuvOptions {
  double tolerance = 0.1;  ///< by which a variance may miss 1
  int max_tries = 10;      ///< how often a weight is scaled
};

/// Layer-sequential unit variance (Mishkin, Matas, arXiv 1511.06422): weights are made orthogonal, biases 0; then, in the
/// order in which they run, each weight is divided by the standard deviation of all that its linear op gives for the probe x
/// [n, ...], until its square is 1 within the tolerance. A weight that runs several times is scaled where it runs first.
///
/// Throws Error, and changes nothing, for an undefined, empty or not finite probe, options out of range, a model in which no
/// linear op reads a parameter, where a variance is 0 or not finite or misses the tolerance, and what the model throws.
void lsuv(Module& model, const Tensor& probe, Generator& generator, const LsuvOptions& options = {});

/// He's initialisation with the right gain: each weight is normal with standard deviation gain/√fan_in, where the gain is
/// variance_gain() of the activation that follows it, with its slope or alpha (of PReLU the root mean square of the
/// slopes), and 1 where none does; biases are 0. The probe x [n, ...] tells what follows what; a few samples do.
///
/// Throws Error, and changes nothing, for an undefined or empty probe, a model in which no linear op reads a parameter, an
/// activation that variance_gain() does not know, and what the model throws.
void variance_preserving(Module& model, const Tensor& probe, Generator& generator);

}  // namespace rill::nn::init
