#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>

#include <rill/nn/health/sites.hpp>
#include <rill/nn/health/wiring.hpp>
#include <rill/nn/norm.hpp>

namespace rill::nn {
namespace {

constexpr std::size_t no_op = static_cast<std::size_t>(-1);

// Tensors that share all their elements, in whatever shape, are one.
using Place = std::pair<const void*, std::int64_t>;
Place place_of(const Tensor& x) { return {rill::detail::Access::record(x).data, x.numel()}; }

// The name of a tensor that one normalisation alone has; empty if it has none.
const std::string& key_of(const UnitChannels& norm) {
  return norm.weight.value.defined() ? norm.weight.name : norm.mean.name;
}

std::int64_t last_size(const Tensor& x) { return x.dim() < 2 ? 1 : x.shape()[x.dim() - 1]; }

// The root mean square, which tells how much of the second moment a PReLU keeps.
double mean_slope(const Tensor& slopes) {
  const Tensor values = slopes.to(DType::f64);
  double squares = 0;
  for (const double slope : values.data<double>()) squares += slope * slope;
  return std::sqrt(squares / static_cast<double>(slopes.numel()));
}

// Where a value comes from: unit by unit from one linear op, or from one activation; or from elsewhere.
struct Flow {
  std::size_t linear = no_op, site = no_op;
  std::vector<UnitChannels> norms = {};
  std::string foreign = {};            // an op whose vectors are not known to be a normalisation's
  std::set<std::size_t> sources = {};  // linear ops since the last activation, by any way
};

// A linear op that ran.
struct LinearRun {
  NamedTensor weight, bias;  // named where they are parameters
  bool has_bias = false;
  std::int64_t units = 0;
  std::vector<std::string> readers = {};  // what its units go into, in the end
};

// An activation that ran.
struct SiteRun {
  ActivationInfo info;
  std::int64_t units = 0;
  Flow input = {};
  std::vector<std::pair<OutgoingWeight, Flow>> outgoing = {};
  std::vector<std::string> readers = {};  // other than linear ops
};

class WiringObserver final : public Observer {
 public:
  WiringObserver(Module& model, const Tensor& probe) : sites_(model), parameters_(model.named_parameters()) {
    for (const NamedModule& part : model.named_modules()) modules_.emplace(part.module, part);
    for (std::size_t i = 0; i < parameters_.size(); ++i) by_place_.emplace(place_of(parameters_[i].value), i);
    put(probe, {});
  }

  void before(const OpRun& run) override {
    if (!is_site(run)) return;
    running_.push_back(sites_.enter(run));
  }
  void failed(std::string_view) noexcept override { running_.clear(); }
  void after(const OpRun& run) override {
    if (run.backward) return;
    const bool linear = run.name == "linear";
    for (std::size_t i = 0; i < run.inputs.size(); ++i) {
      if (const NamedTensor* found = parameter(*run.inputs[i])) ++uses_[found->name];
    }
    if (is_site(run) && !running_.empty()) return take_activation(run);
    if (linear) return take_linear(run);
    if (!take_unit_by_unit(run)) take_other(run);
  }

  Wiring finish(const Tensor& output);

 private:
  // As audit() tells sites.
  static bool is_site(const OpRun& run) {
    if (!run.activation || run.backward || !run.module || !run.inputs[0]->defined()) return false;
    return is_floating(run.inputs[0]->dtype()) && run.inputs[0]->numel() > 0;
  }
  const Flow* flow_of(const Tensor& x) const {
    if (!x.defined()) return nullptr;
    const auto found = flows_.find(place_of(x));
    return found == flows_.end() ? nullptr : &found->second;
  }
  // What flows is kept, so that no other tensor gets its memory.
  void put(const Tensor& x, Flow flow) {
    kept_.push_back(x);
    flows_.insert_or_assign(place_of(x), std::move(flow));
  }
  const NamedTensor* parameter(const Tensor& x) const {
    if (!x.defined()) return nullptr;
    const auto found = by_place_.find(place_of(x));
    if (found == by_place_.end() || parameters_[found->second].value.shape() != x.shape()) return nullptr;
    return &parameters_[found->second];
  }
  NamedTensor named(const Tensor& x) const {
    const NamedTensor* found = parameter(x);
    return found ? *found : NamedTensor{};
  }
  void read_by(const Flow& flow, const std::string& reader) {
    if (flow.linear != no_op) linears_[flow.linear].readers.push_back(reader);
    if (flow.site != no_op) site_runs_[flow.site].readers.push_back(reader);
  }

  void take_activation(const OpRun& run);
  void take_linear(const OpRun& run);
  bool take_unit_by_unit(const OpRun& run);
  bool take_vectors(const OpRun& run, std::size_t data);
  void take_other(const OpRun& run);
  UnitChannels channels_of(const OpRun& run) const;
  void add_norm(Flow& flow, UnitChannels norm, bool several_ops);
  bool used_again(const NamedTensor& parameter) const {
    const auto found = uses_.find(parameter.name);
    return parameter.value.defined() && found != uses_.end() && found->second > 1;
  }
  bool used_again(const UnitChannels& norm) const {
    if (used_again(norm.weight) || used_again(norm.bias)) return true;
    return !key_of(norm).empty() && norm_uses_.at(key_of(norm)) > 1;
  }
  // How many units the layer has that a value comes from; 1 from elsewhere.
  std::int64_t units_of(const Flow& flow) const {
    if (flow.site != no_op) return site_runs_[flow.site].units;
    return flow.linear != no_op ? linears_[flow.linear].units : 1;
  }
  LayerWiring layer(std::size_t site) const;
  std::string obstacle(const SiteRun& seen) const;
  std::string incoming_obstacle(const SiteRun& seen) const;

  detail::Sites sites_;
  std::map<const void*, NamedModule> modules_;
  std::vector<NamedTensor> parameters_;
  std::map<Place, std::size_t> by_place_;
  std::map<std::string, int> uses_;       // of parameters, by ops
  std::map<std::string, int> norm_uses_;  // by key_of()
  std::map<Place, Flow> flows_;
  std::vector<Tensor> kept_;
  std::vector<std::size_t> running_;
  std::vector<LinearRun> linears_;
  std::vector<SiteRun> site_runs_;  // by the number of the site
  std::vector<WeightActivation> weights_;
  std::vector<std::size_t> weight_of_linear_;  // places in weights_, or no_op
};

void WiringObserver::take_activation(const OpRun& run) {
  const std::size_t site = running_.back();
  running_.pop_back();
  if (site_runs_.size() <= site) site_runs_.resize(site + 1);
  SiteRun& seen = site_runs_[site];
  seen.info = *run.activation;
  seen.units = last_size(run.results[0]);
  if (const Flow* flow = flow_of(*run.inputs[0])) {
    read_by(*flow, std::string(run.name));
    seen.input = *flow;
    for (const std::size_t source : flow->sources) {
      if (weight_of_linear_[source] == no_op) continue;
      WeightActivation& made = weights_[weight_of_linear_[source]];
      if (made.activation != "linear") continue;
      made.activation = run.name;
      made.parameter = run.name == "prelu" ? mean_slope(*run.inputs[1]) : run.activation->parameter;
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

std::string WiringObserver::incoming_obstacle(const SiteRun& seen) const {
  if (seen.input.linear == no_op) return "its pre-activation does not come from one Dense";
  const LinearRun& made = linears_[seen.input.linear];
  if (!made.weight.value.defined() || (made.has_bias && !made.bias.value.defined()))
    return "its pre-activation is made from what is no parameter of the model";
  for (const NamedTensor* used : {&made.weight, &made.bias}) {
    if (used_again(*used)) return used->name + " is used more than once";
  }
  if (seen.units != made.units) return "its units are not those of " + made.weight.name;
  if (made.readers.size() > 1) {
    const auto other = std::ranges::find_if(
        made.readers, [&](const std::string& reader) { return reader == "the model's output"; });
    return "its pre-activation goes into " + made.readers[0] + " and into " +
           (other == made.readers.end() ? made.readers[1] : *other);
  }
  if (!seen.input.foreign.empty())
    return "its pre-activation goes through " + seen.input.foreign +
           " with a vector that is no BatchNorm1d's";
  return {};
}

std::string WiringObserver::obstacle(const SiteRun& seen) const {
  if (!seen.readers.empty()) {
    return seen.readers[0] == "the model's output" ? "its output is the model's output"
                                                   : "its output goes into " + seen.readers[0];
  }
  if (std::string why = incoming_obstacle(seen); !why.empty()) return why;
  if (seen.outgoing.empty()) return "nothing reads its output";
  for (const auto& [reader, flow] : seen.outgoing) {
    for (const NamedTensor* used : {&reader.weight, &reader.bias}) {
      if (used_again(*used)) return used->name + " is used more than once";
    }
    for (const UnitChannels& norm : flow.norms) {
      if (used_again(norm)) return norm.norm + " is used more than once";
    }
  }
  for (const UnitChannels& norm : seen.input.norms) {
    if (used_again(norm)) return norm.norm + " is used more than once";
  }
  return {};
}

LayerWiring WiringObserver::layer(std::size_t site) const {
  const SiteRun& seen = site_runs_[site];
  LayerWiring layer{.name = sites_[site].name,
                    .activation = sites_[site].activation,
                    .parameter = seen.info.parameter,
                    .units = seen.units};
  if (seen.input.linear != no_op) {
    layer.weight = linears_[seen.input.linear].weight;
    layer.bias = linears_[seen.input.linear].bias;
  }
  layer.norms = seen.input.norms;
  for (const auto& [reader, flow] : seen.outgoing) {
    layer.outgoing.push_back(reader);
    // Those on the way to several readers are met with each.
    for (const UnitChannels& norm : flow.norms) {
      const auto known = std::ranges::find_if(layer.norms, [&](const UnitChannels& other) {
        return other.norm == norm.norm && key_of(other) == key_of(norm);
      });
      if (known == layer.norms.end()) layer.norms.push_back(norm);
    }
  }
  layer.obstacle = obstacle(seen);
  const auto mixing = std::ranges::find_if(layer.norms, &UnitChannels::mixes);
  if (mixing != layer.norms.end())
    layer.mixing = mixing->norm + (mixing->before ? " before" : " after") + " the activation mixes the units";
  return layer;
}

Wiring WiringObserver::finish(const Tensor& output) {
  if (const Flow* flow = flow_of(output)) read_by(*flow, "the model's output");
  Wiring wiring;
  for (std::size_t site = 0; site < site_runs_.size(); ++site) wiring.layers.push_back(layer(site));
  wiring.weights = std::move(weights_);
  return wiring;
}

}  // namespace

const LayerWiring& Wiring::layer(std::string_view name) const {
  const auto found = std::ranges::find(
      layers, name, [](const LayerWiring& known) -> std::string_view { return known.name; });
  if (found != layers.end()) return *found;
  std::string names;
  for (const LayerWiring& known : layers) names += (names.empty() ? "" : ", ") + known.name;
  rill::detail::fail(
      rill::detail::concat("wiring: there is no layer \"", name, "\", expected one of ", names));
}

Wiring wiring(Module& model, const Tensor& probe) {
  RILL_CHECK(probe.defined() && probe.dim() >= 1 && probe.numel() > 0, "wiring: the probe is ",
             probe.defined() ? rill::detail::concat(probe.shape()) : "undefined",
             ", expected samples [n, ...]");
  const NoGrad no_grad;
  const EvalMode evaluating(model);
  const std::vector<Tensor> parameters = model.parameters();
  Tensor x = probe.detach();
  if (!parameters.empty() && is_floating(x.dtype())) x = x.to(parameters[0].dtype());
  WiringObserver observer(model, x);
  return observer.finish(model(x));
}

}  // namespace rill::nn
