// What a probe set shows of a model's units: the types that an audit fills in, and that reports, diagnosis and recycling
// read.
//
// A unit is an index of the last axis of an activation's input, as Dense makes them; all other axes count as samples.
// "On" means that its pre-activation, the activation's input, is above 0. Units that were NaN or infinite anywhere are
// counted first, and have no other property.
#pragma once

#include <cmath>
#include <cstdint>
#include <optional>
#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <rill/core/create.hpp>

namespace rill::nn {

/// One unit of an activation on a probe set. Numbers are NaN where they were not measured, and for a unit that is not
/// finite.
struct UnitHealth {
  bool finite = true;
  /// Never on: of ReLU and its kind, which let no gradient through then, the unit is dead; of LeakyReLU, ELU and the
  /// others it is only never positive, and still learns.
  bool never_on = false;
  bool always_on = false;  ///< on for every sample, so that the unit is linear
  bool constant = false;   ///< its output varies by less than 1e-12 (variance)
  bool saturated = false;  ///< in the flat part of ELU, SELU, tanh, sigmoid, … for every sample
  bool zero_gradient =
      false;                ///< the loss has gradient 0 at its pre-activation for every sample; needs a loss
  double frequency = NAN;   ///< share of samples for which it is on
  double saturation = NAN;  ///< share of samples in the flat part
  double mean = NAN, variance = NAN;                ///< of the pre-activation
  double output_mean = NAN, output_variance = NAN;  ///< of what the activation makes of it
  /// E|y| of the unit over the mean of E|y| over the layer: 1 is average (Sokar et al., arXiv 2302.12902).
  double activity_score = NAN;
  /// Root mean square over samples of the gradient at its pre-activation, of each sample's own loss; needs a loss that is
  /// a mean over samples.
  double gradient_rms = NAN;
  /// The same of |∂loss/∂y|, which also tells for activations that are not zero when off; needs a loss.
  double gradient_score = NAN;
};

/// One activation of a model on a probe set.
struct LayerHealth {
  std::string name;  ///< path of the module: "1"; with the op where a module calls functions: "block.relu#2"
  std::string activation;          ///< "relu"
  bool blocks_gradient = false;    ///< a unit that is never on is dead
  std::int64_t samples = 0;        ///< that each unit has seen
  std::int64_t blind_samples = 0;  ///< for which no unit was on
  std::vector<UnitHealth> units = {};
  std::optional<double> parameter =
      {};  ///< slope, alpha or beta of the activation, where it has one that is fixed

  /// How many units have a property: layer.count(&UnitHealth::never_on).
  std::int64_t count(bool UnitHealth::*property) const;
  std::int64_t non_finite() const { return size() - count(&UnitHealth::finite); }
  std::int64_t dead() const { return blocks_gradient ? count(&UnitHealth::never_on) : 0; }
  std::int64_t never_positive() const { return blocks_gradient ? 0 : count(&UnitHealth::never_on); }
  /// Units whose activity score is at most tau. Throws Error unless tau lies in [0, 1].
  std::int64_t dormant(double tau) const;
  /// The same by the gradient score. Throws Error also where no loss was given, and where gradients are NaN.
  std::int64_t gradient_dormant(double tau) const;
  /// A count as a share of the finite units; NaN if there are none, so that a layer full of NaN does not look alive.
  double share(std::int64_t count) const;
  /// The mean frequency over finite units. The layer's sparsity is 1 less this: what is off for a sample, which is no
  /// death.
  double frequency() const;
  std::int64_t size() const { return static_cast<std::int64_t>(units.size()); }
};

/// One parameter, and where a loss was given, its gradient: that of the mean loss over the probe set.
struct ParameterHealth {
  std::string name;
  bool finite = true;          ///< of the values, and of the gradient where there is one
  double norm = NAN;           ///< ‖w‖
  double gradient_norm = NAN;  ///< ‖∂loss/∂w‖; needs a loss
  double update_ratio =
      NAN;  ///< ‖Δw‖ / ‖w‖ of one optimizer step; only a Monitor sees that. About 1e-3 is healthy
  double mean = NAN;  ///< of the values
  Shape shape = {};
};

/// A model on a probe set.
struct HealthReport {
  std::int64_t step = 0;                                      ///< of a Monitor: optimizer steps so far
  std::int64_t samples = 0;                                   ///< of the probe set
  double loss = NAN;                                          ///< mean over the probe set; needs a loss
  double input_mean = NAN, input_std = NAN, input_max = NAN;  ///< over all numbers of the probe; max of |x|
  bool constant_output = false;          ///< the model gives the same output for samples that differ
  bool finite_output = true;             ///< no number of the output is NaN or infinite
  std::vector<LayerHealth> layers = {};  ///< in the order in which they run
  std::vector<ParameterHealth> parameters = {};

  /// Over all layers.
  std::int64_t units() const;
  std::int64_t dead() const;
  std::int64_t never_on() const;
  std::int64_t non_finite() const;
  /// Dead units, and those that are never on, dead or not, as shares of the finite ones; NaN if there are none.
  double dead_share() const;
  double never_on_share() const;
  /// Throws Error, with the names that there are, if no layer has this one.
  const LayerHealth& layer(std::string_view name) const;
};

/// Two tables, of layers and of parameters, with the probe-set size; non-finite units stand first.
std::ostream& operator<<(std::ostream& out, const HealthReport& report);

/// Which units were never on before and after.
struct UnitTurnover {
  std::int64_t before = 0, after = 0;  ///< never on
  std::int64_t newly_off = 0, revived = 0;
  /// |both| / min(before, after): 1 where the smaller set lies in the larger; NaN where one is empty.
  double overlap = NAN;
};
/// Throws Error unless the reports are of the same layers.
UnitTurnover turnover(const HealthReport& before, const HealthReport& after);

/// The rows that write_health_csv() writes, without the first line of the file.
std::string health_csv_rows(std::span<const HealthReport> history);

/// One row a layer and report: step, samples, layer, activation, units, then the counts and means; nan for counts of a layer
/// without finite units. For gnuplot and spreadsheets. Throws Error if the file cannot be written.
/// `earlier` are lines of a history that this one goes on, put before its own.
void write_health_csv(const std::vector<HealthReport>& history, const std::string& path,
                      const std::string& earlier = {});

}  // namespace rill::nn
