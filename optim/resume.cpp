#include <algorithm>
#include <functional>
#include <set>

#include <rill/core/bits.hpp>
#include <rill/optim/resume.hpp>

namespace rill::optim::detail {
namespace {

using rill::detail::concat;

const void* record_of(const Tensor& tensor) { return rill::detail::Access::handle(tensor).get(); }

// Parameters, buffers and counters of a model by all their names, those of tied tensors too.
class ModelNames final : public nn::Visitor {
 public:
  explicit ModelNames(nn::Module& model) { model.visit(*this); }
  void parameter(std::string_view name, Tensor& value) override { add(name, value); }
  void buffer(std::string_view name, Tensor& value) override { add(name, value); }
  void counter(std::string_view name, std::uint64_t& value) override {
    counters.try_emplace(path_ + std::string(name), &value);
  }
  void child(std::string_view name, nn::Module& module) override {
    const std::size_t length = path_.size();
    path_.append(name).append(1, '.');
    module.visit(*this);
    path_.resize(length);
  }

  /// The name under which a parameter was met first. Throws Error for another tensor.
  const std::string& name_of(const Tensor& param) const {
    const auto found = first_names_.find(record_of(param));
    RILL_CHECK(found != first_names_.end(), "checkpoint: the optimizer trains a tensor ", param.shape(),
               " that is none of the model's, expected parameters of the model alone");
    return found->second;
  }

  std::vector<std::pair<std::string, Tensor>> tensors;
  std::map<std::string, std::uint64_t*> counters;

 private:
  void add(std::string_view name, const Tensor& value) {
    std::string path = path_ + std::string(name);
    first_names_.try_emplace(record_of(value), path);
    if (known_.insert(path).second) tensors.emplace_back(std::move(path), value);
  }
  std::string path_;
  std::set<std::string> known_;
  std::map<const void*, std::string> first_names_;
};

SavedLoader describe_loader(const Training& training) {
  const nn::data::LoaderOptions& options = training.loader.options();
  SavedLoader saved{.samples = training.loader.dataset().size(),
                    .batch_size = options.batch_size,
                    .batches = training.run.batches,
                    .shuffle = options.shuffle,
                    .drop_last = options.drop_last,
                    .seed = options.seed};
  for (const auto& transform : options.transforms) saved.transforms.emplace_back(transform->type());
  return saved;
}

SavedOptimizer describe_optimizer(Optimizer& optimizer, const ModelNames& names) {
  SavedOptimizer saved{.name = optimizer.name(), .momentum = optimizer.momentum()};
  for (std::size_t group = 0; group < optimizer.group_count(); ++group) {
    SavedGroup& own =
        saved.groups.emplace_back(SavedGroup{optimizer.lr(group), optimizer.initial_lr(group), {}});
    for (const Tensor& param : optimizer.params(group)) {
      own.params.push_back(names.name_of(param));
      saved.params[own.params.back()] = optimizer.state(param);
    }
  }
  return saved;
}

std::vector<Callback*> lasting(const Training& training) {
  std::vector<Callback*> callbacks;
  for (const auto& callback : training.callbacks) {
    if (!callback->type().empty()) callbacks.push_back(callback.get());
  }
  return callbacks;
}

// --- what has to fit ---------------------------------------------------------------------------------------------------

// Compares a training with a checkpoint, and complains in the name of the file.
class Comparison {
 public:
  explicit Comparison(const std::string& path) : path_(path) {}

  void same(const std::string& what, const auto& own, const auto& saved) const {
    RILL_CHECK(own == saved, path_, ": ", what, " is ", own, ", expected ", saved,
               " as in the checkpoint; resume with what the run began with");
  }

  void names(const std::string& what, const std::vector<std::string>& own,
             const std::vector<std::string>& saved) const {
    const auto listed = [](const std::vector<std::string>& list) {
      std::string text;
      for (const std::string& name : list) text += (text.empty() ? "" : ", ") + name;
      return list.empty() ? "none" : text;
    };
    if (own != saved) same(what, listed(own), listed(saved));
  }

  void model(const ModelNames& own, const Checkpoint& saved) const {
    std::map<std::string, Tensor> given(saved.weights.begin(), saved.weights.end());
    std::map<const void*, Tensor> tied;
    for (const auto& [name, value] : own.tensors) {
      const auto found = given.extract(name);
      RILL_CHECK(found, path_, ": parameter \"", name, "\" is missing, model expects ", value.dtype(), " ",
                 value.shape());
      const Tensor& from = found.mapped();
      RILL_CHECK(from.shape() == value.shape() && from.dtype() == value.dtype(), path_, ": parameter \"",
                 name, "\" is ", from.dtype(), " ", from.shape(), ", model expects ", value.dtype(), " ",
                 value.shape());
      const auto [first, fresh] = tied.try_emplace(record_of(value), from);
      RILL_CHECK(fresh || rill::detail::same_bits(first->second, from), path_, ": parameter \"", name,
                 "\" differs from the one that the model ties it to, expected one value");
    }
    RILL_CHECK(given.empty(), path_, ": tensor \"", given.begin()->first, "\" ",
               given.begin()->second.shape(),
               " is not a parameter of the model, expected those of its layers alone");
    std::vector<std::string> own_counters, saved_counters;
    for (const auto& [name, place] : own.counters) own_counters.push_back(name);
    for (const auto& [name, value] : saved.counters) saved_counters.push_back(name);
    names("the list of the model's counters", own_counters, saved_counters);
  }

  void optimizer(const SavedOptimizer& own, const SavedOptimizer& saved) const {
    same("the optimizer", own.name, saved.name);
    same("the optimizer's number of groups", own.groups.size(), saved.groups.size());
    for (std::size_t i = 0; i < own.groups.size(); ++i)
      names(concat("the optimizer's group ", i), own.groups[i].params, saved.groups[i].params);
    same("whether the optimizer has a momentum", own.momentum.has_value(), saved.momentum.has_value());
    for (const auto& [name, state] : own.params)
      RILL_CHECK(saved.params.contains(name), path_, ": the optimizer's state of \"", name,
                 "\" is missing, expected one for each parameter");
  }

  void loader(const SavedLoader& own, const SavedLoader& saved) const {
    same("the loader's number of samples", own.samples, saved.samples);
    same("the loader's batch_size", own.batch_size, saved.batch_size);
    same("the number of batches an epoch", own.batches, saved.batches);
    same("the loader's shuffle", own.shuffle, saved.shuffle);
    same("the loader's drop_last", own.drop_last, saved.drop_last);
    same("the loader's seed", own.seed, saved.seed);
    names("the list of the loader's transforms", own.transforms, saved.transforms);
  }

  template <class Saved>
  void parts(const std::string& what, const std::vector<std::string>& own,
             const std::vector<Saved>& saved) const {
    std::vector<std::string> expected;
    expected.reserve(saved.size());
    for (const Saved& part : saved) expected.push_back(part.name);
    names(what, own, expected);
  }

 private:
  const std::string& path_;
};

void check_fit(const Training& training, const ModelNames& names, const Checkpoint& checkpoint,
               const std::string& path) {
  const Comparison compare(path);
  compare.model(names, checkpoint);
  compare.optimizer(describe_optimizer(training.run.optimizer, names), checkpoint.optimizer);
  compare.loader(describe_loader(training), checkpoint.loader);
  std::vector<std::string> schedules, callbacks, metrics;
  if (training.run.schedule) schedules.emplace_back(training.run.schedule->name());
  for (const Callback* callback : lasting(training)) callbacks.emplace_back(callback->type());
  compare.parts("the schedule", schedules, checkpoint.schedules);
  compare.parts("the list of callbacks that last", callbacks, checkpoint.callbacks);
  if (checkpoint.position.epoch_step == 0) return;
  for (const auto& metric : training.metrics) metrics.push_back(metric->name());
  compare.parts("the list of metrics", metrics, checkpoint.metrics);
}

// --- what comes back ---------------------------------------------------------------------------------------------------

// Steps that are taken back, the last one first, unless keep() is called.
class Undo {
 public:
  Undo() = default;
  Undo(const Undo&) = delete;
  Undo& operator=(const Undo&) = delete;
  ~Undo() {
    for (auto step = steps_.rbegin(); step != steps_.rend(); ++step) {
      try {
        (*step)();
      } catch (const Error&) {  // such as a log that is gone: the first error says more
      }
    }
  }
  void add(std::function<void()> step) { steps_.push_back(std::move(step)); }
  void keep() { steps_.clear(); }

 private:
  std::vector<std::function<void()>> steps_;
};

void restore_schedule(const Training& training, const Checkpoint& checkpoint, Undo& undo) {
  if (checkpoint.schedules.empty()) return;
  Schedule* schedule = training.run.schedule;
  undo.add([schedule, before = schedule->state()] { schedule->set_state(before); });
  schedule->set_state(checkpoint.schedules[0].state);
}

void set_rates(Optimizer& optimizer, const SavedOptimizer& saved) {
  for (std::size_t i = 0; i < saved.groups.size(); ++i)
    optimizer.restore_lr(i, saved.groups[i].lr, saved.groups[i].initial_lr);
  if (saved.momentum) optimizer.set_momentum(*saved.momentum);
}

// The bits of the learning rates need not be those that a schedule would set: scale_lr() rounds elsewhere.
void restore_optimizer(Optimizer& optimizer, const ModelNames& names, const SavedOptimizer& saved,
                       Undo& undo) {
  for (std::size_t group = 0; group < optimizer.group_count(); ++group) {
    for (const Tensor& param : optimizer.params(group)) {
      undo.add([&optimizer, param, before = optimizer.state(param)] { optimizer.set_state(param, before); });
      optimizer.set_state(param, saved.params.at(names.name_of(param)));
    }
  }
  set_rates(optimizer, saved);
}

template <class Part>
void restore_part(Part& part, const StateDict& state, Undo& undo, auto load) {
  undo.add([&part, load, before = part.state_dict()] { load(part, before); });
  load(part, state);
}

void restore_parts(const Training& training, const Checkpoint& checkpoint, Undo& undo) {
  const std::vector<Callback*> callbacks = lasting(training);
  for (std::size_t i = 0; i < checkpoint.callbacks.size(); ++i)
    restore_part(*callbacks[i], checkpoint.callbacks[i].state, undo,
                 [&run = training.run](Callback& callback, const StateDict& state) {
                   callback.load_state_dict(run, state);
                 });
  if (checkpoint.position.epoch_step == 0) return;
  for (std::size_t i = 0; i < checkpoint.metrics.size(); ++i)
    restore_part(*training.metrics[i], checkpoint.metrics[i].state, undo,
                 [](Metric& metric, const StateDict& state) { metric.load_state_dict(state); });
}

void restore_model(const ModelNames& names, const Checkpoint& checkpoint) {
  const std::map<std::string, Tensor> given(checkpoint.weights.begin(), checkpoint.weights.end());
  for (auto [name, value] : names.tensors) rill::detail::copy_values(given.at(name), value);
  for (const auto& [name, place] : names.counters) *place = checkpoint.counters.at(name);
}

}  // namespace

Checkpoint capture(const Training& training, bool within_epoch) {
  const ModelNames names(training.run.model);
  Checkpoint checkpoint;
  for (const auto& [name, value] : names.tensors) checkpoint.weights.emplace_back(name, value.detach());
  for (const auto& [name, place] : names.counters) checkpoint.counters[name] = *place;
  checkpoint.optimizer = describe_optimizer(training.run.optimizer, names);
  if (const Schedule* schedule = training.run.schedule)
    checkpoint.schedules.push_back({schedule->name(), schedule->state()});
  for (const Callback* callback : lasting(training))
    checkpoint.callbacks.push_back({std::string(callback->type()), callback->state_dict()});
  if (within_epoch) {
    for (const auto& metric : training.metrics)
      checkpoint.metrics.push_back({metric->name(), metric->state_dict()});
  }
  checkpoint.loader = describe_loader(training);
  return checkpoint;
}

void restore(const Training& training, const Checkpoint& checkpoint, const std::string& path) {
  const ModelNames names(training.run.model);
  check_fit(training, names, checkpoint, path);
  Optimizer& optimizer = training.run.optimizer;
  Undo undo;
  undo.add([&optimizer, before = describe_optimizer(optimizer, names)] { set_rates(optimizer, before); });
  try {
    restore_schedule(training, checkpoint, undo);
    restore_optimizer(optimizer, names, checkpoint.optimizer, undo);
    restore_parts(training, checkpoint, undo);
  } catch (const Error& error) {
    rill::detail::fail(path + ": " + error.what());
  }
  restore_model(names, checkpoint);
  undo.keep();
}

}  // namespace rill::optim::detail
