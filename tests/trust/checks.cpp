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
  };
  return checks;
}

}  // namespace rill::trust
