#include <cmath>
#include <map>
#include <set>
#include <span>

#include <rill/core/bits.hpp>
#include <rill/core/ops/linear.hpp>
#include <rill/nn/health/wiring.hpp>
#include <rill/nn/initialise.hpp>
#include <rill/nn/layers.hpp>

namespace rill::nn::init {
namespace {

const void* record_of(const Tensor& x) { return rill::detail::Access::handle(x).get(); }

// --- rai -----------------------------------------------------------------------------------------------------------

// Rows [w; b] of a layer with n weights a unit.
template <class T>
void draw_rai(std::span<T> weight, std::span<T> bias, std::size_t n, Stream stream) {
  const double std = 0.6007 / std::sqrt(static_cast<double>(n));
  const std::size_t rows = weight.size() / n;
  for (std::size_t row = 0; row < rows; ++row) {
    T* const weights = weight.data() + row * n;
    const std::size_t size = bias.empty() ? n : n + 1;
    const auto place = [&](std::size_t i) -> T& { return i < n ? weights[i] : bias[row]; };
    for (std::size_t i = 0; i < size; ++i) place(i) = static_cast<T>(std * stream.normal());
    // The distribution function of Beta(2, 1) is x².
    const std::size_t chosen = stream.below(size);
    place(chosen) = static_cast<T>(std::sqrt(stream.uniform()));
  }
}

// --- what a pass tells of weights ----------------------------------------------------------------------------------

// A parameter that linear ops read as their weight, and the parameters that they add to what it makes.
struct LinearWeight {
  NamedTensor weight;
  std::vector<Tensor> biases;
};

class LinearFinder final : public Observer {
 public:
  explicit LinearFinder(Module& model) {
    for (const NamedTensor& own : model.named_parameters()) parameters_.emplace(record_of(own.value), own);
  }
  void after(const OpRun& run) override {
    if (run.name != "linear" || run.backward) return;
    const auto weight = parameters_.find(record_of(*run.inputs[1]));
    if (weight == parameters_.end()) return;
    const auto [place, fresh] = met_.try_emplace(weight->first, found.size());
    if (fresh) found.push_back({weight->second, {}});
    const Tensor& bias = *run.inputs[2];
    if (parameters_.contains(record_of(bias))) found[place->second].biases.push_back(bias);
  }
  std::vector<LinearWeight> found;  // in the order in which they run, each once

 private:
  std::map<const void*, NamedTensor> parameters_;
  std::map<const void*, std::size_t> met_;  // places in found
};

Tensor checked_probe(const char* where, Module& model, const Tensor& probe) {
  RILL_CHECK(probe.defined() && probe.dim() >= 1 && probe.numel() > 0, where, ": the probe is ",
             probe.defined() ? rill::detail::concat(probe.shape()) : "undefined",
             ", expected samples [n, ...]");
  const std::vector<Tensor> parameters = model.parameters();
  if (parameters.empty() || !is_floating(probe.dtype())) return probe.detach();
  return probe.detach().to(parameters[0].dtype());
}

std::vector<LinearWeight> linear_weights(const char* where, Module& model, const Tensor& probe) {
  LinearFinder finder(model);
  model(probe);
  RILL_CHECK(!finder.found.empty(), where,
             ": no linear op of the model reads a parameter, expected a Dense or a call of linear()");
  return std::move(finder.found);
}

void set_zero(Tensor& bias) {
  Generator none(0);
  if (bias.defined()) zeros()(bias, none);
}

// --- lsuv ----------------------------------------------------------------------------------------------------------

// Of all elements, around their mean.
double variance_of(const Tensor& x) {
  double squares = 0;
  dispatch_floating(x.dtype(), "lsuv", [&]<class T>(T) {
    double sum = 0;
    for (const T value : x.data<T>()) sum += value;
    const double mean = sum / static_cast<double>(x.numel());
    for (const T value : x.data<T>()) squares += (value - mean) * (value - mean);
  });
  return squares / static_cast<double>(x.numel());
}

void divide(Tensor& weight, double by) {
  dispatch_floating(weight.dtype(), "lsuv", [&]<class T>(T) {
    for (T& value : weight.mutable_data<T>()) value = static_cast<T>(value / by);
  });
}

// Scales each weight just before the first linear op that reads it, so that one pass is enough for all.
class UnitVariance final : public Observer {
 public:
  UnitVariance(const std::vector<LinearWeight>& weights, const LsuvOptions& options) : options_(options) {
    for (const LinearWeight& each : weights) waiting_.emplace(record_of(each.weight.value), each.weight);
  }
  void before(const OpRun& run) override {
    if (run.name != "linear" || run.backward || run.inputs.empty()) return;
    const auto found = waiting_.find(record_of(*run.inputs[1]));
    if (found == waiting_.end()) return;
    NamedTensor weight = found->second;
    waiting_.erase(found);
    double variance = variance_of(linear(*run.inputs[0], weight.value));
    for (int tries = 0; !near_one(variance); ++tries) {
      RILL_CHECK(std::isfinite(variance) && variance > 0, "lsuv: the variance of what \"", weight.name,
                 "\" makes of the probe is ", variance, ", expected a finite number above 0");
      RILL_CHECK(tries < options_.max_tries, "lsuv: the variance of what \"", weight.name,
                 "\" makes of the probe is ", variance, " after ", tries, " tries, expected 1 within ",
                 options_.tolerance);
      divide(weight.value, std::sqrt(variance));
      variance = variance_of(linear(*run.inputs[0], weight.value));
    }
  }
  void after(const OpRun&) override {}

 private:
  bool near_one(double variance) const { return std::abs(variance - 1) <= options_.tolerance; }
  const LsuvOptions& options_;
  std::map<const void*, NamedTensor> waiting_;
};

// Puts the values of tensors back unless all went well.
class Rollback {
 public:
  void keep(const Tensor& value) {
    if (value.defined()) kept_.emplace_back(value, value.detach().clone());
  }
  void all_went_well() { kept_.clear(); }
  ~Rollback() {
    for (auto& [value, before] : kept_) rill::detail::copy_values(before, value);
  }

 private:
  std::vector<std::pair<Tensor, Tensor>> kept_;
};

void check_finite(const Tensor& probe) {
  if (!is_floating(probe.dtype())) return;
  dispatch_floating(probe.dtype(), "lsuv", [&]<class T>(T) {
    for (const T value : probe.data<T>())
      RILL_CHECK(std::isfinite(value), "lsuv: the probe has a ", value, ", expected finite numbers");
  });
}

// --- variance_preserving -------------------------------------------------------------------------------------------

double gain_before(const WeightActivation& made) {
  try {
    return activation_gain(made.activation, made.parameter);
  } catch (const Error& error) {
    rill::detail::fail(rill::detail::concat("variance_preserving: the gain of \"", made.weight.name,
                                            "\" is not known; ", error.what()));
  }
}

}  // namespace

double activation_gain(std::string_view op, std::optional<double> parameter) {
  if (op == "gelu_tanh") return variance_gain("gelu");
  const bool plain = !parameter || (op == "softplus" && *parameter == 1);
  return plain ? variance_gain(op) : variance_gain(op, *parameter);
}

void rai(Module& model, Generator& generator, const RaiOptions& options) {
  std::vector<Dense*> layers;
  std::set<const void*> met;
  for (const NamedModule& part : model.named_modules()) {
    auto* dense = dynamic_cast<Dense*>(part.module);
    if (dense && met.insert(record_of(dense->weight)).second) layers.push_back(dense);
  }
  RILL_CHECK(!layers.empty(), "rai: the model has no Dense, expected at least one");
  for (Dense* dense : layers) {
    Tensor &weight = dense->weight, &bias = dense->bias;
    if (options.symmetric_first_layer && dense == layers[0]) {
      kaiming_normal()(weight, generator);
      set_zero(bias);
      continue;
    }
    dispatch_floating(weight.dtype(), "rai", [&]<class T>(T) {
      draw_rai<T>(weight.mutable_data<T>(), bias.defined() ? bias.mutable_data<T>() : std::span<T>(),
                  static_cast<std::size_t>(weight.shape()[1]), generator.stream(Purpose::init));
    });
  }
}

void lsuv(Module& model, const Tensor& probe, Generator& generator, const LsuvOptions& options) {
  RILL_CHECK(std::isfinite(options.tolerance) && options.tolerance > 0, "lsuv: tolerance is ",
             options.tolerance, ", expected a finite number above 0");
  RILL_CHECK(options.max_tries >= 1, "lsuv: max_tries is ", options.max_tries, ", expected 1 or more");
  const NoGrad no_grad;
  const EvalMode evaluating(model);
  const Tensor x = checked_probe("lsuv", model, probe);
  check_finite(x);
  std::vector<LinearWeight> weights = linear_weights("lsuv", model, x);
  Rollback rollback;
  for (LinearWeight& each : weights) {
    rollback.keep(each.weight.value);
    for (const Tensor& bias : each.biases) rollback.keep(bias);
  }
  Generator drawn = generator;
  for (LinearWeight& each : weights) {
    orthogonal()(each.weight.value, drawn);
    for (Tensor& bias : each.biases) set_zero(bias);
  }
  const UnitVariance scaling(weights, options);
  model(x);
  rollback.all_went_well();
  generator = drawn;
}

void variance_preserving(Module& model, const Tensor& probe, Generator& generator) {
  const NoGrad no_grad;
  const EvalMode evaluating(model);
  const Tensor x = checked_probe("variance_preserving", model, probe);
  std::vector<LinearWeight> weights = linear_weights("variance_preserving", model, x);
  std::vector<std::pair<Tensor, double>> gains;
  for (const WeightActivation& made : wiring(model, x).weights)
    gains.emplace_back(made.weight.value, gain_before(made));
  for (auto& [weight, gain] : gains) kaiming_normal(gain)(weight, generator);
  for (LinearWeight& each : weights) {
    for (Tensor& bias : each.biases) set_zero(bias);
  }
}

}  // namespace rill::nn::init
