#include <algorithm>

#include <rill/nn/health/sites.hpp>

namespace rill::nn::detail {

Sites::Sites(Module& model) {
  for (NamedModule& part : model.named_modules()) modules_.emplace(part.module, part);
}

bool Sites::is_site(const OpRun& run) {
  if (!run.activation || run.backward || !run.module || !run.inputs[0]->defined()) return false;
  return is_floating(run.inputs[0]->dtype()) && run.inputs[0]->numel() > 0;
}

std::size_t Sites::enter(const OpRun& run) {
  // Modules that visit() does not tell of may be made anew in every pass, elsewhere: they count as one.
  const auto found = modules_.find(run.module);
  const void* module = found == modules_.end() ? nullptr : run.module;
  const std::size_t call = calls_[module]++;
  const auto [place, fresh] = known_.try_emplace({module, call}, sites_.size());
  if (!fresh) return place->second;
  std::string name(run.name);
  if (module && !found->second.name.empty()) {
    const NamedModule& part = found->second;
    name = dynamic_cast<const Activation*>(part.module) ? part.name : part.name + "." + name;
  }
  const auto taken = [&](const std::string& candidate) {
    return std::ranges::find(sites_, candidate, &Site::name) != sites_.end();
  };
  std::string own = name;
  for (int again = 2; taken(own); ++again) own = name + "#" + std::to_string(again);
  sites_.push_back({std::move(own), std::string(run.name)});
  return place->second;
}

}  // namespace rill::nn::detail
