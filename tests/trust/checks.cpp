#include "checks.hpp"

namespace rill::trust {

const std::vector<Check>& all_checks() {
  static const std::vector<Check> checks{
      {"determinism", "the bytes of a training's files, for any number of threads", check_determinism},
  };
  return checks;
}

}  // namespace rill::trust
