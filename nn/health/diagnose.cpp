#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include <rill/nn/health/rules.hpp>

namespace rill::nn {
namespace detail {
namespace {

bool healthy_numbers(const HealthReport& report) {
  return report.non_finite() == 0 && report.finite_output && !std::isinf(report.loss) &&
         std::ranges::all_of(report.parameters, &ParameterHealth::finite);
}

}  // namespace

Diagnosis::Diagnosis(std::span<const HealthReport> history, Known known) : all_(history), known_(known) {
  for (const HealthReport& report : history) {
    RILL_CHECK(!report.layers.empty(), "diagnose: the report of step ", report.step,
               " has no layers, expected one of audit()");
    const bool same = std::ranges::equal(report.layers, history[0].layers, [](const auto& a, const auto& b) {
      return a.name == b.name && a.size() == b.size();
    });
    RILL_CHECK(same, "diagnose: the report of step ", report.step, " has other layers than that of step ",
               history[0].step, ", expected reports of one model");
  }
  const auto bad = std::ranges::find_if_not(history, healthy_numbers);
  run_ = history.first(static_cast<std::size_t>(bad - history.begin()));
}

std::vector<Advice> Diagnosis::findings() {
  non_finite();
  unscaled_input();
  if (!run_.empty()) {
    dead_from_the_start();
    if (!found("unscaled_input")) {
      learning_rate_too_high();
      exploding_gradients();
    }
    slope_too_small();
    saturation();
    vanishing_gradients();
    learning_rate_too_low();
  }
  return std::move(found_);
}

bool Diagnosis::found(std::string_view rule) const {
  return std::ranges::find(found_, rule, &Advice::rule) != found_.end();
}

void Diagnosis::add(Advice advice) {
  const auto spoilt = [&](const HealthReport& report) {
    return std::ranges::any_of(report.layers, [&](const LayerHealth& layer) {
      return layer.name == advice.layer && layer.non_finite() > 0;
    });
  };
  if (advice.rule == "non_finite" || std::ranges::none_of(all_, spoilt)) found_.push_back(std::move(advice));
}

void Diagnosis::non_finite() {
  if (run_.size() == all_.size()) return;
  const HealthReport& report = all_[run_.size()];
  Advice advice{.rule = "non_finite", .step = report.step, .limit = 0};
  const auto layer =
      std::ranges::find_if(report.layers, [](const LayerHealth& l) { return l.non_finite() > 0; });
  const auto parameter = std::ranges::find(report.parameters, false, &ParameterHealth::finite);
  if (layer != report.layers.end()) {
    advice.layer = layer->name;
    advice.value = static_cast<double>(layer->non_finite());
    advice.reason = fmt::format("{} of {} units are NaN or infinite, first of all layers",
                                layer->non_finite(), layer->size());
  } else if (!report.finite_output &&
             (parameter == report.parameters.end() || std::isfinite(parameter->norm))) {
    advice.value = 1;
    advice.reason = "the output holds NaN or infinities, though every unit is finite";
  } else if (parameter != report.parameters.end()) {
    advice.value =
        static_cast<double>(std::ranges::count(report.parameters, false, &ParameterHealth::finite));
    advice.reason = fmt::format("parameter {} or its gradient is NaN or infinite", parameter->name);
  } else {
    advice.value = report.loss;
    advice.reason = fmt::format("the loss is {}", report.loss);
  }
  if (run_.empty()) {
    advice.remedy =
        "look at the first layer's weights and at the scale of the input; nn::NanTrap names the op it comes "
        "from";
  } else {
    advice.reason += fmt::format("; at step {} all was finite", last().step);
    advice.remedy =
        "go back to a saved state, as NaN does not heal, and lower the learning rate tenfold. With plain SGD "
        "LeakyReLU and PReLU end in NaN at rates that ReLU bears; nn::NanTrap names the op it comes from";
  }
  add(std::move(advice));
}

void Diagnosis::unscaled_input() {
  constexpr double large = 4, small = 0.1;
  const HealthReport& report = all_.front();
  const double size = std::hypot(report.input_mean, report.input_std);
  const bool measured = !run_.empty() && !report.layers.empty();
  const double arrives = measured ? input_size(report.layers[0]) : size;
  const bool is_large = size > large && arrives > large;
  if (!is_large && !(report.input_max < small && arrives < small)) return;
  add({.rule = "unscaled_input",
       .step = report.step,
       .reason = fmt::format(
           "the inputs have a root mean square of {:.3g} (mean {:.3g}, standard deviation {:.3g}, "
           "largest {:.3g})",
           size, report.input_mean, report.input_std, report.input_max),
       .remedy = "subtract the mean and divide by the standard deviation of the training set "
                 "(nn::data::Standardize, or "
                 "ImageOptions), or divide pixels by 255; judge the rest after that",
       .value = is_large ? size : report.input_max,
       .limit = is_large ? large : small});
}

}  // namespace detail

std::vector<Advice> diagnose(const std::vector<HealthReport>& history) {
  RILL_CHECK(!history.empty(), "diagnose: the history is empty, expected at least one report");
  return detail::Diagnosis(history, history.size() == 1 ? detail::Known::one_report : detail::Known::course)
      .findings();
}

std::vector<Advice> diagnose(const HealthReport& report) {
  return detail::Diagnosis({&report, 1}, detail::Known::one_report).findings();
}

std::vector<Advice> diagnose(const BornDead& found) {
  return detail::Diagnosis({&found.report, 1}, detail::Known::untrained).findings();
}

std::ostream& operator<<(std::ostream& out, const Advice& advice) {
  std::string rule = advice.rule;
  std::ranges::replace(rule, '_', ' ');
  return out << fmt::format("{}{} (step {}): {}\n  -> {}\n", rule,
                            advice.layer.empty() ? "" : " in layer " + advice.layer, advice.step,
                            advice.reason, advice.remedy);
}

std::ostream& operator<<(std::ostream& out, const std::vector<Advice>& findings) {
  if (findings.empty()) out << "no finding\n";
  for (const Advice& advice : findings) out << advice;
  return out;
}

}  // namespace rill::nn
