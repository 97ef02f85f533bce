#include <algorithm>
#include <array>

#include <rill/core/io/safetensors.hpp>
#include <rill/optim/checkpoint_history.hpp>
#include <rill/optim/checkpoint_json.hpp>

namespace rill::optim::detail {
namespace {

constexpr std::string_view reserved_prefix = "rill.", training_key = "rill.training",
                           optimizer_prefix = "rill.optimizer.", numbers_key = "rill.history.numbers",
                           places_key = "rill.history.places", sizes_key = "rill.history.sizes";

std::string part_prefix(std::string_view list, std::size_t place) {
  return rill::detail::concat("rill.", list, ".", place, ".");
}

void add_parts(std::string_view list, const std::vector<SavedPart>& parts, io::Safetensors& file) {
  for (std::size_t i = 0; i < parts.size(); ++i) {
    for (const auto& [name, value] : parts[i].state.tensors)
      file.tensors.emplace_back(part_prefix(list, i) + name, value);
  }
}

using TensorMap = std::map<std::string, Tensor>;

// Takes the tensors whose names begin with `prefix` out of the map, and gives `take` the rest of the name.
template <class Take>
void take_tensors(TensorMap& tensors, const std::string& prefix, Take take) {
  for (auto place = tensors.lower_bound(prefix);
       place != tensors.end() && place->first.starts_with(prefix);) {
    take(place->first.substr(prefix.size()), place->second);
    place = tensors.erase(place);
  }
}

// Undefined where there is none of that name.
Tensor take_tensor(TensorMap& tensors, std::string_view name) {
  const auto found = tensors.extract(std::string(name));
  return found ? found.mapped() : Tensor();
}

void take_parts(std::string_view list, TensorMap& tensors, std::vector<SavedPart>& parts) {
  for (std::size_t i = 0; i < parts.size(); ++i) {
    take_tensors(tensors, part_prefix(list, i), [&](const std::string& name, const Tensor& value) {
      parts[i].state.tensors.emplace(name, value);
    });
  }
}

}  // namespace

bool is_free_metadata(const std::string& name) {
  constexpr std::array own{"format", "rill.format", "rill.checksum", "rill.training"};
  return std::ranges::find(own, name) == own.end();
}

void save_checkpoint(const std::string& path, const Checkpoint& checkpoint) {
  io::Safetensors file{.tensors = checkpoint.weights, .metadata = checkpoint.metadata, .checksum = true};
  for (const auto& [name, value] : file.tensors)
    RILL_CHECK(!name.starts_with(reserved_prefix), path, ": the model has a parameter \"", name,
               "\", expected another name for a checkpoint");
  for (const auto& [param, state] : checkpoint.optimizer.params) {
    for (const auto& [name, value] : state.tensors)
      file.tensors.emplace_back(rill::detail::concat(optimizer_prefix, param, ".", name), value);
  }
  add_parts("callbacks", checkpoint.callbacks, file);
  add_parts("metrics", checkpoint.metrics, file);
  const SavedHistory history = save_history(checkpoint.history);
  file.tensors.emplace_back(numbers_key, history.numbers);
  file.tensors.emplace_back(places_key, history.places);
  file.tensors.emplace_back(sizes_key, history.sizes);
  file.metadata["format"] = "pt";
  file.metadata[std::string(training_key)] = training_text(checkpoint, history.names, path);
  io::save_safetensors(path, file);
}

Checkpoint load_checkpoint(const std::string& path) {
  io::Safetensors file = io::load_safetensors(path);
  const auto training = file.metadata.extract(std::string(training_key));
  RILL_CHECK(training, path, ": there is no \"", training_key,
             "\" in its metadata, expected a checkpoint of fit()");
  Checkpoint checkpoint;
  SavedHistory history{.names = read_training_text(training.mapped(), path, checkpoint)};
  TensorMap own;
  for (auto& [name, value] : file.tensors) {
    if (name.starts_with(reserved_prefix)) {
      own.emplace(name, std::move(value));
    } else {
      checkpoint.weights.emplace_back(name, std::move(value));
    }
  }
  history.numbers = take_tensor(own, numbers_key);
  history.places = take_tensor(own, places_key);
  history.sizes = take_tensor(own, sizes_key);
  checkpoint.history = load_history(history, path);
  take_parts("callbacks", own, checkpoint.callbacks);
  take_parts("metrics", own, checkpoint.metrics);
  // The names of what an optimizer keeps have no dots, those of parameters may have.
  take_tensors(own, std::string(optimizer_prefix), [&](const std::string& name, const Tensor& value) {
    const std::size_t dot = name.rfind('.');
    const auto param = checkpoint.optimizer.params.find(name.substr(0, std::min(dot, name.size())));
    RILL_CHECK(dot != std::string::npos && param != checkpoint.optimizer.params.end(), path, ": tensor \"",
               optimizer_prefix, name, "\" is of no parameter, expected one that the optimizer trains");
    param->second.tensors.push_back({name.substr(dot + 1), value});
  });
  RILL_CHECK(own.empty(), path, ": tensor \"", own.begin()->first,
             "\" belongs to nothing in the checkpoint, expected the optimizer, a callback or a metric");
  for (const auto& [key, value] : file.metadata) {
    if (is_free_metadata(key)) checkpoint.metadata.emplace(key, value);
  }
  return checkpoint;
}

}  // namespace rill::optim::detail
