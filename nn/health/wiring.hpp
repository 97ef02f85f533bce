// Wiring: which weights make the units of each activation, and which read them.
//
//   for (const nn::LayerWiring& layer : nn::wiring(model, probe).layers)
//     std::cout << layer.name << ": " << layer.weight.name << (layer.obstacle.empty() ? "" : layer.obstacle) << '\n';
//
// Found by running the model and following what flows from op to op, by the memory that tensors share: it sees layers and
// functions alike, but nothing that a module computes without ops, from the elements themselves.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <rill/nn/module.hpp>

namespace rill::nn {

/// The vectors of a normalisation that stands between an activation and a linear op. Unit u has the elements u, u + units,
/// …, of which flattening makes several. What there is not is undefined.
struct UnitChannels {
  std::string norm;                      ///< "batch_norm 1", by the module's path; "layer_norm"
  bool before = false;                   ///< the activation, or after it
  bool mixes = false;                    ///< what one unit gets depends on the others, as in LayerNorm
  NamedTensor weight = {}, bias = {};    ///< parameters
  NamedTensor mean = {}, variance = {};  ///< running statistics, buffers
};

/// A linear op that reads the units of an activation.
struct OutgoingWeight {
  NamedTensor weight =
      {};  ///< [out, in]; unit u is read by the columns u, u + units, …, of which flattening makes several
  NamedTensor bias = {};           ///< [out], undefined without one
  std::vector<double> input = {};  ///< what the op read of the probe's first sample, one number a column
};

/// The weights of the units of one activation.
struct LayerWiring {
  std::string name;        ///< LayerHealth::name
  std::string activation;  ///< "relu"
  /// ActivationInfo::parameter; of prelu the root mean square of the slopes.
  std::optional<double> parameter = {};
  std::int64_t units = 0;
  NamedTensor weight = {};  ///< [units, in], the parameter from which the pre-activation is made
  NamedTensor bias = {};    ///< [units], undefined without one
  std::vector<UnitChannels> norms = {};
  std::vector<OutgoingWeight> outgoing = {};
  /// Why one unit cannot be replaced without the others: "its output is the model's output". Empty if it can; only
  /// then are all weights given.
  std::string obstacle = {};
  /// Why the model's function changes when a unit that always gives 0 is replaced. Empty if it does not.
  std::string mixing = {};
};

/// What becomes of what a weight makes.
struct WeightActivation {
  NamedTensor weight;                    ///< [out, in] of a linear op, a parameter
  std::string activation = "linear";     ///< the first that is met on the way to the next linear op
  std::optional<double> parameter = {};  ///< as in LayerWiring
};

struct Wiring {
  std::vector<LayerWiring> layers = {};        ///< in the order in which they run
  std::vector<WeightActivation> weights = {};  ///< likewise; one that is used several times, once
  /// Throws Error, with the names that there are, if no layer has this one.
  const LayerWiring& layer(std::string_view name) const;
};

/// Runs the model once on the probe x [n, ...], of which a few samples are enough, in evaluation mode and without
/// recording, and says what is connected to what. Throws Error for an undefined or empty probe, and what the model throws.
Wiring wiring(Module& model, const Tensor& probe);

}  // namespace rill::nn
