// The logs of all epochs as tensors, so that the text in a checkpoint does not grow with them.
#pragma once

#include <string>
#include <vector>

#include <rill/core/tensor.hpp>
#include <rill/optim/logs.hpp>

namespace rill::optim::detail {

/// The numbers of all epochs, one epoch after the other.
struct SavedHistory {
  std::vector<std::string> names = {};  ///< each once, in the order in which they came
  Tensor numbers = {};                  ///< f64 [numbers]
  Tensor places = {};                   ///< i64 [numbers], of each number's name
  Tensor sizes = {};                    ///< i64 [epochs], how many numbers an epoch has
};

/// The most names: each number of an epoch is looked for among the others.
inline constexpr std::size_t max_history_names = 1000;

/// Throws Error for more than max_history_names, and longer ones than max_shared_text.
SavedHistory save_history(const std::vector<Logs>& epochs);

/// Throws Error, starting with `where`, for tensors that are missing, have another dtype or shape, or do not fit each other.
std::vector<Logs> load_history(const SavedHistory& saved, const std::string& where);

}  // namespace rill::optim::detail
