#include <rill/tools/rill/overrides.hpp>

#include <algorithm>
#include <variant>

#include <rill/tools/rill/output.hpp>

namespace rill::command {

void note_without_effect(const std::vector<std::string>& overrides, const optim::RunConfig& config) {
  const bool cycle =
      config.schedule && std::holds_alternative<optim::config::OneCycleConfig>(config.schedule->value);
  const auto is_rate = [](const std::string& each) { return each.starts_with("optimizer.lr="); };
  if (cycle && std::ranges::any_of(overrides, is_rate))
    note("optimizer.lr changes nothing: the schedule one_cycle takes all rates from schedule.max_lr");
}

}  // namespace rill::command
