// The runs of a sweep, and what is kept of each that is done, beside it: sweep_result.json.
#pragma once

#include <optional>

#include <rill/optim/run/run.hpp>
#include <rill/tools/rill/sweep_table.hpp>

namespace rill::command {

struct PlannedRun {
  optim::RunConfig config;
  SweepRun run;
};

/// What a run came to, as it ended.
SweepResult result_of(const PlannedRun& planned, const optim::RunResult& run);

/// Where it is written the run is not done again.
void write_result(const PlannedRun& planned, const SweepResult& result);

/// The result of a run that is done; none if it is not. Numbers that are not finite are left out. Throws Error for one of another config.
std::optional<SweepResult> read_result(const PlannedRun& planned);

/// That of one that was done before. Throws Error also where the data have changed since.
std::optional<SweepResult> result_before(const PlannedRun& planned);

}  // namespace rill::command
