// What each check's file defines.
#pragma once

#include "check.hpp"

namespace rill::trust {

/// D1: the bytes of a training's files, for any number of threads.
void check_determinism(const Scale& scale, Report& report);

}  // namespace rill::trust
