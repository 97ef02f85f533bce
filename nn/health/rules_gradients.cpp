// The rules of diagnose() that look at gradients and updates.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include <rill/nn/health/rules.hpp>

namespace rill::nn::detail {

void Diagnosis::exploding_gradients() {
  constexpr double large = 100, noticeable = 10, growth = 30, spread = 100;
  const double start = gradient_norm(first());
  for (const HealthReport& report : run_) {
    // Steps that are too large bring them about later.
    if (&report != &first() && found("learning_rate_too_high")) break;
    const double norm = gradient_norm(report);
    const bool grows = norm > noticeable && norm > growth * start;
    if (!(norm > large) && !grows) continue;
    return add({.rule = "exploding_gradients",
                .step = report.step,
                .reason = &report == &first()
                              ? fmt::format("the gradient of the loss has norm {:.3g}", norm)
                              : fmt::format("the gradient of the loss has norm {:.3g}, at step {} {:.3g}",
                                            norm, first().step, start),
                .remedy = "draw smaller weights (init::kaiming_normal with the activation's gain), scale the "
                          "targets, take "
                          "the mean of the loss and not its sum, or limit the norm (optim::clip_grad_norm_)",
                .value = grows ? norm / start : norm,
                .limit = grows ? growth : large});
  }
  if (first().layers.size() < 2) return;
  const double before = input_size(first().layers.front()), after = input_size(first().layers.back());
  if (!(after > spread * before)) return;
  add({.rule = "exploding_gradients",
       .layer = first().layers.back().name,
       .step = first().step,
       .reason = fmt::format(
           "pre-activations grow {:.3g} times from the first layer ({:.3g}) to the last ({:.3g}), and "
           "gradients with them",
           after / before, before, after),
       .remedy = "draw smaller weights: init::kaiming_normal with the activation's gain",
       .value = after / before,
       .limit = spread});
}

void Diagnosis::slope_too_small() {
  constexpr double mostly_off = 0.1, enough = 0.1, limit = 0.05;
  double product = 1, smallest = enough;
  int layers = 0;
  const LayerHealth* worst = nullptr;
  for (const LayerHealth& layer : last().layers) {
    if (layer.activation != "leaky_relu" || layer.blocks_gradient || !layer.parameter) continue;
    if (!(layer.frequency() < mostly_off)) continue;
    product *= *layer.parameter;
    smallest = std::min(smallest, *layer.parameter);
    ++layers;
    if (!worst || layer.frequency() < worst->frequency()) worst = &layer;
  }
  if (!worst || product > limit || smallest >= enough) return;
  add({.rule = "slope_too_small",
       .layer = worst->name,
       .step = last().step,
       .reason = fmt::format(
           "{} LeakyReLU layer{} mostly off ({} on in {}), so that the gradient reaches the first layer "
           "scaled by about {:.3g}, the product of their slopes",
           layers, layers == 1 ? " is" : "s are", share_text(worst->frequency()), worst->name, product),
       .remedy = "use a slope of 0.1 to 0.3, PReLU or ELU, and see to what turns the units off: a negative "
                 "bias, or a high "
                 "learning rate",
       .value = product,
       .limit = limit});
}

void Diagnosis::vanishing_gradients() {
  constexpr double limit = 1e-3, shrinking = 0.01;
  for (const char* cause : {"born_dead", "dead_units", "slope_too_small", "saturation"}) {
    if (found(cause)) return;
  }
  const LayerHealth &front = first().layers.front(), &back = first().layers.back();
  const double before = input_size(front), after = input_size(back);
  if (after < shrinking * before) {
    add({.rule = "vanishing_gradients",
         .layer = back.name,
         .step = first().step,
         .reason = fmt::format("pre-activations shrink from {:.3g} in the first layer to {:.3g} in the last, "
                               "and gradients with them",
                               before, after),
         .remedy = "draw larger weights: init::kaiming_normal with the activation's gain",
         .value = after / before,
         .limit = shrinking});
  }
  if (found("vanishing_gradients") || found("learning_rate_too_high")) return;
  for (const HealthReport* report : {&first(), &last()}) {
    const ParameterHealth *low = nullptr, *high = nullptr;
    for (const ParameterHealth& parameter : report->parameters) {
      if (!is_weight(parameter) || std::isnan(parameter.gradient_norm)) continue;
      if (!low) low = &parameter;
      high = &parameter;
    }
    if (!low || !(low->gradient_norm < limit * high->gradient_norm)) continue;
    const double share = low->gradient_norm / high->gradient_norm;
    return add({.rule = "vanishing_gradients",
                .step = report->step,
                .reason = fmt::format("the gradient of {} has norm {:.3g}, {:.2g} of that of {}, so that the "
                                      "first layers hardly learn",
                                      low->name, low->gradient_norm, share, high->name),
                .remedy = "replace sigmoid and tanh by ReLU, LeakyReLU or ELU with init::kaiming_normal, use "
                          "fewer layers, or put a BatchNorm before each activation",
                .value = share,
                .limit = limit});
  }
}

void Diagnosis::learning_rate_too_low() {
  constexpr double limit = 1e-5;
  if (!found_.empty()) return;
  double largest = -1;
  for (const HealthReport& report : run_) {
    for (const ParameterHealth& p : report.parameters)
      if (is_weight(p) && !std::isnan(p.update_ratio)) largest = std::max(largest, p.update_ratio);
  }
  if (largest < 0 || largest > limit) return;
  add({.rule = "learning_rate_too_low",
       .step = last().step,
       .reason = fmt::format(
           "no step changes a weight by more than {:.2g} of its norm, about 1e-3 is healthy", largest),
       .remedy = "raise the learning rate, tenfold at a time, until the loss falls",
       .value = largest,
       .limit = limit});
}

}  // namespace rill::nn::detail
