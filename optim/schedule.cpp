#include <cmath>
#include <string>

#include <rill/optim/schedule.hpp>

namespace rill::optim {

void PerGroup::check(const char* where, const char* key, std::size_t groups, double low) const {
  RILL_CHECK(same_ || values_.size() == groups, where, ": ", key, " has ", values_.size(),
             " numbers, expected one, or one for each of ", groups, " groups");
  for (const double value : values_) detail::check_range(where, key, value, low, INFINITY);
}

Schedule::Schedule(const char* name, Optimizer& optimizer, Interval interval)
    : name_(name), optimizer_(&optimizer), interval_(interval) {
  found_.order = optimizer.schedules_++;
  for (const Optimizer::OwnGroup& group : optimizer.groups_) found_.lr.push_back(group.lr);
  found_.momentum = optimizer.momentum();
}

void Schedule::undo() {
  for (std::size_t i = 0; i < found_.lr.size(); ++i) optimizer_->groups_[i].lr = found_.lr[i];
  if (found_.momentum) optimizer_->set_momentum(*found_.momentum);
}

void Schedule::start() {
  check_rates(0);
  set_rates();
}

void Schedule::step(std::optional<double> metric) {
  const std::int64_t next = steps_ + 1;
  RILL_CHECK(next <= last_step(), name_, ": step ", next, " of ", last_step(),
             ", expected at most that many");
  RILL_CHECK(metric || !needs_metric(next), name_, ": step() has no metric, expected step(metric)");
  check_rates(next);
  steps_ = next;
  if (metric) observe(next, *metric);
  set_rates();
}

double Schedule::lr_at(std::int64_t step, std::size_t group) const {
  const double initial = optimizer_->initial_lr(group);
  RILL_CHECK(step >= 0, name_, ": step ", step, ", expected 0 or more");
  RILL_CHECK(step <= last_step(), name_, ": step ", step, ", expected 0 to ", last_step());
  return scale(initial, step, group);
}

Schedule::State Schedule::state() const {
  State state{{"steps", static_cast<double>(steps_)}};
  for (std::size_t i = 0; i < optimizer_->groups_.size(); ++i)
    state["initial_lr." + std::to_string(i)] = optimizer_->groups_[i].initial_lr;
  save(state, "");
  return state;
}

void Schedule::set_state(const State& state) {
  const State before = this->state();
  try {
    load_all(state);
  } catch (const Error&) {
    load_all(before);
    throw;
  }
  set_rates();
}

void Schedule::load_all(State state) {
  const std::int64_t steps = take_count(state, "steps");
  RILL_CHECK(steps <= last_step(), name_, ": state of ", steps, " steps, expected 0 to ", last_step());
  load(state, "");
  std::vector<double> initial;
  for (std::size_t i = 0; i < optimizer_->groups_.size(); ++i)
    initial.push_back(take_number(state, "initial_lr." + std::to_string(i)));
  RILL_CHECK(state.empty(), name_, ": state has \"", state.begin()->first, "\", expected no such entry");
  for (std::size_t i = 0; i < initial.size(); ++i) optimizer_->groups_[i].initial_lr = initial[i];
  check_rates(steps);
  steps_ = steps;
}

double Schedule::take_number(State& state, const std::string& key) const {
  const auto found = state.extract(key);
  RILL_CHECK(found, name_, ": state has no \"", key, "\", expected a number");
  const std::string what = "state \"" + key + '"';
  detail::check_range(name_, what.c_str(), found.mapped(), 0, INFINITY);
  return found.mapped();
}

std::int64_t Schedule::take_count(State& state, const std::string& key) const {
  const auto found = state.extract(key);
  RILL_CHECK(found, name_, ": state has no \"", key, "\", expected a number");
  const double value = found.mapped();
  RILL_CHECK(value >= 0 && value < 0x1p53 && value == std::trunc(value), name_, ": state \"", key, "\" is ",
             value, ", expected a whole number, 0 or more");
  return static_cast<std::int64_t>(value);
}

void Schedule::check_rates(std::int64_t step) const {
  for (std::size_t i = 0; i < optimizer_->groups_.size(); ++i) {
    const double lr = scale(optimizer_->groups_[i].initial_lr, step, i);
    RILL_CHECK(std::isfinite(lr), name_, ": the learning rate of step ", step, " is ", lr,
               ", expected a finite number");
  }
}

void Schedule::set_rates() {
  for (std::size_t i = 0; i < optimizer_->groups_.size(); ++i) {
    Optimizer::OwnGroup& group = optimizer_->groups_[i];
    group.lr = scale(group.initial_lr, steps_, i);
  }
  if (const auto moved = momentum(steps_); moved && optimizer_->momentum()) optimizer_->set_momentum(*moved);
}

}  // namespace rill::optim
