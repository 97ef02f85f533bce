// What each check's file defines.
#pragma once

#include "check.hpp"

namespace rill::trust {

/// D1: the bytes of a training's files, for any number of threads.
void check_determinism(const Scale& scale, Report& report);

/// D2: a run that is stopped behind any step and resumed with other threads.
void check_resume(const Scale& scale, Report& report);

/// K1: kill -9 at random times.
void check_kill(const Scale& scale, Report& report);

/// K2: a simulated disk that loses power.
void check_crash_states(const Scale& scale, Report& report);

/// K3: calls on files that fail.
void check_io_faults(const Scale& scale, Report& report);

/// K4: allocations that fail.
void check_allocations(const Scale& scale, Report& report);

/// K5: SIGINT and SIGTERM at random times.
void check_signals(const Scale& scale, Report& report);

}  // namespace rill::trust
