// WiringObserver: what wiring() follows while a model runs, from op to op, and what it makes of that.
//
// The takers (wiring_observer.cpp) note where each result comes from; finish() (wiring.cpp) tells layers and obstacles.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <rill/nn/health/sites.hpp>
#include <rill/nn/health/wiring.hpp>

namespace rill::nn::detail {

inline constexpr std::size_t no_op = static_cast<std::size_t>(-1);

// Tensors that share all their elements, in whatever shape, are one.
using Place = std::pair<const void*, std::int64_t>;
inline Place place_of(const Tensor& x) { return {rill::detail::Access::record(x).data, x.numel()}; }

// The name of a tensor that one normalisation alone has; empty if it has none.
inline const std::string& key_of(const UnitChannels& norm) {
  return norm.weight.value.defined() ? norm.weight.name : norm.mean.name;
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
    if (!Sites::is_site(run)) return;
    running_.push_back(sites_.enter(run));
  }
  void failed(std::string_view) noexcept override { running_.clear(); }
  void after(const OpRun& run) override {
    if (run.backward) return;
    const bool linear = run.name == "linear";
    for (std::size_t i = 0; i < run.inputs.size(); ++i) {
      if (const NamedTensor* found = parameter(*run.inputs[i])) ++uses_[found->name];
    }
    if (Sites::is_site(run) && !running_.empty()) return take_activation(run);
    if (linear) return take_linear(run);
    if (!take_unit_by_unit(run)) take_other(run);
  }

  Wiring finish(const Tensor& output);

 private:
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

  Sites sites_;
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

}  // namespace rill::nn::detail
