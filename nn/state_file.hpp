// A model's values as the content of a safetensors file, for files that hold more than the values. save_weights() and
// load_weights() in module.hpp are for those that do not.
#pragma once

#include <string>

#include <rill/core/io/safetensors.hpp>
#include <rill/nn/module.hpp>

namespace rill::nn {

/// Every parameter and buffer under its name, a tied one under each of its names; shared with the model, not copied.
io::Safetensors state_file(Module& model);

/// Copies the values of a file into the model, as load_weights() does; errors start with `where`. Of a checkpoint, names that
/// begin with "rill." are left out.
void load_state(Module& model, io::Safetensors file, const std::string& where);

}  // namespace rill::nn
