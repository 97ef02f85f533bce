#include <functional>
#include <map>
#include <set>

#include <rill/nn/switch_activations.hpp>

namespace rill::nn {
namespace {

// Where an activation stands: in an AnyActivation, in a Sequential, or, with neither, as a member of a fixed type.
struct ActivationPlace {
  std::string path;
  Activation* activation = nullptr;
  AnyActivation* slot = nullptr;
  Sequential* owner = nullptr;
  std::size_t index = 0;

  bool fixed() const { return !slot && !owner; }
  void put(AnyActivation other) const {
    other.train(activation->training());
    if (slot) {
      *slot = std::as_const(other);  // a copy leaves the hooks of the slot
    } else {
      owner->replace(index, std::move(other));
    }
  }
};

std::vector<ActivationPlace> activation_places(Module& model) {
  const std::vector<NamedModule> modules = model.named_modules();
  std::map<const Module*, std::pair<Sequential*, std::size_t>> parts;
  for (const NamedModule& part : modules) {
    auto* owner = dynamic_cast<Sequential*>(part.module);
    for (std::size_t i = 0; owner && i < owner->size(); ++i) parts[&(*owner)[i]] = {owner, i};
  }
  std::vector<ActivationPlace> places;
  for (const NamedModule& part : modules) {
    auto* activation = dynamic_cast<Activation*>(part.module);
    if (!activation) continue;
    ActivationPlace place{.path = part.name, .activation = activation};
    place.slot = dynamic_cast<AnyActivation*>(activation);
    if (place.slot && !*place.slot) continue;
    if (place.slot) place.activation = place.slot->get();
    if (const auto found = parts.find(part.module); !place.slot && found != parts.end()) {
      place.owner = found->second.first;
      place.index = found->second.second;
    }
    places.push_back(std::move(place));
  }
  return places;
}

std::string kinds_text(const std::vector<ActivationPlace>& places) {
  std::set<std::string_view> kinds;
  for (const ActivationPlace& place : places) kinds.insert(place.activation->type());
  std::string text;
  for (const std::string_view kind : kinds) text.append(text.empty() ? "" : ", ").append(kind);
  return text.empty() ? "no module that is an activation" : text;
}

// What is to stand in an activation's place, in a model of that dtype; none where it stays.
using Choice = std::function<AnyActivation(const Activation&, DType)>;

std::vector<std::string> exchange_activations(Module& model, const char* where, std::string_view wanted,
                                              const Choice& choose) {
  const std::vector<ActivationPlace> places = activation_places(model);
  const std::vector<Tensor> parameters = model.parameters();
  const DType dtype = parameters.empty() ? DType::f32 : parameters[0].dtype();
  std::vector<std::pair<const ActivationPlace*, AnyActivation>> chosen;
  std::vector<std::string> paths;
  std::string fixed;
  for (const ActivationPlace& place : places) {
    AnyActivation other = choose(*place.activation, dtype);
    if (!other) continue;
    if (place.fixed()) {
      fixed.append(fixed.empty() ? "" : ", ").append(place.path.empty() ? "(model)" : place.path);
      continue;
    }
    chosen.emplace_back(&place, std::move(other));
    paths.push_back(place.path);
  }
  RILL_CHECK(fixed.empty(), where, ": activations of a fixed type at ", fixed,
             ", expected parts of a Sequential or members of type nn::AnyActivation");
  RILL_CHECK(!chosen.empty(), where, ": the model has no ", wanted, " to switch, but ", kinds_text(places),
             ", expected one in a Sequential or in an nn::AnyActivation",
             "; functions in a forward(), such as x.relu(), cannot be switched");
  // A part that goes takes what is below it along, so that comes first.
  for (auto each = chosen.rbegin(); each != chosen.rend(); ++each) each->first->put(std::move(each->second));
  return paths;
}

}  // namespace

std::vector<std::string> switch_activations(Module& model, const AnyActivation& to, std::string_view from) {
  RILL_CHECK(to, "switch_activations: to is empty, expected an activation");
  const Choice choose = [&](const Activation& activation, DType dtype) {
    if (activation.type() != from) return AnyActivation();
    AnyActivation own = clone(to);
    own.to(dtype);
    return own;
  };
  return exchange_activations(model, "switch_activations", from, choose);
}

std::vector<std::string> switch_to_prelu(Module& model) {
  const Choice choose = [](const Activation& activation, DType dtype) -> AnyActivation {
    if (dynamic_cast<const ReLU*>(&activation)) return PReLU(1, 0, dtype);
    const auto* leaky = dynamic_cast<const LeakyReLU*>(&activation);
    if (!leaky) return {};
    return PReLU(1, leaky->negative_slope(), dtype);
  };
  return exchange_activations(model, "switch_to_prelu", "relu or leaky_relu", choose);
}

}  // namespace rill::nn
