// Small grey images as data: URIs.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace rill::optim::report {

/// A grey PNG of 8 bits (ISO/IEC 15948), its data stored and not compressed: pixels [rows, cols] of 0, black, to 1,
/// white; NaN is black. Needs rows and cols of 1 to 250.
std::string png_data_uri(std::span<const float> pixels, std::int64_t rows, std::int64_t cols);

}  // namespace rill::optim::report
