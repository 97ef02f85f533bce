// The rules of diagnose() that look at units: dead, never positive, saturated.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include <rill/nn/health/rules.hpp>

namespace rill::nn::detail {
namespace {

std::string bias_or_weights(const HealthReport& report, const LayerHealth& layer, std::string& remedy) {
  double mean = 0, spread = 0, dead = 0;
  for (const UnitHealth& unit : layer.units) {
    if (!unit.never_on) continue;
    mean += unit.mean;
    spread += std::sqrt(unit.variance);
    ++dead;
  }
  mean /= dead;
  spread /= dead;
  std::string text =
      fmt::format("; their pre-activations have mean {:.3g} and standard deviation {:.3g}", mean, spread);
  const ParameterHealth* bias = bias_of(report, layer);
  constexpr double weighty = 0.3;  // less of the mean than that is none of the bias's doing
  if (bias && bias->mean < 0 && bias->mean <= weighty * mean &&
      mean - bias->mean >= -2 * spread + 0.1 * bias->mean) {
    remedy =
        "start the biases at 0 or a little above; BatchNorm, ELU, PReLU or LeakyReLU with a slope of 0.1 and "
        "more train all the same";
    return text +
           fmt::format(", and {} has mean {:.3g}: without it they would be on", bias->name, bias->mean);
  }
  remedy =
      "draw the weights around 0 (init::kaiming_normal), and standardise the input; in a deep net widen "
      "narrow "
      "layers, put a BatchNorm before the activation, or let no unit die, with LeakyReLU or ELU";
  if (bias) text += fmt::format("; {} has mean {:.3g}, so it is the weights", bias->name, bias->mean);
  return text;
}

// What shows that steps are too large.
struct Sign {
  std::string text = {}, layer = {};
  std::int64_t step = 0;
  double value = 0, limit = 0;
  std::string cure = {};
};

// What is measured at high rates, with Adam at 0.05 for the most part.
constexpr const char* cure_of_death =
    ", or lower it and recycle the dead units, which a lower rate alone does not bring back. BatchNorm bears "
    "high rates, and so does LeakyReLU with a slope of 0.1 and more under Adam (plain SGD sends it to NaN); "
    "a "
    "slope of 0.01, clipping and a short warm-up do not help";
constexpr const char* cure_of_drift =
    "; BatchNorm, or LeakyReLU with a slope of 0.1 and more, bears high rates of Adam better";

// A share over all units that is watched, and how much it may rise.
struct Kind {
  const char* what;
  double limit;
  const char* cure;
  bool (*counts)(const HealthReport&, const LayerHealth&);
  double (*share)(const LayerHealth&);
};

constexpr Kind kinds[] = {
    {"dead units", 0.15, cure_of_death,
     [](const HealthReport&, const LayerHealth& layer) { return layer.blocks_gradient; }, dead_share},
    {"units that are never positive", 0.3, cure_of_drift,
     [](const HealthReport&, const LayerHealth& layer) {
       return !layer.blocks_gradient && !two_sided(layer) && layer.activation != "softplus";
     },
     [](const LayerHealth& layer) { return layer.share(layer.never_positive()); }},
    {"saturated activations", 0.5, "",
     [](const HealthReport& report, const LayerHealth& layer) {
       return two_sided(layer) && !may_be_output(report, layer);
     },
     mean_saturation},
};

double share_over(const HealthReport& report, const Kind& kind) {
  double sum = 0, units = 0;
  for (const LayerHealth& layer : report.layers) {
    if (!kind.counts(report, layer)) continue;
    sum += kind.share(layer) * static_cast<double>(layer.size());
    units += static_cast<double>(layer.size());
  }
  return units > 0 ? sum / units : 0;
}

// Shares that rise where steps push units out of reach.
void add_rising_shares(const HealthReport& first, const HealthReport& last, std::vector<Sign>& signs) {
  for (const Kind& kind : kinds) {
    const double before = share_over(first, kind), after = share_over(last, kind);
    if (after - before < kind.limit) continue;
    signs.push_back({.text = fmt::format("the share of {} has risen from {} to {}", kind.what,
                                         share_text(before), share_text(after)),
                     .step = last.step,
                     .value = after - before,
                     .limit = kind.limit,
                     .cure = kind.cure});
  }
  for (std::size_t i = 0; signs.empty() && i < first.layers.size(); ++i) {
    const LayerHealth &before = first.layers[i], &after = last.layers[i];
    if (!wholly_dead(after) || wholly_dead(before)) continue;
    signs.push_back({.text = fmt::format("every unit of the layer has died, from {} dead at step {}",
                                         share_text(dead_share(before)), first.step),
                     .layer = after.name,
                     .step = last.step,
                     .value = 1,
                     .limit = 1,
                     .cure = cure_of_death});
  }
}

void add_rising_loss(std::span<const HealthReport> run, std::vector<Sign>& signs) {
  constexpr double limit = 2;
  const HealthReport& first = run.front();
  const HealthReport* worst = &first;
  for (const HealthReport& report : run) {
    if (report.loss > worst->loss) worst = &report;
  }
  if (!(first.loss > 0) || !(worst->loss > limit * first.loss)) return;
  signs.push_back({.text = fmt::format("the loss has risen from {:.3g} to {:.3g}", first.loss, worst->loss),
                   .step = worst->step,
                   .value = worst->loss / first.loss,
                   .limit = limit});
}

void add_large_step(std::span<const HealthReport> run, std::vector<Sign>& signs) {
  constexpr double limit = 0.1;
  Sign sign{.value = limit, .limit = limit};
  for (const HealthReport& report : run) {
    for (const ParameterHealth& parameter : report.parameters) {
      const double ratio = parameter.update_ratio;
      if (!is_weight(parameter) || !std::isfinite(ratio) || ratio <= sign.value) continue;
      sign.text = fmt::format("one step changes {} by {} of its norm, where about 0.1 % is healthy",
                              parameter.name, share_text(ratio));
      sign.step = report.step;
      sign.value = ratio;
    }
  }
  if (!sign.text.empty()) signs.push_back(std::move(sign));
}

}  // namespace

void Diagnosis::dead_from_the_start() {
  constexpr double limit = 0.2;
  const HealthReport& report = first();
  const bool untrained = known_ == Known::untrained || (known_ == Known::course && report.step == 0);
  const LayerHealth* worst = nullptr;
  for (const LayerHealth& layer : report.layers) {
    const bool counts = layer.dead() >= 2 || wholly_dead(layer);
    if (counts && (!worst || dead_share(layer) > dead_share(*worst))) worst = &layer;
    if (wholly_dead(layer)) break;  // what lies behind gets a constant
  }
  if (!worst || !(dead_share(*worst) >= limit)) return;
  Advice advice{.rule = untrained ? "born_dead" : "dead_units",
                .layer = worst->name,
                .step = report.step,
                .value = dead_share(*worst),
                .limit = limit};
  advice.reason = fmt::format("{} of {} units ({}) are {} over {} samples", worst->dead(), worst->size(),
                              share_text(advice.value), untrained ? "dead before the first step" : "dead",
                              report.samples);
  if (wholly_dead(*worst))
    advice.reason += ", so that the network gives a constant and nothing before this layer learns";
  advice.reason += bias_or_weights(report, *worst, advice.remedy);
  if (!untrained)
    advice.remedy =
        "not trained yet: " + advice.remedy + ". Trained: recycle the units and lower the learning rate";
  constexpr std::int64_t few = 100;
  if (report.samples < few)
    advice.remedy =
        fmt::format("look at {} samples or more first, as {} do not show rare firing. Then: ", few,
                    report.samples) +
        advice.remedy;
  add(std::move(advice));
}

void Diagnosis::learning_rate_too_high() {
  std::vector<Sign> signs;
  add_rising_shares(first(), last(), signs);
  add_rising_loss(run_, signs);
  add_large_step(run_, signs);
  if (signs.empty()) return;
  const Sign& main = signs.front();
  Advice advice{.rule = "learning_rate_too_high",
                .layer = main.layer,
                .step = main.step,
                .value = main.value,
                .limit = main.limit};
  for (const Sign& sign : signs) advice.reason += (advice.reason.empty() ? "" : "; ") + sign.text;
  advice.remedy = "lower the learning rate tenfold and train afresh" + main.cure;
  add(std::move(advice));
}

void Diagnosis::saturation() {
  constexpr double flat = 0.7, stuck = 0.2;
  for (const LayerHealth& layer : first().layers) {
    const bool ends = two_sided(layer);
    const double share = ends ? mean_saturation(layer) : layer.share(layer.count(&UnitHealth::saturated));
    const double limit = ends ? flat : stuck;
    if (!(share >= limit) || (ends && may_be_output(first(), layer))) continue;
    return add(
        {.rule = "saturation",
         .layer = layer.name,
         .step = first().step,
         .reason = fmt::format("{} of all {} are in the flat part of {}{}, where hardly any gradient passes; "
                               "pre-activations have a root mean square of {:.3g}",
                               share_text(share), ends ? "activations" : "units", layer.activation,
                               ends ? "" : " for every sample", input_size(layer)),
         .remedy = "draw smaller weights (init::xavier_normal for tanh and sigmoid) and start biases at 0, "
                   "standardise the input, or put a BatchNorm before the activation",
         .value = share,
         .limit = limit});
  }
}

}  // namespace rill::nn::detail
