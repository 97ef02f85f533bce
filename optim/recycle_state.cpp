#include <algorithm>

#include <rill/optim/recycle.hpp>

namespace rill::optim::callbacks {
namespace {

constexpr const char* recycle_name = "Recycle";

void put_layer(StateDict& state, const std::string& at, const RecycledLayer& layer) {
  state.texts[at + "name"] = layer.name;
  state.texts[at + "activation"] = layer.activation;
  state.numbers[at + "size"] = static_cast<double>(layer.size);
  state.numbers[at + "non_finite"] = static_cast<double>(layer.non_finite);
  state.numbers[at + "function_kept"] = layer.function_kept;
  state.numbers[at + "notes"] = static_cast<double>(layer.notes.size());
  for (std::size_t i = 0; i < layer.notes.size(); ++i)
    state.texts[at + "note." + std::to_string(i)] = layer.notes[i];
  if (layer.units.empty()) return;
  Tensor units = empty({std::ssize(layer.units)}, DType::i64);
  std::ranges::copy(layer.units, units.mutable_data<std::int64_t>().begin());
  state.tensors[at + "units"] = units;
}

RecycledLayer take_layer(const StateDict& state, const std::string& at) {
  RecycledLayer layer{.name = state.text(at + "name", recycle_name),
                      .activation = state.text(at + "activation", recycle_name),
                      .size = state.count(at + "size", recycle_name),
                      .non_finite = state.count(at + "non_finite", recycle_name),
                      .function_kept = state.count(at + "function_kept", recycle_name) != 0};
  const std::int64_t notes = state.count(at + "notes", recycle_name);
  for (std::int64_t i = 0; i < notes; ++i)
    layer.notes.push_back(state.text(at + "note." + std::to_string(i), recycle_name));
  if (!state.tensors.contains(at + "units")) return layer;
  const Tensor& units = state.tensor(at + "units", recycle_name);
  RILL_CHECK(units.dtype() == DType::i64, recycle_name, ": state \"", at, "units\" is ", units.dtype(),
             ", expected i64");
  layer.units.assign(units.data<std::int64_t>().begin(), units.data<std::int64_t>().end());
  return layer;
}

}  // namespace

StateDict Recycle::state_dict() const {
  StateDict state{.numbers = {{"reports", static_cast<double>(reports_.size())}}};
  for (std::size_t i = 0; i < reports_.size(); ++i) {
    const std::string at = std::to_string(i) + ".";
    state.numbers[at + "step"] = static_cast<double>(steps_[i]);
    state.numbers[at + "samples"] = static_cast<double>(reports_[i].samples);
    state.numbers[at + "tau"] = reports_[i].tau;
    state.numbers[at + "layers"] = static_cast<double>(reports_[i].layers.size());
    for (std::size_t j = 0; j < reports_[i].layers.size(); ++j)
      put_layer(state, at + std::to_string(j) + ".", reports_[i].layers[j]);
  }
  return state;
}

void Recycle::load_state_dict(const Run&, const StateDict& state) {
  std::vector<RecycleReport> reports;
  std::vector<std::int64_t> steps;
  const std::int64_t count = state.count("reports", recycle_name);
  for (std::int64_t i = 0; i < count; ++i) {
    const std::string at = std::to_string(i) + ".";
    steps.push_back(state.count(at + "step", recycle_name));
    RecycleReport report{.samples = state.count(at + "samples", recycle_name),
                         .tau = state.number(at + "tau", recycle_name)};
    const std::int64_t layers = state.count(at + "layers", recycle_name);
    for (std::int64_t j = 0; j < layers; ++j)
      report.layers.push_back(take_layer(state, at + std::to_string(j) + "."));
    reports.push_back(std::move(report));
  }
  reports_ = std::move(reports);
  steps_ = std::move(steps);
}

}  // namespace rill::optim::callbacks
