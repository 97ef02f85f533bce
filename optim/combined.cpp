#include <algorithm>
#include <functional>

#include <rill/optim/combined.hpp>

namespace rill::optim {

Interval Schedules::check(const char* where, const Optimizer& optimizer) const {
  RILL_CHECK(!list_.empty(), where, ": there are no schedules, expected at least one");
  std::vector<Schedule*> last_first;
  for (const auto& schedule : list_) {
    if (schedule) last_first.push_back(schedule.get());
  }
  std::ranges::sort(last_first, std::ranges::greater(),
                    [](const Schedule* schedule) { return schedule->found_.order; });
  for (Schedule* schedule : last_first) schedule->undo();
  for (const auto& schedule : list_) {
    RILL_CHECK(schedule, where, ": a schedule is null, expected one");
    RILL_CHECK(&schedule->optimizer() == &optimizer, where, ": the ", schedule->name(),
               " drives another optimizer, expected the same");
  }
  return list_.front()->interval();
}

bool Schedules::scale_initial_lr() const {
  return std::ranges::all_of(list_, [](const auto& schedule) { return schedule->scales_initial_lr(); });
}

void Schedules::save(Schedule::State& state, const std::string& prefix) const {
  for (std::size_t i = 0; i < list_.size(); ++i) list_[i]->save(state, prefix + std::to_string(i) + '.');
}

void Schedules::load(Schedule::State& state, const std::string& prefix) {
  for (std::size_t i = 0; i < list_.size(); ++i) list_[i]->load(state, prefix + std::to_string(i) + '.');
}

SequentialLR::SequentialLR(Optimizer& optimizer, Schedules schedules, std::vector<std::int64_t> milestones)
    : Schedule("SequentialLR", optimizer, schedules.check("SequentialLR", optimizer)),
      schedules_(std::move(schedules)),
      milestones_(std::move(milestones)) {
  RILL_CHECK(milestones_.size() + 1 == schedules_.list_.size(), name(), ": there are ", milestones_.size(),
             " milestones for ", schedules_.list_.size(), " schedules, expected ",
             schedules_.list_.size() - 1);
  std::int64_t before = 0;
  for (const std::int64_t milestone : milestones_) {
    RILL_CHECK(milestone > before, name(), ": milestone ", milestone, ", expected more than ", before);
    before = milestone;
  }
  start();
}

SequentialLR::Turn SequentialLR::turn(std::int64_t step) const {
  const auto reached = std::ranges::upper_bound(milestones_, step) - milestones_.begin();
  const auto index = static_cast<std::size_t>(reached);
  return {schedules_.list_[index].get(), index == 0 ? 0 : milestones_[index - 1]};
}

double SequentialLR::scale(double lr, std::int64_t step, std::size_t group) const {
  const Turn now = turn(step);
  return now.schedule->scale(lr, step - now.begin, group);
}

std::optional<double> SequentialLR::momentum(std::int64_t step) const {
  const bool moves =
      std::ranges::any_of(schedules_.list_, [](const auto& each) { return each->momentum(0).has_value(); });
  if (!moves) return std::nullopt;
  // In the turn of one that moves none it stays where it was left.
  for (Turn now = turn(step);; now = turn(step)) {
    const auto moved = now.schedule->momentum(step - now.begin);
    if (moved) return moved;
    if (now.begin == 0) return found_.momentum;
    step = now.begin - 1;
  }
}

std::int64_t SequentialLR::last_step() const {
  constexpr std::int64_t endless = std::numeric_limits<std::int64_t>::max();
  for (std::size_t i = 0; i < schedules_.list_.size(); ++i) {
    const std::int64_t begin = i == 0 ? 0 : milestones_[i - 1];
    const std::int64_t own = schedules_.list_[i]->last_step();
    const std::int64_t last = own < endless - begin ? begin + own : endless;
    if (i == milestones_.size() || last < milestones_[i] - 1) return last;
  }
  return endless;
}

bool SequentialLR::needs_metric(std::int64_t step) const {
  const Turn now = turn(step);
  return step > now.begin && now.schedule->needs_metric(step - now.begin);
}

void SequentialLR::observe(std::int64_t step, double metric) {
  const Turn now = turn(step);
  // The metric of the step that ends a turn says nothing about the schedule that comes next.
  if (step > now.begin) now.schedule->observe(step - now.begin, metric);
}

ChainedScheduler::ChainedScheduler(Optimizer& optimizer, Schedules schedules)
    : Schedule("ChainedScheduler", optimizer, schedules.check("ChainedScheduler", optimizer)),
      schedules_(std::move(schedules)) {
  start();
}

double ChainedScheduler::scale(double lr, std::int64_t step, std::size_t group) const {
  for (const auto& schedule : schedules_.list_) lr = schedule->scale(lr, step, group);
  return lr;
}

std::optional<double> ChainedScheduler::momentum(std::int64_t step) const {
  std::optional<double> momentum;
  for (const auto& schedule : schedules_.list_) {
    if (const auto own = schedule->momentum(step)) momentum = own;
  }
  return momentum;
}

std::int64_t ChainedScheduler::last_step() const {
  std::int64_t last = std::numeric_limits<std::int64_t>::max();
  for (const auto& schedule : schedules_.list_) last = std::min(last, schedule->last_step());
  return last;
}

bool ChainedScheduler::needs_metric(std::int64_t step) const {
  return std::ranges::any_of(schedules_.list_,
                             [=](const auto& schedule) { return schedule->needs_metric(step); });
}

void ChainedScheduler::observe(std::int64_t step, double metric) {
  for (const auto& schedule : schedules_.list_) schedule->observe(step, metric);
}

}  // namespace rill::optim
