#include "checks.hpp"

namespace rill::trust {

const std::vector<Check>& all_checks() {
  static const std::vector<Check> checks{
      {"determinism", "the bytes of a training's files, for any number of threads", check_determinism},
      {"hostile", "what refusing bad files costs, and damage to a checkpoint", check_hostile},
      {"hostile_configs", "documents made wrong by the schemas of configs", check_hostile_configs},
      {"hostile_calls", "what hostile files make the rill command ask of the system", check_hostile_calls},
  };
  return checks;
}

}  // namespace rill::trust
