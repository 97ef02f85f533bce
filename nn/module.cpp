#include <algorithm>
#include <map>
#include <set>

#include <rill/core/bits.hpp>
#include <rill/core/io/safetensors.hpp>
#include <rill/nn/module.hpp>
#include <rill/nn/state_file.hpp>

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
  std::vector<NamedTensor> found;    // a tied tensor where it is met first
  std::vector<NamedTensor> aliases;  // its other names

 private:
  void add(std::string_view name, const Tensor& value) {
    std::string path = path_to(name);
    RILL_CHECK(value.defined(), "visit: tensor \"", path, "\" is undefined, expected one with elements");
    const auto [place, fresh] = names_.try_emplace(path, identity(value));
    RILL_CHECK(place->second == identity(value), "visit: two tensors are named \"", path,
               "\", expected a name for each");
    if (!fresh) return;
    (met_.insert(identity(value)).second ? found : aliases).push_back({std::move(path), value});
  }
  bool parameters_, buffers_;
  std::map<std::string, const void*> names_;
  std::set<const void*> met_;
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
    const bool known =
        std::ranges::any_of(found, [&](const NamedModule& other) { return other.module == &module; });
    if (known) return;
    found.push_back({path, &module});
    std::swap(path, path_);
    module.visit(*this);
    std::swap(path, path_);
  }
  std::string path_;
};

// Makes another tensor for every one, for a tied one the same everywhere, and puts them in once all are made.
class Replacer final : public Visitor {
 public:
  Replacer(Module& model, std::function<Tensor(const Tensor&)> make) : make_(std::move(make)) {
    model.visit(*this);
    for (const auto& [place, key] : places_) *place = made_.at(key);
  }
  void parameter(std::string_view, Tensor& value) override { note(value); }
  void buffer(std::string_view, Tensor& value) override { note(value); }
  void child(std::string_view, Module& module) override { module.visit(*this); }

 private:
  void note(Tensor& value) {
    if (!value.defined()) return;
    const auto [place, fresh] = made_.try_emplace(identity(value));
    if (fresh) place->second = make_(value);
    places_.emplace_back(&value, identity(value));
  }
  std::function<Tensor(const Tensor&)> make_;
  std::map<const void*, Tensor> made_;
  std::vector<std::pair<Tensor*, const void*>> places_;
};

using Values = std::vector<std::pair<std::string, Tensor>>;

// Every name of the state, also those of tied tensors.
Values all_values(Module& model) {
  Collector collector(true, true);
  model.visit(collector);
  Values values;
  for (auto* list : {&collector.found, &collector.aliases}) {
    for (auto& [name, value] : *list) values.emplace_back(std::move(name), value.detach());
  }
  return values;
}

// What is to become of a model's state: a value for every tensor in it, checked.
class Assignment {
 public:
  // `what` names where the values are from.
  Assignment(Module& model, const Values& values, const std::string& what) : what_(what) {
    model.visit(state_);
    for (const auto& [name, value] : values) given_.emplace(name, value);
    for (auto* list : {&state_.found, &state_.aliases}) {
      for (const auto& own : *list) take(own);
    }
    for (const NamedTensor& own : state_.found) {
      RILL_CHECK(taken_.contains(identity(own.value)), what_, ": parameter \"", own.name,
                 "\" is missing, model expects ", own.value.dtype(), " ", own.value.shape());
    }
    for (const auto& [name, value] : given_) {
      RILL_CHECK(used_.contains(name), what_, ": tensor \"", name, "\" ", value.shape(),
                 " is not a parameter of the model, expected those of its layers alone");
    }
  }

  void run() {
    for (auto& [name, value] : state_.found)
      rill::detail::copy_values(taken_.at(identity(value)).value, value);
  }

 private:
  void take(const NamedTensor& own) {
    const auto found = given_.find(own.name);
    if (found == given_.end()) return;
    const Tensor& given = found->second;
    RILL_CHECK(given.shape() == own.value.shape(), what_, ": parameter \"", own.name, "\" is ", given.shape(),
               ", model expects ", own.value.shape());
    RILL_CHECK(given.dtype() == own.value.dtype(), what_, ": parameter \"", own.name, "\" is ", given.dtype(),
               ", model expects ", own.value.dtype());
    const auto [place, fresh] = taken_.try_emplace(identity(own.value), NamedTensor{own.name, given});
    RILL_CHECK(fresh || rill::detail::same_bits(place->second.value, given), what_, ": parameters \"",
               place->second.name, "\" and \"", own.name,
               "\" differ, model expects one value, because it ties them");
    used_.insert(own.name);
  }

  const std::string& what_;
  Collector state_{true, true};
  std::map<std::string, Tensor> given_;
  std::map<const void*, NamedTensor> taken_;
  std::set<std::string> used_;
};

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
  const auto own = entry_.lock();
  if (!hooks || !own) return;
  std::erase_if(hooks->entries, [&](const auto& entry) {
    if (entry == own) entry->removed = true;
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
  handle.entry_ = hooks_->entries.back();
  return handle;
}

// NOLINTNEXTLINE(bugprone-unhandled-self-assignment,cert-oop54-cpp): a bool may be assigned to itself
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
  for (auto& [name, value] : named_parameters()) {
    value.requires_grad_(required);
    if (!required) value.zero_grad();
  }
}

void Module::to(DType dtype) {
  RILL_CHECK(is_floating(dtype), "to: dtype is ", dtype, ", expected f32 or f64 for a module");
  const Replacer replacer(*this, [dtype](const Tensor& value) {
    if (value.dtype() == dtype || !is_floating(value.dtype())) return value;
    return value.detach().to(dtype).requires_grad_(value.requires_grad());
  });
}

void Module::train(bool training) {
  for (const NamedModule& part : named_modules()) part.module->set_training(training);
}

ModeGuard::ModeGuard(Module& model, bool training) {
  for (const NamedModule& part : model.named_modules())
    modes_.emplace_back(part.module, part.module->training());
  for (const auto& [module, before] : modes_) module->set_training(training);
}

ModeGuard::~ModeGuard() {
  for (const auto& [module, training] : modes_) module->set_training(training);
}

void detail::own_tensors(const Module& model, Module& copy) {
  std::set<const Module*> originals;
  // What visit() tells of is not changed here.
  for (const NamedModule& part : const_cast<Module&>(model).named_modules()) originals.insert(part.module);
  for (const NamedModule& part : copy.named_modules()) {
    RILL_CHECK(!originals.contains(part.module), "clone: module \"", part.name,
               "\" is shared by the copy and the original, expected one that is copied with the model");
  }
  const Replacer replacer(
      copy, [](const Tensor& value) { return value.detach().clone().requires_grad_(value.requires_grad()); });
}

void copy_state(Module& from, Module& to) { Assignment(to, all_values(from), "copy_state").run(); }

io::Safetensors state_file(Module& model) {
  io::Safetensors file;
  file.tensors = all_values(model);
  file.metadata["format"] = "pt";  // what Hugging Face's readers ask for
  file.checksum = true;
  return file;
}

void load_state(Module& model, io::Safetensors file, const std::string& where) {
  // A checkpoint holds what training needs as well.
  if (file.metadata.contains("rill.training"))
    std::erase_if(file.tensors, [](const auto& tensor) { return tensor.first.starts_with("rill."); });
  Assignment(model, file.tensors, where).run();
}

void save_weights(Module& model, const std::string& path) { io::save_safetensors(path, state_file(model)); }

void load_weights(Module& model, const std::string& path) {
  load_state(model, io::load_safetensors(path), path);
}

}  // namespace rill::nn
