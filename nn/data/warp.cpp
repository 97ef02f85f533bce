#include <algorithm>
#include <cmath>
#include <cstring>

#include <rill/core/create.hpp>
#include <rill/nn/data/warp.hpp>

namespace rill::nn::data::detail {
namespace {

// The old image with a frame of `fill`: one pixel before and two behind, so that the four neighbours of any place from
// -1 to the size are there.
struct Framed {
  Tensor pixels;
  std::int64_t stride;
};

Framed frame(std::span<const float> image, std::int64_t rows, std::int64_t cols, float fill) {
  Framed framed{empty({rows + 3, cols + 3}), cols + 3};
  const std::span<float> out = framed.pixels.mutable_data<float>();
  std::fill(out.begin(), out.end(), fill);
  for (std::int64_t row = 0; row < rows; ++row)
    std::copy_n(image.data() + row * cols, cols, out.data() + (row + 1) * framed.stride + 1);
  return framed;
}

// Four floats at once. Left to itself GCC 12 shuffles the taps where step is 1, which takes three times as long.
using Four [[gnu::vector_size(16)]] = float;

Four load(const float* from) {
  Four value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}

// to[i] = sum of kernel[k] * from[i + k * step] for `count` elements; `from` is as much longer as that takes.
void convolve(const float* from, std::int64_t step, std::span<const float> kernel, std::int64_t count,
              float* to) {
  // Blocks that stay in registers while the taps go by; the last one overlaps that before it.
  constexpr std::int64_t block = 16;
  for (std::int64_t begin = 0; count >= block && begin < count; begin += block) {
    const std::int64_t first = std::min(begin, count - block);
    Four a{}, b{}, c{}, d{};
    const float* at = from + first;
    for (const float weight : kernel) {
      const Four w{weight, weight, weight, weight};
      a += w * load(at);
      b += w * load(at + 4);
      c += w * load(at + 8);
      d += w * load(at + 12);
      at += step;
    }
    const Four sums[] = {a, b, c, d};
    std::memcpy(to + first, sums, sizeof(sums));
  }
  for (std::int64_t i = 0; count < block && i < count; ++i) {
    float sum = 0;
    const float* at = from + i;
    for (const float weight : kernel) {
      sum += weight * *at;
      at += step;
    }
    to[i] = sum;
  }
}

}  // namespace

float last_place(std::int64_t size) {
  const auto rounded = static_cast<float>(size + 1);
  return static_cast<std::int64_t>(rounded) > size + 1 ? std::nextafter(rounded, 0.0F) : rounded;
}

void warp(std::span<float> image, std::int64_t rows, std::int64_t cols, const InverseMap& map,
          std::span<const float> displacement, float fill) {
  const Framed framed = frame(image, rows, cols, fill);
  const float* const from = framed.pixels.data<float>().data();
  const std::int64_t stride = framed.stride;
  const auto [xx, xy, yx, yy] = map.matrix;
  const float middle_x = static_cast<float>(cols - 1) / 2, middle_y = static_cast<float>(rows - 1) / 2;
  // Counted from the frame's corner, so that places are not negative and cutting off is rounding down.
  const float from_x = map.offset[0] + middle_x + 1, from_y = map.offset[1] + middle_y + 1;
  const float most_x = last_place(cols), most_y = last_place(rows);
  const float* const dx = displacement.data();
  const float* const dy = displacement.empty() ? nullptr : dx + rows * cols;
  for (std::int64_t row = 0; row < rows; ++row) {
    const float y = static_cast<float>(row) - middle_y;
    float* const out = image.data() + row * cols;
    for (std::int64_t col = 0; col < cols; ++col) {
      const float x = static_cast<float>(col) - middle_x;
      const std::int64_t at = row * cols + col;
      float u = xx * x + xy * y + from_x + (dx ? dx[at] : 0.0F);
      float v = yx * x + yy * y + from_y + (dx ? dy[at] : 0.0F);
      u = std::min(std::max(u, 0.0F), most_x);
      v = std::min(std::max(v, 0.0F), most_y);
      const int left = static_cast<int>(u), top = static_cast<int>(v);
      const float a = u - static_cast<float>(left), b = v - static_cast<float>(top);
      const float* const p = from + top * stride + left;
      const float upper = p[0] + a * (p[1] - p[0]), lower = p[stride] + a * (p[stride + 1] - p[stride]);
      out[col] = upper + b * (lower - upper);
    }
  }
}

void smooth_noise(std::span<float> field, std::int64_t rows, std::int64_t cols, std::span<const float> kernel,
                  float strength, Stream& stream) {
  const std::int64_t reach = std::ssize(kernel) / 2;
  Tensor scratch = empty({(rows + 2 * reach) * cols + cols + 2 * reach});
  float* const tall = scratch.mutable_data<float>().data();  // [rows + 2 reach, cols], wrapped
  float* const wide = tall + (rows + 2 * reach) * cols;      // [cols + 2 reach], wrapped
  // 16 bits a number are plenty for what is smoothed, and half as many draws.
  const float unit = strength * 0x1p-15F;
  for (std::int64_t row = 0; row < rows; ++row) {
    float* const line = wide + reach;
    for (std::int64_t col = 0; col < cols; col += 2) {
      const std::uint32_t bits = stream.next();
      line[col] = static_cast<float>(static_cast<std::int16_t>(bits)) * unit;
      if (col + 1 < cols) line[col + 1] = static_cast<float>(static_cast<std::int16_t>(bits >> 16)) * unit;
    }
    // Each margin goes on from what was copied before, so it may be wider than the image.
    for (std::int64_t i = 0; i < reach; ++i) line[cols + i] = line[i];
    for (std::int64_t i = 1; i <= reach; ++i) line[-i] = line[cols - i];
    convolve(wide, 1, kernel, cols, tall + (row + reach) * cols);
  }
  float* const inner = tall + reach * cols;
  for (std::int64_t i = 0; i < reach; ++i) std::copy_n(inner + i * cols, cols, inner + (rows + i) * cols);
  for (std::int64_t i = 1; i <= reach; ++i) std::copy_n(inner + (rows - i) * cols, cols, inner - i * cols);
  for (std::int64_t row = 0; row < rows; ++row)
    convolve(tall + row * cols, cols, kernel, cols, field.data() + row * cols);
}

}  // namespace rill::nn::data::detail
