// Variants: what a network of the experiments is made of beside its sizes, by a name such as "leaky_relu:0.1" or
// "relu+batch_norm+clip:1": an activation, then cures, each with a number where it has one.
#pragma once

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <rill/rill.hpp>

namespace dead_neurons {

/// An activation that can stand in a variant. `number` is its slope, alpha or initial slope.
struct ActivationKind {
  std::string_view name;
  std::optional<double> number;  ///< the default; none for one that has no number
  std::function<double(double number)> gain;
  std::function<rill::nn::AnyActivation(double number)> make;
};

/// All of them. Gains are the activation's own, but for ELU and CELU, which are unstable with it and have 1.
inline const std::vector<ActivationKind>& activation_kinds() {
  using namespace rill::nn;
  const auto own = [](const char* name) { return [=](double) { return init::variance_gain(name); }; };
  const auto leaky = [](double slope) { return init::variance_gain("leaky_relu", slope); };
  const auto one = [](double) { return 1.0; };
  static const std::vector<ActivationKind> kinds{
      {"relu", {}, own("relu"), [](double) { return ReLU(); }},
      {"leaky_relu", 0.3, leaky, [](double slope) { return LeakyReLU(slope); }},
      {"elu", 1.0, one, [](double alpha) { return ELU(alpha); }},
      {"prelu", 0.25, leaky, [](double slope) { return PReLU(1, slope); }},
      {"gelu", {}, own("gelu"), [](double) { return GELU(); }},
      {"selu", {}, own("selu"), [](double) { return SELU(); }},
      {"celu", 1.0, one, [](double alpha) { return CELU(alpha); }},
      {"silu", {}, own("silu"), [](double) { return SiLU(); }},
      {"tanh", {}, own("tanh"), [](double) { return Tanh(); }},
      {"sigmoid", {}, own("sigmoid"), [](double) { return Sigmoid(); }},
  };
  return kinds;
}

struct Variant {
  std::string name;  ///< as it was asked for
  const ActivationKind* activation = nullptr;
  double number = 0;  ///< of the activation
  bool batch_norm = false, layer_norm = false, rai = false;
  std::optional<double> bias = {}, clip = {}, warmup = {}, recycle = {};

  double gain() const { return activation->gain(number); }
};

/// A cure that can stand in a variant, and the number that it has.
struct CureKind {
  std::string_view name;
  std::optional<double>
      number;               ///< the default; NaN where the number has to be given, none where there is none
  std::string_view wanted;  ///< what the number has to be
  std::function<bool(double)> valid;
  std::function<void(Variant&, double)> set;
};

inline const std::vector<CureKind>& cure_kinds() {
  constexpr double given = std::numeric_limits<double>::quiet_NaN();
  const auto any = [](double) { return true; };
  const auto above_zero = [](double x) { return x > 0; };
  const auto steps = [](double x) { return x >= 1 && x <= 1e9 && x == std::floor(x); };
  static const std::vector<CureKind> kinds{
      {"batch_norm", {}, "", any, [](Variant& to, double) { to.batch_norm = true; }},
      {"layer_norm", {}, "", any, [](Variant& to, double) { to.layer_norm = true; }},
      {"recycle", 100.0, "a whole number of steps", steps, [](Variant& to, double x) { to.recycle = x; }},
      {"rai", {}, "", any, [](Variant& to, double) { to.rai = true; }},
      {"bias", given, "a finite number", any, [](Variant& to, double x) { to.bias = x; }},
      {"clip", given, "a number above 0", above_zero, [](Variant& to, double x) { to.clip = x; }},
      {"warmup", given, "a whole number of steps", steps, [](Variant& to, double x) { to.warmup = x; }},
  };
  return kinds;
}

namespace detail {

/// The names of a list, and ":NUMBER" where one has to be given or, in brackets, can be.
template <class Kinds>
std::string names_of(const Kinds& kinds) {
  std::string all;
  for (const auto& kind : kinds) {
    all += (all.empty() ? "" : ", ") + std::string(kind.name);
    if (kind.number) all += std::isnan(*kind.number) ? ":NUMBER" : "[:NUMBER]";
  }
  return all;
}

[[noreturn]] inline void refuse(const std::string& variant, const std::string& why) {
  throw CLI::ValidationError("--variants", "variant \"" + variant + "\": " + why);
}

/// Finds "name" or "name:number" in a list; the number in `number`.
template <class Kinds>
const auto& find(const Kinds& kinds, const std::string& part, const char* what, const std::string& variant,
                 double& number) {
  const std::size_t colon = part.find(':');
  const std::string name = part.substr(0, colon);
  const auto found = std::ranges::find(kinds, name, [](const auto& kind) { return std::string(kind.name); });
  if (found == kinds.end())
    refuse(variant, fmt::format("unknown {} \"{}\", expected one of {}", what, name, names_of(kinds)));
  if (colon == std::string::npos) {
    if (found->number && std::isnan(*found->number))
      refuse(variant, fmt::format("{0} has no number, expected {0}:NUMBER", name));
    number = found->number.value_or(0);
    return *found;
  }
  if (!found->number) refuse(variant, fmt::format("{0} takes no number, expected \"{0}\"", name));
  const char *begin = part.data() + colon + 1, *end = part.data() + part.size();
  const auto [stop, error] = std::from_chars(begin, end, number);
  if (error != std::errc{} || stop != end || !std::isfinite(number)) {
    refuse(variant, fmt::format("\"{}\" is no number, expected one after {}:", part.substr(colon + 1), name));
  }
  return *found;
}

}  // namespace detail

/// Throws CLI::ValidationError, which names what there is, for a name that is none.
inline Variant parse_variant(const std::string& name) {
  Variant variant{.name = name};
  for (std::size_t begin = 0, end = 0; end != std::string::npos; begin = end + 1) {
    end = name.find('+', begin);
    const std::string part = name.substr(begin, end == std::string::npos ? end : end - begin);
    if (begin == 0) {
      variant.activation = &detail::find(activation_kinds(), part, "activation", name, variant.number);
      if (variant.number < 0)
        detail::refuse(name, fmt::format("the number is {}, expected 0 or more", variant.number));
    } else {
      double number = 0;
      const CureKind& cure = detail::find(cure_kinds(), part, "cure", name, number);
      if (!cure.valid(number))
        detail::refuse(name, fmt::format("{} has {}, expected {}", cure.name, number, cure.wanted));
      cure.set(variant, number);
    }
  }
  return variant;
}

}  // namespace dead_neurons
