// A model as a table: modules, output shapes, parameters.
#pragma once

#include <string>

#include <rill/nn/module.hpp>

namespace rill::nn {

/// A table of the model for samples of `input_shape` (without the batch): a row a module, with its path, its type, the
/// shape of what it returned ("n" for the batch, "-" where it was not called) and the parameters that it holds itself; then
/// totals. A parameter counts where it is met first; a row that holds it again says "tied".
///
/// The shapes come from two passes of zeros, of 2 and 3 samples, in evaluation mode, without recording, in the dtype of the model's first
/// parameter; hooks of the model's own see them. All else is left as it was, also if the model throws, which is passed on.
std::string summary(Module& model, const Shape& input_shape);

}  // namespace rill::nn
