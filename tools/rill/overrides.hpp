// Values that --set changes.
#pragma once

#include <string>
#include <vector>

#include <rill/optim/run/run.hpp>

namespace rill::command {

/// Says on standard error which of the overrides, "optimizer.lr=0.01", change nothing in that run.
void note_without_effect(const std::vector<std::string>& overrides, const optim::RunConfig& config);

}  // namespace rill::command
