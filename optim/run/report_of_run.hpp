// The report of a run out of what it has come to.
#pragma once

#include <rill/optim/run/run.hpp>

namespace rill::optim::config {

/// Writes report.html and the pictures into the run's folder. Throws Error if they cannot be written.
void write_run_report(const RunConfig& config, const RunData& data, RunResult& result);

}  // namespace rill::optim::config
