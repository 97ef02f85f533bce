// What the rules of diagnose() read in reports.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include <rill/nn/health/rules.hpp>

namespace rill::nn::detail {
namespace {

// Where two dotted paths part: how many names they share, and the numbers that follow, -1 for other names.
struct Parting {
  std::size_t shared = 0;
  int left = -1, right = -1;
};
Parting parting(std::string_view left, std::string_view right) {
  const auto take = [](std::string_view& path) {
    const std::string_view name = path.substr(0, path.find('.'));
    path.remove_prefix(std::min(path.size(), name.size() + 1));
    return name;
  };
  const auto number = [](std::string_view name) {
    int value = -1;
    std::from_chars(name.data(), name.data() + name.size(), value);
    return value;
  };
  Parting found;
  while (!left.empty() && !right.empty()) {
    const std::string_view a = take(left), b = take(right);
    found.left = number(a);
    found.right = number(b);
    if (a != b) return found;
    ++found.shared;
  }
  return {found.shared, -1, -1};
}

}  // namespace

std::string share_text(double share) { return fmt::format("{:.0f} %", 100 * share); }

bool is_weight(const ParameterHealth& parameter) { return parameter.shape.rank() >= 2; }

bool two_sided(const LayerHealth& layer) {
  return layer.activation == "tanh" || layer.activation == "sigmoid";
}

bool wholly_dead(const LayerHealth& layer) { return layer.size() > 0 && layer.dead() == layer.size(); }

bool may_be_output(const HealthReport& report, const LayerHealth& layer) {
  if (&layer != &report.layers.back()) return false;
  return std::ranges::none_of(report.parameters, [&](const ParameterHealth& parameter) {
    const Parting at = parting(layer.name, parameter.name);
    return at.left >= 0 && at.right > at.left;
  });
}

double dead_share(const LayerHealth& layer) { return layer.share(layer.dead()); }

double mean_saturation(const LayerHealth& layer) {
  double sum = 0;
  for (const UnitHealth& unit : layer.units) sum += unit.saturation;
  return sum / static_cast<double>(layer.size());
}

double input_size(const LayerHealth& layer) {
  double sum = 0;
  for (const UnitHealth& unit : layer.units) sum += unit.mean * unit.mean + unit.variance;
  return std::sqrt(sum / static_cast<double>(layer.size()));
}

double gradient_norm(const HealthReport& report) {
  double squares = 0;
  bool any = false;
  for (const ParameterHealth& parameter : report.parameters) {
    if (std::isnan(parameter.gradient_norm)) continue;
    squares += parameter.gradient_norm * parameter.gradient_norm;
    any = true;
  }
  return any ? std::sqrt(squares) : NAN;
}

const ParameterHealth* bias_of(const HealthReport& report, const LayerHealth& layer) {
  const ParameterHealth* best = nullptr;
  std::pair<std::size_t, int> nearest{0, -2};
  for (const ParameterHealth& parameter : report.parameters) {
    if (!parameter.name.ends_with("bias") || parameter.shape.numel() != layer.size()) continue;
    const Parting at = parting(layer.name, parameter.name);
    if (at.left >= 0 && at.right > at.left) continue;
    const std::pair<std::size_t, int> place{at.shared, at.right};
    if (place < nearest) continue;
    best = place == nearest ? nullptr : &parameter;
    nearest = place;
  }
  return best;
}

}  // namespace rill::nn::detail
