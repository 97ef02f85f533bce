#include <algorithm>
#include <map>

#include <rill/core/io/safetensors.hpp>
#include <rill/nn/module.hpp>

namespace rill::nn {
namespace {

const void* identity(const Tensor& tensor) { return rill::detail::Access::handle(tensor).get(); }

// Walks a tree and keeps the path of where it is.
class PathVisitor : public Visitor {
 public:
  void child(std::string_view name, Module& module) override {
    const std::size_t length = path_.size();
    path_.append(name).append(1, '.');
    module.visit(*this);
    path_.resize(length);
  }

 protected:
  std::string path_to(std::string_view name) const { return path_ + std::string(name); }

 private:
  std::string path_;
};

class Collector final : public PathVisitor {
 public:
  Collector(bool parameters, bool buffers) : parameters_(parameters), buffers_(buffers) {}
  void parameter(std::string_view name, Tensor& value) override {
    if (parameters_) add(name, value);
  }
  void buffer(std::string_view name, Tensor& value) override {
    if (buffers_) add(name, value);
  }
  std::vector<NamedTensor> found;

 private:
  void add(std::string_view name, const Tensor& value) {
    RILL_CHECK(value.defined(), "visit: tensor \"", path_to(name),
               "\" is undefined, expected one with elements");
    // A tied tensor is named where it is met first.
    const bool known = std::ranges::any_of(
        found, [&](const NamedTensor& other) { return identity(other.value) == identity(value); });
    if (!known) found.push_back({path_to(name), value});
  }
  bool parameters_, buffers_;
};

class ModuleCollector final : public Visitor {
 public:
  explicit ModuleCollector(Module& root) { enter("", root); }
  void child(std::string_view name, Module& module) override {
    enter(path_.empty() ? std::string(name) : path_ + "." + std::string(name), module);
  }
  std::vector<NamedModule> found;

 private:
  void enter(std::string path, Module& module) {
    found.push_back({path, &module});
    std::swap(path, path_);
    module.visit(*this);
    std::swap(path, path_);
  }
  std::string path_;
};

// Replaces every tensor by another one, a tied one everywhere by the same.
class Replacer final : public Visitor {
 public:
  explicit Replacer(std::function<Tensor(const Tensor&)> make) : make_(std::move(make)) {}
  void parameter(std::string_view, Tensor& value) override { replace(value); }
  void buffer(std::string_view, Tensor& value) override { replace(value); }
  void child(std::string_view, Module& module) override { module.visit(*this); }

 private:
  void replace(Tensor& value) {
    if (!value.defined()) return;
    const auto [place, fresh] = made_.try_emplace(identity(value));
    if (fresh) {
      place->second = {value, make_(value.detach()).requires_grad_(value.requires_grad())};
    }
    value = place->second.second;
  }
  std::function<Tensor(const Tensor&)> make_;
  std::map<const void*, std::pair<Tensor, Tensor>>
      made_;  // the old one lives on, so that no new one has its address
};

void copy_values(const Tensor& from, Tensor& to) {
  dispatch(to.dtype(), [&]<class T>(T) { std::ranges::copy(from.data<T>(), to.mutable_data<T>().begin()); });
}

// Copies `values` into the state of a model, if names, shapes and dtypes are the same. `what` names where they are from.
void assign(Module& model, const std::vector<std::pair<std::string, Tensor>>& values,
            const std::string& what) {
  std::map<std::string_view, const Tensor*> stored;
  for (const auto& [name, value] : values) stored.emplace(name, &value);
  std::vector<NamedTensor> state = model.named_state();
  for (const auto& [name, value] : state) {
    const auto found = stored.find(name);
    RILL_CHECK(found != stored.end(), what, ": parameter \"", name, "\" is missing, model expects ",
               value.dtype(), " ", value.shape());
    const Tensor& given = *found->second;
    RILL_CHECK(given.shape() == value.shape(), what, ": parameter \"", name, "\" is ", given.shape(),
               ", model expects ", value.shape());
    RILL_CHECK(given.dtype() == value.dtype(), what, ": parameter \"", name, "\" is ", given.dtype(),
               ", model expects ", value.dtype());
  }
  for (const auto& [name, value] : values) {
    const bool expected =
        std::ranges::any_of(state, [&key = name](const NamedTensor& own) { return own.name == key; });
    RILL_CHECK(expected, what, ": tensor \"", name, "\" ", value.shape(), " is not a parameter of the model");
  }
  for (auto& [name, value] : state) copy_values(*stored.at(name), value);
}

}  // namespace

struct detail::ForwardHooks {
  struct Entry {
    ForwardHook hook;
    bool removed = false;
  };
  std::vector<std::shared_ptr<Entry>> entries;

  Tensor run(Module& module, const Tensor& x, Tensor y) const {
    const std::vector<std::shared_ptr<Entry>> current = entries;  // a hook may add and remove hooks
    for (const auto& entry : current) {
      if (entry->removed) continue;
      Tensor replaced = entry->hook(module, x, y);
      if (replaced.defined()) y = std::move(replaced);
    }
    return y;
  }
};

void ForwardHookHandle::remove() {
  const auto hooks = hooks_.lock();
  if (!hooks) return;
  std::erase_if(hooks->entries, [this](const auto& entry) {
    if (entry.get() == entry_) entry->removed = true;
    return entry->removed;
  });
  hooks_.reset();
}

ForwardHookHandle Module::register_forward_hook(ForwardHook hook) {
  RILL_CHECK(hook, "register_forward_hook: the hook is empty, expected a function");
  if (!hooks_) hooks_ = std::make_shared<detail::ForwardHooks>();
  using Entry = detail::ForwardHooks::Entry;
  hooks_->entries.push_back(std::make_shared<Entry>(Entry{std::move(hook)}));
  ForwardHookHandle handle;
  handle.hooks_ = hooks_;
  handle.entry_ = hooks_->entries.back().get();
  return handle;
}

Module& Module::operator=(const Module& other) {
  training_ = other.training_;
  return *this;
}

Tensor Module::operator()(const Tensor& x) {
  const rill::detail::ModuleScope scope(this);
  Tensor y = forward(x);
  if (!hooks_) return y;
  const auto hooks = hooks_;  // a hook may drop the module's last one
  return hooks->run(*this, x, std::move(y));
}

std::vector<NamedTensor> Module::named_parameters() {
  Collector collector(true, false);
  visit(collector);
  return std::move(collector.found);
}

std::vector<NamedTensor> Module::named_buffers() {
  Collector collector(false, true);
  visit(collector);
  return std::move(collector.found);
}

std::vector<NamedTensor> Module::named_state() {
  Collector collector(true, true);
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

std::vector<NamedModule> Module::named_modules() {
  ModuleCollector collector(*this);
  return std::move(collector.found);
}

void Module::zero_grad() {
  for (auto& [name, value] : named_parameters()) value.zero_grad();
}

void Module::requires_grad_(bool required) {
  for (auto& [name, value] : named_parameters()) value.requires_grad_(required);
}

void Module::to(DType dtype) {
  RILL_CHECK(is_floating(dtype), "to: dtype is ", dtype, ", expected f32 or f64 for a module");
  Replacer replacer(
      [dtype](const Tensor& value) { return is_floating(value.dtype()) ? value.to(dtype) : value.clone(); });
  visit(replacer);
}

void Module::train(bool training) {
  for (const NamedModule& part : named_modules()) part.module->training_ = training;
}

EvalMode::EvalMode(Module& model) {
  for (const NamedModule& part : model.named_modules()) {
    if (std::exchange(part.module->training_, false)) were_training_.push_back(part.module);
  }
}

EvalMode::~EvalMode() {
  for (Module* module : were_training_) module->training_ = true;
}

void detail::own_tensors(Module& model) {
  Replacer replacer([](const Tensor& value) { return value.clone(); });
  model.visit(replacer);
}

void copy_state(Module& from, Module& to) {
  std::vector<std::pair<std::string, Tensor>> values;
  for (auto& [name, value] : from.named_state()) values.emplace_back(name, value);
  assign(to, values, "copy_state");
}

void save_weights(Module& model, const std::string& path) {
  io::Safetensors file;
  for (auto& [name, value] : model.named_state()) file.tensors.emplace_back(name, value.detach());
  file.metadata["format"] = "pt";  // what Hugging Face's readers ask for
  io::save_safetensors(path, file);
}

void load_weights(Module& model, const std::string& path) {
  assign(model, io::load_safetensors(path).tensors, path);
}

}  // namespace rill::nn
