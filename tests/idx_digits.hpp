// Images and their labels as the files that MNIST has.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include <rill/core/io/idx.hpp>
#include <rill/nn/data/dataset.hpp>

namespace rill::test {

/// Writes `start`-images-idx3-ubyte and `start`-labels-idx1-ubyte; the pixels as they are, from 0 to 255.
inline void write_idx_digits(const std::string& start, const nn::data::ImageDataset& digits) {
  io::IdxArray images{.shape = {digits.size(), 28, 28}, .type = io::IdxType::u8, .bytes = {}};
  for (const std::uint8_t pixel : digits.pixels()) images.bytes.push_back(static_cast<std::byte>(pixel));
  io::IdxArray labels{.shape = {digits.size()}, .type = io::IdxType::u8, .bytes = {}};
  for (const std::int64_t label : digits.labels()) labels.bytes.push_back(static_cast<std::byte>(label));
  io::write_idx(start + "-images-idx3-ubyte", images);
  io::write_idx(start + "-labels-idx1-ubyte", labels);
}

}  // namespace rill::test
