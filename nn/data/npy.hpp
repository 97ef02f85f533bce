// npy files as a dataset: one with the samples, one with their targets.
//
// Functions may be called from any thread and keep nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <rill/nn/data/dataset.hpp>

namespace rill::nn::data {

struct NpyOptions {
  bool regression = false;                ///< targets are numbers, [n, ...], else labels, [n]
  std::optional<std::int64_t> classes{};  ///< none: one more than the largest label
};

/// Reads x, [n, ...], as f32, and y as i64 labels or f32 numbers, whatever the number types in the files; numbers of shape [n] become
/// [n, 1]. Throws Error, naming the file, for NaN and infinities, and as io::load_npy and TensorDataset do.
std::shared_ptr<const TensorDataset> load_npy(const std::string& x_path, const std::string& y_path,
                                              const NpyOptions& options = {});

}  // namespace rill::nn::data
