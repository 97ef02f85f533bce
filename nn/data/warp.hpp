// Warping: an image read at other places, the kernel behind Distort. Pure functions; scratch comes out of rill's pool.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include <rill/core/random.hpp>

namespace rill::nn::data::detail {

/// Where a pixel of the new image is read in the old one: (u, v) = matrix · (x, y) + offset, all counted from the middle.
struct InverseMap {
  std::array<float, 4> matrix{1, 0, 0, 1};  ///< row-major
  std::array<float, 2> offset{0, 0};
};

/// The last place of a frame around `size` pixels that may be read: the largest f32 that is at most size + 1.
float last_place(std::int64_t size);

/// Replaces an image [rows, cols] with itself read at map(p) + displacement(p), bilinearly; everything outside is
/// `fill`. The displacement is [2, rows, cols], along x and then along y, or empty.
void warp(std::span<float> image, std::int64_t rows, std::int64_t cols, const InverseMap& map,
          std::span<const float> displacement, float fill);

/// Fills a field [rows, cols] with `strength` times noise from the stream, uniform in [-1, 1), smoothed along both axes
/// by `kernel` (an odd number of weights); the noise goes on periodically.
void smooth_noise(std::span<float> field, std::int64_t rows, std::int64_t cols, std::span<const float> kernel,
                  float strength, Stream& stream);

}  // namespace rill::nn::data::detail
