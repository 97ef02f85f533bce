// Keras' initializers as rill's, with exactly their distributions. Seeds are not used: the same seed gives other numbers in
// Keras, so LoadOptions::seed decides.
#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <string>

#include <rill/nn/keras/import.hpp>

namespace rill::nn::keras {
namespace {

using config::InitConfig;

struct Fans {
  double in, out;
};

// A variance scaling with a name of its own.
struct Scaling {
  std::string_view name;
  double scale;
  std::string_view mode, distribution;
};
constexpr std::array scalings = {Scaling{"glorotuniform", 1, "fan_avg", "uniform"},
                                 Scaling{"glorotnormal", 1, "fan_avg", "truncated_normal"},
                                 Scaling{"heuniform", 2, "fan_in", "uniform"},
                                 Scaling{"henormal", 2, "fan_in", "truncated_normal"},
                                 Scaling{"lecununiform", 1, "fan_in", "uniform"},
                                 Scaling{"lecunnormal", 1, "fan_in", "truncated_normal"}};

constexpr std::array<std::string_view, 16> initializer_names = {
    "GlorotUniform", "GlorotNormal",    "HeUniform",    "HeNormal",
    "LecunUniform",  "LecunNormal",     "Zeros",        "Ones",
    "Constant",      "VarianceScaling", "RandomNormal", "RandomUniform",
    "Orthogonal",    "TruncatedNormal", "Uniform",      "Normal"};

// HeNormal and he_normal are the same name.
std::string plain(std::string_view name) {
  std::string letters;
  for (const char c : name) {
    if (c != '_') letters += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return letters;
}

InitConfig truncated(double mean, double std) {
  return {config::TruncatedNormal{.mean = mean, .std = std, .low = mean - 2 * std, .high = mean + 2 * std}};
}

InitConfig scaled(const Scaling& scaling, const Fans& fans, bool matrix) {
  const double fan = scaling.mode == "fan_in"    ? fans.in
                     : scaling.mode == "fan_out" ? fans.out
                                                 : (fans.in + fans.out) / 2;
  const double std = std::sqrt(scaling.scale / fan), gain = std::sqrt(scaling.scale);
  if (scaling.distribution == "truncated_normal" || scaling.distribution == "normal") {
    constexpr double kept = 0.87962566103423978;  // the deviation of a normal cut at two of its own
    return truncated(0, std / kept);
  }
  const bool uniform = scaling.distribution == "uniform";
  if (!matrix) {
    const double limit = std::sqrt(3.0) * std;
    if (uniform) return {config::Uniform{.low = -limit, .high = limit}};
    return {config::Normal{.mean = 0, .std = std}};
  }
  if (scaling.mode == "fan_avg") {
    if (uniform) return {config::XavierUniform{gain}};
    return {config::XavierNormal{gain}};
  }
  const std::string mode(scaling.mode);
  if (uniform && scaling.scale == 1 && mode == "fan_in") return {config::LecunUniform()};
  if (uniform) return {config::KaimingUniform{{gain, mode}}};
  return {config::KaimingNormal{{gain, mode}}};
}

std::string_view one_text(Fields& fields, std::string_view key, std::string_view fallback,
                          const std::vector<std::string_view>& choices) {
  const std::optional<Node> value = fields.find(key);
  if (!value) return fallback;
  if (!value->is_string() || std::ranges::find(choices, value->text()) == choices.end()) {
    std::string names;
    for (const std::string_view each : choices) (names += names.empty() ? "" : ", ") += each;
    fields.refuse(key, *value, "one of " + names);
  }
  return value->text();
}

InitConfig read_scaling(Fields& fields, const Fans& fans, bool matrix) {
  Scaling scaling{.name = {},
                  .scale = fields.number("scale", 1, {.low = 0, .open = true}),
                  .mode = {},
                  .distribution = {}};
  scaling.mode = one_text(fields, "mode", "fan_in", {"fan_in", "fan_out", "fan_avg"});
  scaling.distribution = one_text(fields, "distribution", "truncated_normal",
                                  {"truncated_normal", "normal", "untruncated_normal", "uniform"});
  return scaled(scaling, fans, matrix);
}

// An initializer: its name, its place, and its options, none where it is given by its name alone.
struct Given {
  Node node, name;
  Json nothing = Json::object();
  std::optional<Node> config = {};

  Given(const Node& value, const std::string& owner) : node(value), name(value) {
    if (value.is_string()) return;
    if (!value.is_object())
      value.fail("the initializer of " + owner + " is " + value.shown() + ", expected a name or an object");
    check_origin(value, "initializer");
    name = value.at("class_name");
    name.text();
    if (value.has("config") && !value.at("config").is_null()) config = value.at("config");
  }
  Fields fields(const std::string& owner) const {
    return {config ? *config : Node(nothing, node.file(), node.pointer()), owner};
  }
};

std::optional<InitConfig> read_plain(const std::string& name, Fields& fields) {
  if (name == "zeros" || name == "zero") return InitConfig{config::Zeros()};
  if (name == "ones" || name == "one") return InitConfig{config::Ones()};
  if (name == "constant") return InitConfig{config::Constant{fields.number("value", 0, {})}};
  if (name == "randomnormal" || name == "normal") {
    const double mean = fields.number("mean", 0, {});
    return InitConfig{config::Normal{.mean = mean, .std = fields.number("stddev", 0.05, {.low = 0})}};
  }
  if (name == "truncatednormal") {
    const double mean = fields.number("mean", 0, {});
    return truncated(mean, fields.number("stddev", 0.05, {.low = 0, .open = true}));
  }
  if (name == "randomuniform" || name == "uniform") {
    const double low = fields.number("minval", -0.05, {});
    return InitConfig{config::Uniform{.low = low, .high = fields.number("maxval", 0.05, {.low = low})}};
  }
  return {};
}

std::optional<InitConfig> read_init(const std::string& name, Fields& fields, const Fans& fans, bool matrix) {
  if (name == "variancescaling") return read_scaling(fields, fans, matrix);
  if (name == "orthogonal" && matrix)
    return InitConfig{config::Orthogonal{{fields.number("gain", 1, {.low = 0})}}};
  const auto scaling = std::ranges::find(scalings, name, &Scaling::name);
  if (scaling != scalings.end()) return scaled(*scaling, fans, matrix);
  return read_plain(name, fields);
}

}  // namespace

config::InitConfig initializer_of(Layer& layer, std::string_view key, std::int64_t rows,
                                  std::int64_t columns) {
  const bool matrix = columns > 0;
  const std::optional<Node> value = layer.fields.given(key);
  if (!value) {
    if (matrix) return {config::XavierUniform()};
    return {config::Zeros()};
  }
  const Given given(*value, layer.fields.owner());
  const Fans fans{static_cast<double>(rows), static_cast<double>(matrix ? columns : rows)};
  Fields fields = given.fields("initializer " + config::in_quotes(given.name.text()));
  std::optional<InitConfig> init = read_init(plain(given.name.text()), fields, fans, matrix);
  if (!init && layer.import.weights_follow) return {config::Custom()};
  if (!init)
    given.name.fail("rill has no initializer " + config::in_quotes(given.name.text()) + " for " +
                    std::string(key) + " of " + layer.fields.owner() +
                    config::suggestion(given.name.text(), initializer_names));
  fields.ignore({"seed", "dtype"});
  fields.finish();
  return *init;
}

double constant_of(Layer& layer, std::string_view key, double fallback) {
  const config::InitConfig init = layer.fields.given(key) ? initializer_of(layer, key, 1, 0)
                                                          : config::InitConfig{config::Constant{fallback}};
  if (std::holds_alternative<config::Zeros>(init.value)) return 0;
  if (std::holds_alternative<config::Ones>(init.value)) return 1;
  if (const auto* constant = std::get_if<config::Constant>(&init.value)) return constant->value;
  if (layer.import.weights_follow) return fallback;
  layer.fields.refuse(key, *layer.fields.given(key),
                      "an initializer that gives every element one value, as Zeros");
}

}  // namespace rill::nn::keras
