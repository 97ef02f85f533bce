#include "checks.hpp"

namespace rill::trust {

const std::vector<Check>& all_checks() {
  static const std::vector<Check> checks{
      {"determinism", "the bytes of a training's files, for any number of threads", check_determinism},
      {"resume", "a run stopped behind any step, resumed with other threads", check_resume},
      {"kill", "kill -9 of a run at random times", check_kill},
      {"crash_states", "what a power failure leaves of a checkpoint, and of a run", check_crash_states},
      {"io_faults", "every call on files fails, once and for ever", check_io_faults},
      {"allocations", "every allocation fails, once and for ever", check_allocations},
      {"signals", "SIGINT and SIGTERM at random times of a run", check_signals},
  };
  return checks;
}

}  // namespace rill::trust
