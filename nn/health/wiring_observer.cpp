#include <algorithm>
#include <array>
#include <cmath>

#include <rill/nn/health/wiring_observer.hpp>
#include <rill/nn/norm.hpp>

namespace rill::nn::detail {
namespace {

std::int64_t last_size(const Tensor& x) { return x.dim() < 2 ? 1 : x.shape()[x.dim() - 1]; }

// The root mean square, which tells how much of the second moment a PReLU keeps.
double mean_slope(const Tensor& slopes) {
  const Tensor values = slopes.to(DType::f64);
  double squares = 0;
  for (const double slope : values.data<double>()) squares += slope * slope;
  return std::sqrt(squares / static_cast<double>(slopes.numel()));
}

}  // namespace

void WiringObserver::take_activation(const OpRun& run) {
  const std::size_t site = running_.back();
  running_.pop_back();
  if (site_runs_.size() <= site) site_runs_.resize(site + 1);
  SiteRun& seen = site_runs_[site];
  seen.info = *run.activation;
  if (run.name == "prelu") seen.info.parameter = mean_slope(*run.inputs[1]);
  seen.units = last_size(run.results[0]);
  if (const Flow* flow = flow_of(*run.inputs[0])) {
    read_by(*flow, std::string(run.name));
    seen.input = *flow;
    for (const std::size_t source : flow->sources) {
      if (weight_of_linear_[source] == no_op) continue;
      WeightActivation& made = weights_[weight_of_linear_[source]];
      if (made.activation != "linear") continue;
      made.activation = run.name;
      made.parameter = seen.info.parameter;
    }
  }
  put(run.results[0], Flow{.site = site});
}

void WiringObserver::take_linear(const OpRun& run) {
  const Tensor &x = *run.inputs[0], &weight = *run.inputs[1], &bias = *run.inputs[2];
  LinearRun made{.weight = named(weight), .bias = named(bias), .has_bias = bias.defined()};
  made.units = weight.shape()[0];
  for (const Tensor* computed : {&weight, &bias}) {
    if (const Flow* flow = flow_of(*computed)) read_by(*flow, "linear as its weight or bias");
  }
  if (const Flow* flow = flow_of(x)) {
    if (flow->linear != no_op) linears_[flow->linear].readers.emplace_back("linear");
    if (flow->site != no_op) {
      OutgoingWeight reader{.weight = made.weight, .bias = made.bias};
      const Tensor first = x.select(0, 0).to(DType::f64);
      reader.input.assign(first.data<double>().begin(), first.data<double>().end());
      SiteRun& seen = site_runs_[flow->site];
      if (!made.weight.value.defined()) {
        seen.readers.emplace_back("linear with a weight that is no parameter of the model");
      } else if (bias.defined() && !made.bias.value.defined()) {
        seen.readers.emplace_back("linear with a bias that is no parameter of the model");
      } else if (weight.shape()[1] % seen.units != 0) {
        seen.readers.emplace_back("linear with units in another order");
      } else if (x.dim() < 2) {
        seen.readers.emplace_back("linear on a single vector");
      } else {
        seen.outgoing.emplace_back(std::move(reader), *flow);
      }
    }
  }
  weight_of_linear_.push_back(no_op);
  if (made.weight.value.defined()) {
    const auto known = std::ranges::find(weights_, made.weight.name,
                                         [](const WeightActivation& other) { return other.weight.name; });
    weight_of_linear_.back() = static_cast<std::size_t>(known - weights_.begin());
    if (known == weights_.end()) weights_.push_back({.weight = made.weight});
  }
  const std::size_t number = linears_.size();
  linears_.push_back(std::move(made));
  put(run.results[0], Flow{.linear = number, .sources = {number}});
}

// What a unit is after these ops depends on that unit alone, or on the whole layer, but stays in its place.
bool WiringObserver::take_unit_by_unit(const OpRun& run) {
  std::size_t data = no_op;
  for (std::size_t i = 0; i < run.inputs.size(); ++i) {
    if (!flow_of(*run.inputs[i])) continue;
    if (data != no_op) return false;
    data = i;
  }
  if (data == no_op) return true;
  if (run.results[0].numel() != run.inputs[data]->numel()) return false;
  constexpr std::array<std::string_view, 3> same = {"reshape", "to", "dropout"};
  if (std::ranges::find(same, run.name) != same.end()) {
    put(run.results[0], Flow(*flow_of(*run.inputs[data])));
    return true;
  }
  return take_vectors(run, data);
}

bool WiringObserver::take_vectors(const OpRun& run, std::size_t data) {
  const Tensor& x = *run.inputs[data];
  Flow flow = *flow_of(x);
  const std::int64_t units = last_size(x);
  // Reshaped so that the last axis holds a part of a unit's layer, elements of a norm are those of several units.
  const bool in_place = units % units_of(flow) == 0;
  if (run.name == "layer_norm" || run.name == "batch_norm") {
    if (!in_place) return false;
    const bool layer_norm = run.name == "layer_norm";
    if (data != 0 || (layer_norm ? run.results[1].numel() * units != x.numel() : x.dim() != 2)) return false;
    UnitChannels norm = channels_of(run);
    norm.mixes = layer_norm;
    add_norm(flow, std::move(norm), false);
  } else if (run.name == "add" || run.name == "sub" || run.name == "mul" || run.name == "div") {
    const Tensor& other = *run.inputs[1 - data];
    const bool vector = other.dim() >= 1 && other.numel() == units && other.shape()[other.dim() - 1] == units;
    const auto found = modules_.find(run.module);
    const auto* norm =
        found == modules_.end() ? nullptr : dynamic_cast<const BatchNorm1d*>(found->second.module);
    if (!vector && (norm || other.numel() != 1)) return false;
    if (norm && !in_place) return false;
    if (norm) {
      add_norm(flow, channels_of(run), true);
    } else if (vector) {
      flow.foreign = run.name;
    }
  } else {
    return false;
  }
  put(run.results[0], std::move(flow));
  return true;
}

UnitChannels WiringObserver::channels_of(const OpRun& run) const {
  UnitChannels norm{.norm = std::string(run.name)};
  const auto found = modules_.find(run.module);
  if (found != modules_.end()) {
    const std::string& path = found->second.name;
    if (auto* module = dynamic_cast<BatchNorm1d*>(found->second.module)) {
      norm.norm = path.empty() ? "batch_norm" : "batch_norm " + path;
      norm.weight = named(module->weight);
      norm.bias = named(module->bias);
      const std::string prefix = path.empty() ? path : path + ".";
      norm.mean = {prefix + "running_mean", module->running_mean};
      norm.variance = {prefix + "running_var", module->running_var};
      return norm;
    }
    if (!path.empty()) norm.norm += " " + path;
  }
  norm.weight = named(*run.inputs[1]);
  norm.bias = named(*run.inputs[2]);
  return norm;
}

void WiringObserver::add_norm(Flow& flow, UnitChannels norm, bool several_ops) {
  norm.before = flow.site == no_op;
  if (several_ops && !flow.norms.empty() && flow.norms.back().norm == norm.norm) return;
  if (!key_of(norm).empty()) ++norm_uses_[key_of(norm)];
  flow.norms.push_back(std::move(norm));
}

void WiringObserver::take_other(const OpRun& run) {
  Flow flow;
  for (const Tensor* input : run.inputs) {
    const Flow* from = flow_of(*input);
    if (!from) continue;
    read_by(*from, std::string(run.name));
    flow.sources.insert(from->sources.begin(), from->sources.end());
  }
  for (const Tensor& result : run.results) {
    if (result.defined()) put(result, flow);
  }
}

}  // namespace rill::nn::detail
