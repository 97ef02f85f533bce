#include <algorithm>

#include <rill/nn/health/find_layer.hpp>
#include <rill/nn/health/wiring_observer.hpp>

namespace rill::nn {
namespace detail {

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

}  // namespace detail

const LayerWiring& Wiring::layer(std::string_view name) const {
  return detail::find_layer("wiring", layers, name);
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
  detail::WiringObserver observer(model, x);
  return observer.finish(model(x));
}

}  // namespace rill::nn
