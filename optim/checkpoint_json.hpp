// The text in a checkpoint's metadata: all of it but tensors and the caller's own metadata.
//
// Finite numbers are JSON numbers of enough digits to read the same number back; "inf", "-inf" and "nan 7ff8000000000000"
// (its bits) are texts. It does not grow with the length of a training: of the epochs so far only the names are in it.
#pragma once

#include <string>

#include <rill/optim/checkpoint.hpp>

namespace rill::optim::detail {

/// `history` are the names in SavedHistory. Throws Error, starting with `where`, for names that are not UTF-8.
std::string training_text(const Checkpoint& checkpoint, const std::vector<std::string>& history,
                          const std::string& where);

/// Fills in all but the tensors and the history, whose names it returns; ParamState has its steps, and no tensors. Throws Error,
/// starting with `where` and naming the place by a JSON pointer, for a text that training_text() does not write.
std::vector<std::string> read_training_text(const std::string& text, const std::string& where,
                                            Checkpoint& checkpoint);

}  // namespace rill::optim::detail
