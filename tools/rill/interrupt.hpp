// SIGINT and SIGTERM while a run trains: the first one asks it to save and stop, a second one ends the process at once.
// SIGUSR1 asks like SIGTERM, and counts as none of these two: who passes a signal on may not know whether it has come already.
#pragma once

#include <csignal>

namespace rill::command {

inline constexpr int stop_request = SIGUSR1;

/// From now on for the whole process.
void catch_interrupts();
/// Whether a signal has come.
bool interrupted();
/// 130 after SIGINT, 143 after SIGTERM.
int interrupted_status();

}  // namespace rill::command
