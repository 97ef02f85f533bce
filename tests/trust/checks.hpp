// What each check's file defines.
#pragma once

#include "check.hpp"

namespace rill::trust {

/// D1: the bytes of a training's files, for any number of threads.
void check_determinism(const Scale& scale, Report& report);

/// F3, F4: what refusing bad files costs, and damage to a checkpoint.
void check_hostile(const Scale& scale, Report& report);
/// F5: documents made wrong by the schemas of configs.
void check_hostile_configs(const Scale& scale, Report& report);
/// F6: what hostile files make the rill command ask of the system.
void check_hostile_calls(const Scale& scale, Report& report);

}  // namespace rill::trust
