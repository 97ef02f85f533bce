// The rules of diagnose(), and what they read in reports.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include <rill/nn/health/diagnose.hpp>

namespace rill::nn::detail {

bool is_weight(const ParameterHealth& parameter);
/// tanh and sigmoid, for which on and off are alike.
bool two_sided(const LayerHealth& layer);
bool wholly_dead(const LayerHealth& layer);
/// Whether nothing is known to come after the last layer: it may be the output, which may well be at its ends.
bool may_be_output(const HealthReport& report, const LayerHealth& layer);
/// Of the finite units.
double dead_share(const LayerHealth& layer);
double mean_saturation(const LayerHealth& layer);
/// Root mean square of the pre-activations.
double input_size(const LayerHealth& layer);
/// The norm of all gradients together; NaN where none was measured.
double gradient_norm(const HealthReport& report);
/// The bias that a layer's pre-activations got last, by the names; null where they do not tell.
const ParameterHealth* bias_of(const HealthReport& report, const LayerHealth& layer);
/// "12 %".
std::string share_text(double share);

/// What is known of the time of the first report.
enum class Known { course, one_report, untrained };

class Diagnosis {
 public:
  /// Throws Error for reports of different layers. The reports must live meanwhile.
  Diagnosis(std::span<const HealthReport> history, Known known);
  std::vector<Advice> findings();

 private:
  const HealthReport& first() const { return run_.front(); }
  const HealthReport& last() const { return run_.back(); }
  bool found(std::string_view rule) const;
  void add(Advice advice);

  void non_finite();
  void unscaled_input();
  void dead_from_the_start();
  void learning_rate_too_high();
  void exploding_gradients();
  void slope_too_small();
  void saturation();
  void vanishing_gradients();
  void learning_rate_too_low();

  std::span<const HealthReport> all_, run_;  // run_: before anything was NaN or infinite
  Known known_;
  std::vector<Advice> found_ = {};
};

}  // namespace rill::nn::detail
