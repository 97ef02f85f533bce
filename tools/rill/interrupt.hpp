// SIGINT and SIGTERM while a run trains: the first one asks it to save and stop, a second one ends the process at once.
#pragma once

namespace rill::command {

/// From now on for the whole process.
void catch_interrupts();
/// Whether a signal has come.
bool interrupted();
/// 130 after SIGINT, 143 after SIGTERM.
int interrupted_status();

}  // namespace rill::command
