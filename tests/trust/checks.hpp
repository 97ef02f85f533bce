// What each check's file defines.
#pragma once

#include "check.hpp"

namespace rill::trust {

/// D1: the bytes of a training's files, for any number of threads.
void check_determinism(const Scale& scale, Report& report);

/// N1, N2: the gradients of every op, and whether a planted error would be seen.
void check_gradients(const Scale& scale, Report& report);

/// N3: random graphs against an engine of scalars in long double.
void check_graphs(const Scale& scale, Report& report);

/// What Scale::functions may name.
std::vector<std::string> ulp_functions();

/// N5: unary functions and their derivatives in f32 against a wider type.
void check_ulp(const Scale& scale, Report& report);

/// N5: the same without AVX2.
void check_ulp_plain(const Scale& scale, Report& report);

/// N6: the cross-entropy of logits of any size.
void check_cross_entropy(const Scale& scale, Report& report);

/// N7: whether a NaN or infinity anywhere in a step is traced to its op, layer and step.
void check_nan(const Scale& scale, Report& report);

/// F3, F4: what refusing bad files costs, and damage to a checkpoint.
void check_hostile(const Scale& scale, Report& report);

/// F5: documents made wrong by the schemas of configs.
void check_hostile_configs(const Scale& scale, Report& report);

/// F6: what hostile files make the rill command ask of the system.
void check_hostile_calls(const Scale& scale, Report& report);

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
