#include <algorithm>

#include <rill/core/io/safetensors.hpp>
#include <rill/nn/module.hpp>

namespace rill::nn {
namespace {

struct Collector final : Visitor {
  std::vector<NamedTensor> found;
  std::string path;

  void parameter(std::string_view name, Tensor& value) override {
    const auto* record = detail::Access::handle(value).get();
    RILL_CHECK(record, "visit: parameter \"", path + std::string(name), "\" is undefined, expected a tensor");
    // A tied parameter is named where it is met first.
    const bool known = std::any_of(found.begin(), found.end(), [record](const NamedTensor& other) {
      return detail::Access::handle(other.value).get() == record;
    });
    if (!known) found.push_back({path + std::string(name), value});
  }

  void child(std::string_view name, Module& module) override {
    const std::size_t length = path.size();
    path.append(name).append(1, '.');
    module.visit(*this);
    path.resize(length);
  }
};

}  // namespace

std::vector<NamedTensor> Module::named_parameters() {
  Collector collector;
  visit(collector);
  return std::move(collector.found);
}

std::vector<Tensor> Module::parameters() {
  std::vector<Tensor> values;
  for (auto& [name, value] : named_parameters()) values.push_back(std::move(value));
  return values;
}

std::int64_t Module::parameter_count() {
  std::int64_t count = 0;
  for (const auto& [name, value] : named_parameters()) count += value.numel();
  return count;
}

void Module::zero_grad() {
  for (auto& [name, value] : named_parameters()) value.zero_grad();
}

void save_weights(Module& model, const std::string& path) {
  io::Safetensors file;
  for (auto& [name, value] : model.named_parameters()) file.tensors.emplace_back(name, value.detach());
  file.metadata["format"] = "pt";  // what Hugging Face's readers ask for
  io::save_safetensors(path, file);
}

void load_weights(Module& model, const std::string& path) {
  const io::Safetensors file = io::load_safetensors(path);
  std::map<std::string_view, const Tensor*> stored;
  for (const auto& [name, value] : file.tensors) stored.emplace(name, &value);

  std::vector<NamedTensor> parameters = model.named_parameters();
  for (const auto& [name, value] : parameters) {
    const auto found = stored.find(name);
    RILL_CHECK(found != stored.end(), path, ": parameter \"", name, "\" is missing, model expects ",
               value.dtype(), " ", value.shape());
    const Tensor& saved = *found->second;
    RILL_CHECK(saved.shape() == value.shape(), path, ": parameter \"", name, "\" is ", saved.shape(),
               ", model expects ", value.shape());
    RILL_CHECK(saved.dtype() == value.dtype(), path, ": parameter \"", name, "\" is ", saved.dtype(),
               ", model expects ", value.dtype());
  }
  for (const auto& [name, value] : file.tensors) {
    const bool expected = std::any_of(parameters.begin(), parameters.end(),
                                      [&name = name](const NamedTensor& own) { return own.name == name; });
    RILL_CHECK(expected, path, ": tensor \"", name, "\" ", value.shape(), " is not a parameter of the model");
  }
  for (auto& [name, value] : parameters) {
    dispatch(value.dtype(), [&, &parameter = value, &key = name]<class T>(T) {
      std::ranges::copy(stored.at(key)->template data<T>(), parameter.template mutable_data<T>().begin());
    });
  }
}

}  // namespace rill::nn
