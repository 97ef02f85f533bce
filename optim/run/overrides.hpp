// Values of a document that are set from outside, as by `--set optimizer.lr=0.01`. Internal, as nn/config/json.hpp.
#pragma once

#include <string>
#include <vector>

#include <rill/nn/config/json.hpp>

namespace rill::optim::config {

/// Sets each in its turn, as load_run() says. Throws Error, naming `where` and the override, for one without "=", a key that is
/// empty, an index that a list does not have, and a path through a value that has no parts.
void apply_overrides(nn::config::Json& document, const std::vector<std::string>& overrides,
                     const std::string& where);

}  // namespace rill::optim::config
