// Models in a part of a larger document. Internal, as json.hpp.
#pragma once

#include <rill/nn/config/json.hpp>
#include <rill/nn/config/model_config.hpp>

namespace rill::nn::config {

/// Reads rill's own format. Throws Error as parse_model_config does.
ModelConfig read_model_config(const Node& node);

}  // namespace rill::nn::config
