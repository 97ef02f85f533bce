// Plain advice from measurements: what is wrong with a run, by which number, and what helps.
//
//   std::cout << nn::diagnose(history);        // the reports of a run, that of step 0 first
//   std::cout << nn::diagnose(nn::born_dead(model, probe));
//
// Every rule compares one number with one limit; both stand in the advice. What only follows from another finding is not
// told as well, so that one fault makes one finding as a rule. A healthy run gives none.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include <rill/nn/health/audit.hpp>

namespace rill::nn {

/// One finding.
struct Advice {
  std::string rule = {};            ///< "learning_rate_too_high", … as in diagnose()
  std::string layer = {};           ///< of a report, where one layer is meant
  std::int64_t step = 0;            ///< of the report that shows it
  std::string reason = {};          ///< what was seen, with the numbers
  std::string remedy = {};          ///< what to do about it
  double value = NAN, limit = NAN;  ///< the first number of the reason, and where the rule begins
};

/// What the reports of a run show, the one of step 0 first and the others in order. The rules, by name:
///
/// non_finite: a unit, parameter, gradient or loss is NaN or infinite. Stands first, with the first such layer; from there on
/// the run is not looked at, and nothing else is said of such layers.
/// unscaled_input: the inputs have a root mean square above 4, or are all below 0.1, and the first layer sees it. What a
/// badly scaled input brings about is not told.
/// born_dead: at step 0 a fifth of a layer or more is dead, by its bias or by its weights.
/// dead_units: the same in one report alone, which does not tell before training from after it.
/// learning_rate_too_high: the share of dead units has risen by 0.15, that of units that are never positive by 0.3, or the saturation
/// of tanh or sigmoid by 0.5; a layer has died as a whole; the loss has doubled; a step changes a weight by over a tenth.
/// exploding_gradients: the gradient's norm is above 100, or above 10 and 30 times that of step 0; or pre-activations grow
/// 100 times from the first layer to the last.
/// slope_too_small: LeakyReLU layers, some with a slope below 0.1, are mostly off and together pass less than 0.05 of a
/// gradient: Π slopes.
/// saturation: in the first report tanh or sigmoid is flat for 0.7 of its inputs, or a fifth of the units of ELU and its kind for all.
/// vanishing_gradients: pre-activations shrink 100 times from the first layer to the last, or the gradient of the first
/// weight is under 1/1000 of the last one's.
/// learning_rate_too_low: no step of any weight is above 1e-5 of it.
///
/// Rules need what they read: gradients an audit with a loss, update ratios a Monitor, courses two reports. Throws Error for an empty
/// history, for reports without layers, and for reports of different layers.
std::vector<Advice> diagnose(const std::vector<HealthReport>& history);
/// One report alone, of before or after training.
std::vector<Advice> diagnose(const HealthReport& report);
/// A model before its first step.
std::vector<Advice> diagnose(const BornDead& found);

/// Two lines: what was seen, and what to do.
std::ostream& operator<<(std::ostream& out, const Advice& advice);
/// All of them, or a line that there is none.
std::ostream& operator<<(std::ostream& out, const std::vector<Advice>& findings);

}  // namespace rill::nn
