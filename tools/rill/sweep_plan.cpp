#include <rill/tools/rill/sweep_plan.hpp>

#include <cctype>
#include <map>
#include <set>

#include <rill/nn/config/nearest.hpp>
#include <rill/tools/rill/program.hpp>

namespace rill::command {
namespace {

constexpr std::size_t most_runs = 10000;

std::vector<std::string> split_values(const std::string& text) {
  std::vector<std::string> values(1);
  int depth = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"' && (i == 0 || text[i - 1] != '\\')) quoted = !quoted;
    if (!quoted && (c == '[' || c == '{')) ++depth;
    if (!quoted && (c == ']' || c == '}')) --depth;
    if (c == ',' && depth == 0 && !quoted) {
      values.emplace_back();
    } else {
      values.back() += c;
    }
  }
  return values;
}

std::string folder_name(const std::string& value) {
  std::string name;
  for (const char c : value.substr(0, 60)) {
    const bool plain =
        std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '-' || c == '+' || c == '_';
    if (plain) name += c;
    if (!plain && c != '"') name += '_';
  }
  return name.find_first_not_of('.') == std::string::npos ? "_" + name : name;
}

// What the sweep itself sets for each run.
void check_key(const std::string& setting, const std::string& key, std::int64_t seeds) {
  if (key == "seed" && seeds > 1)
    throw UsageError("--set " + setting + ": the seeds are those of --seeds " + std::to_string(seeds) +
                     ", expected one of the two options");
  if (key == "out")
    throw UsageError("--set " + setting +
                     ": each run has a folder of its own in that of the sweep, expected --out DIR");
}

// A setting takes the place of an earlier one of the same key or of one in it; where either varies, values would have no effect.
void check_order(const std::string& setting, const std::string& key, bool varied,
                 const std::map<std::string, bool>& before) {
  for (const auto& [other, other_varied] : before) {
    if ((other != key && !other.starts_with(key + ".")) || (!varied && !other_varied)) continue;
    throw UsageError("--set " + setting + ": it takes the place of --set " + other +
                     "=…, expected each key once, and what holds it before");
  }
}

}  // namespace

SweepPlan plan_sweep(const std::vector<std::string>& settings, std::uint64_t first_seed, std::int64_t seeds) {
  SweepPlan plan;
  std::vector<SweepRun> combinations(1);
  std::map<std::string, bool> before_it;  // keys, and whether they are varied
  for (const std::string& setting : settings) {
    const std::size_t equals = setting.find('=');
    if (equals == std::string::npos || equals == 0)
      throw UsageError("--set " + setting + ": expected KEY=VALUE, or KEY=VALUE,VALUE to vary it");
    const std::string key = setting.substr(0, equals);
    check_key(setting, key, seeds);
    const std::vector<std::string> values = split_values(setting.substr(equals + 1));
    check_order(setting, key, values.size() > 1, before_it);
    before_it[key] = before_it[key] || values.size() > 1;
    if (values.size() > 1) plan.keys.push_back(key);
    std::vector<SweepRun> more;
    for (const SweepRun& before : combinations) {
      for (const std::string& value : values) {
        if (value.empty() && values.size() > 1)
          throw UsageError("--set " + setting + ": a value is empty, expected one between commas");
        SweepRun& run = more.emplace_back(before);
        run.overrides.push_back(key + "=" + value);
        if (values.size() == 1) continue;
        run.name += (run.name.empty() ? "" : ",") + folder_name(value);
        run.values.push_back(value);
      }
      if (more.size() > most_runs) throw UsageError("the sweep has over 10000 runs, expected fewer");
    }
    combinations = std::move(more);
  }
  if (plan.keys.empty() && seeds < 2)
    throw UsageError("nothing is varied, expected --set KEY=VALUE,VALUE,… or --seeds of 2 or more");
  std::set<std::string> names;
  for (const SweepRun& combination : combinations) {
    if (!names.insert(combination.name).second)
      throw UsageError("two runs would have the folder " + nn::config::in_quotes(combination.name) +
                       ", expected values that differ");
    for (std::int64_t i = 0; i < seeds; ++i) {
      SweepRun& run = plan.runs.emplace_back(combination);
      run.seed = first_seed + static_cast<std::uint64_t>(i);
    }
  }
  return plan;
}

}  // namespace rill::command
