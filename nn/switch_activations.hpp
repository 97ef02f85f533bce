// Other activations for a model that is there already.
//
// Both functions reach the activations that are parts of a Sequential, at any depth, and those in an AnyActivation: a
// Dense's, or a member that a user's module tells of in visit(). A member of a fixed type, such as nn::ReLU, cannot become
// another one; declare it nn::AnyActivation, and it can. Functions that a forward() calls, such as x.relu(), are out of reach.
//
// An activation in a Sequential goes with its hooks; those on an AnyActivation stay. New parameters may come and old ones
// go: build optimizers and monitors afterwards.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <rill/nn/layers.hpp>

namespace rill::nn {

/// Puts a clone of `to` in the place of every activation whose type() is `from`; returns their paths. Each place keeps its
/// mode and gets parameters of its own, in the dtype of the model's first parameter (f32 without any). Throws Error, and changes nothing, if
/// `to` is none, if an activation of that type stands where it cannot be exchanged, and if there is none of that type.
std::vector<std::string> switch_activations(Module& model, const AnyActivation& to,
                                            std::string_view from = "relu");

/// Puts PReLU in the place of every ReLU, with slope 0, and of every LeakyReLU, with its slope; returns their paths. The
/// model computes bitwise the same as before, and from there on each place learns its slope (He et al., arXiv 1502.01852).
/// Dtypes, modes and errors are as above.
std::vector<std::string> switch_to_prelu(Module& model);

}  // namespace rill::nn
