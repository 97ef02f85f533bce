// The layers of a Keras model in the order in which they run.
#pragma once

#include <vector>

#include <rill/nn/config/json.hpp>

namespace rill::nn::keras {

/// The entries of a Sequential, or of a Functional model whose layers are one chain, its input layer first. Throws Error, naming the
/// layer, for one that joins, is used twice, is called with options, or is not between input and output.
std::vector<config::Node> layers_in_order(const config::Node& model);

}  // namespace rill::nn::keras
