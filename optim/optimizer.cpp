#include <cmath>
#include <unordered_set>

#include <rill/optim/optimizer.hpp>

namespace rill::optim {

namespace detail {

void check_range(const char* where, const char* key, double value, double low, double high) {
  RILL_CHECK(value >= low && value < high, where, ": ", key, " is ", value, ", expected ",
             std::isinf(high) ? rill::detail::concat("a finite number, ", low, " or more")
                              : rill::detail::concat(low, " or more and less than ", high));
}

std::vector<Group> one_group(std::vector<Tensor> params) { return {Group{std::move(params), {}, {}}}; }

}  // namespace detail

std::vector<Group> decay_groups(nn::Module& model) {
  Group decayed, plain;
  plain.weight_decay = 0;
  for (Tensor& param : model.parameters()) {
    if (param.requires_grad()) (param.dim() >= 2 ? decayed : plain).params.push_back(std::move(param));
  }
  std::vector<Group> groups;
  if (!decayed.params.empty()) groups.push_back(std::move(decayed));
  if (!plain.params.empty()) groups.push_back(std::move(plain));
  return groups;
}

Optimizer::Optimizer(const char* name, std::vector<Group> groups, double lr, double weight_decay)
    : name_(name) {
  std::unordered_set<const void*> seen;
  for (Group& group : groups) {
    OwnGroup own{{}, group.lr.value_or(lr), group.weight_decay.value_or(weight_decay)};
    detail::check_range(name, "lr", own.lr, 0, INFINITY);
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
  RILL_CHECK(!seen.empty(), name, ": there are no parameters, expected at least one");
}

void Optimizer::step() {
  const NoGrad no_grad;
  for (OwnGroup& group : groups_) {
    for (Slot& slot : group.slots) {
      const Tensor grad = slot.param.grad();
      if (!grad.defined()) continue;
      ++slot.steps;
      update(slot, grad, group.lr, group.weight_decay);
    }
  }
}

void Optimizer::zero_grad() {
  for (OwnGroup& group : groups_) {
    for (Slot& slot : group.slots) slot.param.zero_grad();
  }
}

void Optimizer::check_group(std::size_t group) const {
  RILL_CHECK(group < groups_.size(), name_, ": there is no group ", group, ", expected 0 to ",
             groups_.size() - 1);
}

double Optimizer::lr(std::size_t group) const {
  check_group(group);
  return groups_[group].lr;
}

void Optimizer::set_lr(double lr) {
  for (std::size_t i = 0; i < groups_.size(); ++i) set_lr(i, lr);
}

void Optimizer::set_lr(std::size_t group, double lr) {
  detail::check_range(name_, "lr", lr, 0, INFINITY);
  check_group(group);
  groups_[group].lr = lr;
}

void Optimizer::set_momentum(double) {
  rill::detail::fail(
      rill::detail::concat(name_, ": there is no momentum to set, expected an optimizer that has one"));
}

void Optimizer::prepare_state(Slot& slot, std::size_t count) {
  while (slot.state.size() < count) slot.state.push_back(zeros(slot.param.shape(), slot.param.dtype()));
}

}  // namespace rill::optim
