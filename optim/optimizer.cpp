#include <algorithm>
#include <cmath>
#include <unordered_set>
#include <utility>

#include <rill/core/observe.hpp>
#include <rill/nn/norm.hpp>
#include <rill/optim/optimizer.hpp>

namespace rill::optim {

namespace detail {

void check_range(const char* where, const char* key, double value, double low, double high) {
  RILL_CHECK(value >= low && value < high, where, ": ", key, " is ", value, ", expected ",
             std::isinf(high) ? rill::detail::concat("a finite number, ", low, " or more")
                              : rill::detail::concat(low, " or more and less than ", high));
}

std::vector<Group> one_group(std::vector<Tensor> params) { return {Group{.params = std::move(params)}}; }

}  // namespace detail

namespace {

// Sorts the parameters of a model, each where it is met first, by what they are and by the module that holds them.
class DecaySorter final : public nn::Visitor {
 public:
  explicit DecaySorter(nn::Module& model) { child("", model); }
  void parameter(std::string_view, Tensor& value) override {
    if (!value.requires_grad() || !seen_.insert(rill::detail::Access::handle(value).get()).second) return;
    (value.dim() >= 2 && !in_norm_ ? decayed : plain).params.push_back(value);
  }
  void child(std::string_view, nn::Module& module) override {
    const bool norm =
        module.type() == nn::LayerNorm::type_name || module.type() == nn::BatchNorm1d::type_name;
    const bool outer = std::exchange(in_norm_, norm);
    module.visit(*this);
    in_norm_ = outer;
  }
  Group decayed, plain{.weight_decay = 0};

 private:
  std::unordered_set<const void*> seen_;
  bool in_norm_ = false;
};

// The mean over the finite elements that are not marked; 0 without any.
template <class T>
double mean_of_others(std::span<const T> values, const std::vector<bool>& marked) {
  double sum = 0, count = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (marked[i] || !std::isfinite(values[i])) continue;
    sum += static_cast<double>(values[i]);
    ++count;
  }
  return count > 0 ? sum / count : 0;
}

}  // namespace

std::vector<Group> decay_groups(nn::Module& model) {
  DecaySorter sorter(model);
  std::vector<Group> groups;
  if (!sorter.decayed.params.empty()) groups.push_back(std::move(sorter.decayed));
  if (!sorter.plain.params.empty()) groups.push_back(std::move(sorter.plain));
  return groups;
}

Optimizer::Optimizer(const char* name, std::vector<Group> groups, double lr, double weight_decay)
    : name_(name) {
  std::unordered_set<const void*> seen;
  for (Group& group : groups) {
    OwnGroup own{{}, group.lr.value_or(lr), group.weight_decay.value_or(weight_decay)};
    detail::check_range(name, "lr", own.initial_lr, 0, INFINITY);
    detail::check_range(name, "weight_decay", own.weight_decay, 0, INFINITY);
    for (Tensor& param : group.params) {
      RILL_CHECK(param.defined(), name, ": a parameter is undefined, expected a tensor");
      RILL_CHECK(param.requires_grad() && param.is_leaf(), name, ": a parameter ", param.shape(),
                 " is no leaf that requires a gradient, expected one; call requires_grad_()");
      RILL_CHECK(seen.insert(rill::detail::Access::handle(param).get()).second, name, ": a parameter ",
                 param.shape(), " appears twice, expected each once");
      own.slots.push_back({std::move(param), {}, 0});
    }
    groups_.push_back(std::move(own));
  }
  RILL_CHECK(!seen.empty(), name, ": there are no parameters that require a gradient, expected at least one");
}

void Optimizer::step() {
  const NoGrad no_grad;
  rill::detail::Observed observed(name_);
  make_states();
  for (OwnGroup& group : groups_) {
    for (Slot& slot : group.slots) {
      const Tensor grad = slot.param.grad();
      if (!grad.defined() || !slot.param.requires_grad()) continue;
      ++slot.steps;
      update(slot, grad, group.lr, group.weight_decay);
    }
  }
  observed.done();
}

// All of them before the first update: where memory ends, no parameter has been changed, and none has a state without steps.
void Optimizer::make_states() {
  std::vector<std::pair<Slot*, std::vector<Tensor>>> fresh;
  for (OwnGroup& group : groups_) {
    for (Slot& slot : group.slots) {
      const bool trained = slot.param.requires_grad() && slot.param.grad().defined();
      if (!trained || slot.state.size() == state_names_.size()) continue;
      std::vector<Tensor>& state = fresh.emplace_back(&slot, std::vector<Tensor>()).second;
      while (state.size() < state_names_.size())
        state.push_back(full(slot.param.shape(), initial_state_, slot.param.dtype()));
    }
  }
  for (auto& [slot, state] : fresh) slot->state = std::move(state);
}

void Optimizer::zero_grad() {
  for (OwnGroup& group : groups_) {
    for (Slot& slot : group.slots) slot.param.zero_grad();
  }
}

const Optimizer::OwnGroup& Optimizer::group_at(std::size_t group) const {
  RILL_CHECK(group < groups_.size(), name_, ": there is no group ", group, ", expected 0 to ",
             groups_.size() - 1);
  return groups_[group];
}

std::vector<Tensor> Optimizer::params(std::size_t group) const {
  std::vector<Tensor> params;
  for (const Slot& slot : group_at(group).slots) params.push_back(slot.param);
  return params;
}

double Optimizer::weight_decay(std::size_t group) const { return group_at(group).weight_decay; }

double Optimizer::lr(std::size_t group) const { return group_at(group).lr; }

double Optimizer::initial_lr(std::size_t group) const { return group_at(group).initial_lr; }

void Optimizer::set_lr(double lr) {
  for (std::size_t i = 0; i < groups_.size(); ++i) set_lr(i, lr);
}

void Optimizer::set_lr(std::size_t group, double lr) {
  detail::check_range(name_, "lr", lr, 0, INFINITY);
  group_at(group);
  groups_[group].lr = groups_[group].initial_lr = lr;
}

void Optimizer::scale_lr(std::size_t group, double factor) {
  detail::check_range(name_, "factor", factor, 0, INFINITY);
  const OwnGroup& own = group_at(group);
  restore_lr(group, own.lr * factor, own.initial_lr * factor);
}

void Optimizer::restore_lr(std::size_t group, double lr, double initial_lr) {
  group_at(group);
  detail::check_range(name_, "lr", lr, 0, INFINITY);
  detail::check_range(name_, "initial_lr", initial_lr, 0, INFINITY);
  groups_[group].lr = lr;
  groups_[group].initial_lr = initial_lr;
}

void Optimizer::set_momentum(double) {
  rill::detail::fail(
      rill::detail::concat(name_, ": there is no momentum to set, expected an optimizer that has one"));
}

void Optimizer::keep_state(std::vector<StateName> names, double initial) {
  state_names_ = std::move(names);
  initial_state_ = initial;
}

template <class Groups>
auto* Optimizer::find_slot(Groups& groups, const Tensor& param) {
  const void* wanted = rill::detail::Access::handle(param).get();
  decltype(&groups[0].slots[0]) found = nullptr;
  for (auto& group : groups) {
    for (auto& slot : group.slots) {
      if (rill::detail::Access::handle(slot.param).get() == wanted) found = &slot;
    }
  }
  return found;
}

Optimizer::Slot& Optimizer::slot_of(const Tensor& param) {
  RILL_CHECK(param.defined(), name_, ": a parameter is undefined, expected a tensor");
  Slot* slot = find_slot(groups_, param);
  RILL_CHECK(slot, name_, ": a tensor ", param.shape(),
             " is no parameter here, expected one that is being trained");
  return *slot;
}

ParamState Optimizer::state(const Tensor& param) {
  const Slot& slot = slot_of(param);
  ParamState state{slot.steps, {}};
  for (std::size_t i = 0; i < slot.state.size(); ++i)
    state.tensors.push_back({std::string(state_names_[i].name), slot.state[i]});
  return state;
}

void Optimizer::set_state(const Tensor& param, const ParamState& state) {
  Slot& slot = slot_of(param);
  check_state(slot, state);
  const NoGrad no_grad;
  std::vector<Tensor> tensors;
  for (std::size_t i = 0; i < state.tensors.size(); ++i) {
    const auto found = std::ranges::find(state.tensors, state_names_[i].name, &nn::NamedTensor::name);
    tensors.push_back(found->value.clone());
  }
  slot.state = std::move(tensors);
  slot.steps = state.steps;
}

bool Optimizer::trains(const Tensor& param) const {
  return param.defined() && param.requires_grad() && find_slot(groups_, param);
}

void Optimizer::forget(const Tensor& param, std::span<const std::int64_t> elements) {
  Slot& slot = slot_of(param);
  const std::int64_t count = slot.param.numel();
  std::vector<bool> forgotten(static_cast<std::size_t>(count));
  for (const std::int64_t element : elements) {
    RILL_CHECK(element >= 0 && element < count, name_, ": there is no element ", element, " in a parameter ",
               slot.param.shape(), ", expected 0 to ", count - 1);
    forgotten[static_cast<std::size_t>(element)] = true;
  }
  if (std::ranges::find(forgotten, false) == forgotten.end()) {
    slot.state.clear();
    slot.steps = 0;
    return;
  }
  for (std::size_t i = 0; i < slot.state.size(); ++i) {
    dispatch_floating(slot.param.dtype(), name_, [&]<class T>(T) {
      const std::span<T> values = slot.state[i].mutable_data<T>();
      const T fresh =
          state_names_[i].of == Of::squares ? static_cast<T>(mean_of_others<T>(values, forgotten)) : T(0);
      for (std::size_t at = 0; at < values.size(); ++at) {
        if (forgotten[at]) values[at] = fresh;
      }
    });
  }
}

void Optimizer::check_state(const Slot& slot, const ParamState& state) const {
  RILL_CHECK(state.steps >= 0, name_, ": state of ", state.steps, " steps, expected 0 or more");
  const std::size_t count = state.steps == 0 ? 0 : state_names_.size();
  RILL_CHECK(state.tensors.size() == count, name_, ": state after ", state.steps, " steps has ",
             state.tensors.size(), " tensors, expected ", count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto found = std::ranges::find(state.tensors, state_names_[i].name, &nn::NamedTensor::name);
    RILL_CHECK(found != state.tensors.end(), name_, ": state has no tensor \"", state_names_[i].name,
               "\", expected one");
    const Tensor& value = found->value;
    RILL_CHECK(value.defined(), name_, ": state \"", state_names_[i].name,
               "\" is undefined, expected a tensor");
    RILL_CHECK(value.shape() == slot.param.shape() && value.dtype() == slot.param.dtype(), name_,
               ": state \"", state_names_[i].name, "\" is ", value.dtype(), " ", value.shape(),
               ", expected the parameter's ", slot.param.dtype(), " ", slot.param.shape());
  }
}

}  // namespace rill::optim
