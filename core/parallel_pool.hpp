// The threads behind parallel loops: workers that take the tasks of one shared job, beside the thread that calls.
//
// Workers start with the first loop that wants them and live as long as the process; no signal of the user's is handled
// on them. Whoever is free takes the next task, so a worker that the system keeps from running delays nobody: the caller
// takes all tasks itself, and waits only for those that others have begun. A worker out of work spins, for as long as
// that has paid lately, and then sleeps. A child process starts with no workers, and gets its own; one that is forked
// inside of a task may only call exec or _exit.
#pragma once

#include <cstdint>

namespace rill::detail {

/// Calls function(context, i), which must not throw, for i in [0, count) on this thread and at most `helpers` workers.
/// False, and nothing is called, while the workers belong to another loop, or to one around this.
bool run_on_pool(int helpers, std::int64_t count, void (*function)(void*, std::int64_t), void* context);

}  // namespace rill::detail
