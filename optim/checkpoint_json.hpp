// The text in a checkpoint's metadata: all of it but tensors and the caller's own metadata.
//
// Finite numbers are JSON numbers of enough digits to read the same number back; "inf", "-inf" and "nan 7ff8000000000000"
// (its bits) are texts. Epochs in a row that have the same names in their logs share them.
#pragma once

#include <string>

#include <rill/optim/checkpoint.hpp>

namespace rill::optim::detail {

/// Throws Error, starting with `where`, for names that are not UTF-8.
std::string training_text(const Checkpoint& checkpoint, const std::string& where);

/// Fills in all but the tensors; ParamState has its steps, and no tensors. Throws Error, starting with `where` and naming
/// the place by a JSON pointer, for a text that training_text() does not write.
void read_training_text(const std::string& text, const std::string& where, Checkpoint& checkpoint);

}  // namespace rill::optim::detail
