#include "checks.hpp"

namespace rill::trust {

const std::vector<Check>& all_checks() {
  static const std::vector<Check> checks{
      {"determinism", "the bytes of a training's files, for any number of threads", check_determinism},
      {"gradients", "every op's Jacobian against differences, and that planted errors are caught",
       check_gradients},
      {"graphs", "random graphs against an independent engine of scalars in long double", check_graphs},
      {"ulp", "unary functions and their derivatives in f32 against a wider type", check_ulp},
      {"ulp_plain", "the same in plain code", check_ulp_plain},
      {"cross_entropy", "losses and gradients of logits of any size", check_cross_entropy},
      {"nan", "that the first NaN or infinity is traced to its op, layer and step", check_nan},
      {"hostile", "what refusing bad files costs, and damage to a checkpoint", check_hostile},
      {"hostile_configs", "documents made wrong by the schemas of configs", check_hostile_configs},
      {"hostile_calls", "what hostile files make the rill command ask of the system", check_hostile_calls},
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
