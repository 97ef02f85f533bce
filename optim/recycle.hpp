// Recycling of dead and dormant units: what they read is drawn anew, what reads them is 0 (ReDo, Sokar et al., arXiv
// 2302.12902). The model goes on as the function that it was, with capacity that it had lost.
//
//   std::cout << optim::recycle(model, optimizer, train_set, generator, {.samples = 10000});
//
// or every so many steps, with the callback at the end. It brings units back that a learning rate has killed once the
// rate is mended; it does not mend the rate.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include <rill/nn/health/audit.hpp>
#include <rill/nn/init.hpp>
#include <rill/optim/fit.hpp>

namespace rill::optim {

/// By which score of nn::UnitHealth units are chosen.
enum class RecycleBy { activity, gradient };

struct RecycleOptions {
  std::int64_t samples = 0;  ///< the first ones of the probe; 0 for all. More than there are: all
  /// Units whose score is at most tau are recycled. 0: those that give 0 for every sample, the dead ones of ReLU. Of
  /// LeakyReLU, ELU and the like, units that are never on have an output, and a higher score.
  double tau = 0;
  RecycleBy by = RecycleBy::activity;
  Loss loss = {};  ///< needed for RecycleBy::gradient, and for that alone
  /// Names as in nn::HealthReport; empty for all layers that can be recycled.
  std::vector<std::string> layers = {};
  /// For incoming weights; without one it is nn::init::kaiming_normal with the variance_gain of the layer's activation.
  nn::Init init = {};
  bool reset_state = true;  ///< Optimizer::forget() for the weights that change
};

/// What was done in one layer.
struct RecycledLayer {
  std::string name, activation;
  std::int64_t size = 0;                 ///< units of the layer
  std::vector<std::int64_t> units = {};  ///< that were recycled, ascending
  std::int64_t non_finite = 0;           ///< units that are left alone, for they were NaN or infinite
  bool function_kept = true;  ///< the model's outputs on the probe do not depend on what was replaced
  std::vector<std::string> notes = {};  ///< why nothing could be recycled, or the function is not kept
};

struct RecycleReport {
  std::int64_t samples = 0;
  double tau = 0;
  std::vector<RecycledLayer> layers = {};  ///< all that were asked for, in the order in which they run
  std::int64_t recycled() const;
  bool function_kept() const;
  /// Throws Error, with the names that there are, if no layer has this one.
  const RecycledLayer& layer(std::string_view name) const;
};

/// A line on the whole, one a layer, and the notes.
std::ostream& operator<<(std::ostream& out, const RecycleReport& report);

/// Looks at all units in evaluation mode, and makes new ones of those whose score is at most tau: the row of the weight that
/// makes the pre-activation is drawn anew, its bias 0; BatchNorm's and LayerNorm's elements for the unit become gain 1,
/// bias 0 and the statistics 0 and 1; the columns of every weight that reads the unit become 0, except in the rows of units
/// that are recycled too, which nothing reads yet; what the optimizer remembers of these elements is forgotten.
///
/// Where a unit gave 0 for every sample, the outputs in evaluation mode stay as they are, to the bit in a plain MLP. Where
/// a BatchNorm after the activation makes a constant of that 0, what it contributes is added to the next bias, and outputs
/// stay up to rounding; in training mode they stay where the running statistics are those of the batch. Where LayerNorm
/// mixes units, a unit is dormant and not dead, or what reads it is NaN or infinite, outputs change: the report says so.
///
/// Units that are not finite are left alone, as a NaN in one weight is everywhere after a step. Weights that the optimizer
/// does not train, the units of an output layer, and those that share weights or bypass their activation (nn::LayerWiring)
/// are not recycled.
///
/// Throws Error, and changes nothing, as audit() does; for tau outside of [0, 1]; for a named layer that is unknown, named
/// twice, or cannot be recycled; if no layer can be; without the loss that RecycleBy::gradient needs, and with one otherwise;
/// for an initialiser that gives what does not fit or is not finite.
RecycleReport recycle(nn::Module& model, Optimizer& optimizer, const nn::data::Dataset& probe,
                      Generator& generator, const RecycleOptions& options = {});

namespace callbacks {

struct RecycleEvery {
  std::int64_t steps = 1000;   ///< ReDo's default
  std::int64_t last_step = 0;  ///< none after it; 0 for no end
  std::uint64_t seed = 0;      ///< what is drawn follows from it and the step alone
  RecycleOptions options = {};
};

/// recycle() after every so many optimizer steps of a fit, or of a loop of one's own by after_step().
class Recycle final : public Callback {
 public:
  /// The probe must outlive the callback. Throws Error for steps below 1, a negative last_step, and tau outside of [0, 1].
  Recycle(const nn::data::Dataset& probe, RecycleEvery every = {});
  /// Begins anew. Throws what recycle() would for this model: at once, not after so many steps.
  void on_train_begin(Run& run) override;
  void on_train_batch_end(Run& run) override { after_step(run.model, run.optimizer, run.step); }
  std::string_view type() const override { return "Recycle"; }
  /// The reports so far.
  StateDict state_dict() const override;
  void load_state_dict(const Run& run, const StateDict& state) override;
  /// To be called after each step with the number of steps so far. Returns whether it was time to recycle, which it never is before step 1. Throws what
  /// recycle() throws.
  bool after_step(nn::Module& model, Optimizer& optimizer, std::int64_t step);

  std::int64_t runs() const { return static_cast<std::int64_t>(reports_.size()); }
  std::int64_t recycled() const;  ///< units, in all runs
  const std::vector<RecycleReport>& reports() const { return reports_; }
  const std::vector<std::int64_t>& steps() const { return steps_; }  ///< of the reports

 private:
  const nn::data::Dataset& probe_;
  RecycleEvery every_;
  std::vector<RecycleReport> reports_;
  std::vector<std::int64_t> steps_;
};

}  // namespace callbacks
}  // namespace rill::optim
