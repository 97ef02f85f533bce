#include <algorithm>
#include <cmath>
#include <numbers>

#include <rill/core/error.hpp>
#include <rill/nn/data/augment.hpp>
#include <rill/nn/data/warp.hpp>

namespace rill::nn::data {
namespace {

void check_images(std::string_view where, const Shape& sample_shape) {
  RILL_CHECK(sample_shape.rank() == 2 || sample_shape.rank() == 3, where, ": samples are ", sample_shape,
             ", expected images [rows, cols] or [channels, rows, cols]");
}

void check_fill(std::string_view where, double fill) {
  RILL_CHECK(std::isfinite(static_cast<float>(fill)), where, ": fill is ", fill, ", expected a finite f32");
}

void check_range(const char* option, double value, double low, double high) {
  RILL_CHECK(value >= low && value <= high, "distort: ", option, " is ", value, ", expected ", low, " to ",
             high);
}

// One image moved by (dx, dy) in place; every element is read before it is overwritten.
void move_image(float* image, std::int64_t rows, std::int64_t cols, std::int64_t dx, std::int64_t dy,
                float fill) {
  if (dx == 0 && dy == 0) return;  // std::copy may not copy a row onto itself
  const std::int64_t shift_x = std::clamp(dx, -cols, cols), shift_y = std::clamp(dy, -rows, rows);
  const std::int64_t width = cols - std::abs(shift_x);
  for (std::int64_t i = 0; i < rows; ++i) {
    const std::int64_t row = shift_y > 0 ? rows - 1 - i : i, source = row - shift_y;
    float* const to = image + row * cols;
    if (source < 0 || source >= rows) {
      std::fill_n(to, cols, fill);
      continue;
    }
    const float* const from = image + source * cols;
    if (shift_x >= 0) {
      std::copy_backward(from, from + width, to + cols);
      std::fill_n(to, shift_x, fill);
    } else {
      std::copy(from - shift_x, from + cols, to);
      std::fill_n(to + width, -shift_x, fill);
    }
  }
}

std::vector<float> gaussian(double sigma) {
  const auto reach = static_cast<int>(std::ceil(3 * sigma));
  std::vector<double> weights;
  double sum = 0;
  for (int i = -reach; i <= reach; ++i) {
    weights.push_back(std::exp(-0.5 * i * i / (sigma * sigma)));
    sum += weights.back();
  }
  std::vector<float> kernel;
  kernel.reserve(weights.size());
  for (const double weight : weights) kernel.push_back(static_cast<float>(weight / sum));
  return kernel;
}

// The options are drawn in a fixed order, also those that are 0: one of them changes no other.
detail::InverseMap draw_map(const DistortOptions& options, Stream& stream) {
  const auto within = [&](double size) { return stream.uniform(-size, size); };
  const double angle = within(options.rotation) * std::numbers::pi / 180;
  const double scale_x = 1 + within(options.scale), scale_y = 1 + within(options.scale);
  const double shear = within(options.shear);
  const double move_x = within(options.translate), move_y = within(options.translate);
  // The inverse of rotation · shear · scale, factor by factor.
  const double c = std::cos(angle), s = std::sin(angle);
  const double xx = (c + shear * s) / scale_x, xy = (s - shear * c) / scale_x;
  const double yx = -s / scale_y, yy = c / scale_y;
  const auto f = [](double value) { return static_cast<float>(value); };
  return {{f(xx), f(xy), f(yx), f(yy)}, {f(-xx * move_x - xy * move_y), f(-yx * move_x - yy * move_y)}};
}

}  // namespace

Shift::Shift(ShiftOptions options) : options_(options) {
  RILL_CHECK(options.pixels >= 0 && options.pixels <= 1000, "shift: pixels is ", options.pixels,
             ", expected 0 to 1000");
  check_fill("shift", options.fill);
}

void Shift::check(const Shape& sample_shape) const { check_images("shift", sample_shape); }

void Shift::apply(std::span<float> sample, const Shape& sample_shape, Stream& stream) const {
  const std::int64_t rows = sample_shape.at(-2), cols = sample_shape.at(-1);
  const auto draw = [&] {
    return static_cast<std::int64_t>(stream.below(2 * static_cast<std::uint64_t>(options_.pixels) + 1)) -
           options_.pixels;
  };
  const std::int64_t dx = draw(), dy = draw();
  for (float* image = sample.data(); image != sample.data() + sample.size(); image += rows * cols)
    move_image(image, rows, cols, dx, dy, static_cast<float>(options_.fill));
}

Distort::Distort(DistortOptions options) : options_(options) {
  constexpr double most = 1e6;
  check_range("rotation", options.rotation, 0, 180);
  RILL_CHECK(options.scale >= 0 && options.scale < 1, "distort: scale is ", options.scale,
             ", expected at least 0 and less than 1");
  check_range("shear", options.shear, 0, most);
  check_range("translate", options.translate, 0, most);
  check_range("alpha", options.alpha, 0, most);
  check_range("sigma", options.sigma, 0.1, 100);
  check_fill("distort", options.fill);
  kernel_ = gaussian(options.sigma);
}

std::int64_t Distort::cost() const { return options_.alpha > 0 ? 100 : 20; }

void Distort::check(const Shape& sample_shape) const { check_images("distort", sample_shape); }

void Distort::apply(std::span<float> sample, const Shape& sample_shape, Stream& stream) const {
  const std::int64_t rows = sample_shape.at(-2), cols = sample_shape.at(-1);
  const auto image_size = static_cast<std::size_t>(rows * cols);
  const detail::InverseMap map = draw_map(options_, stream);
  Tensor scratch;
  std::span<float> field;
  if (options_.alpha > 0) {
    scratch = empty({2, rows, cols});
    field = scratch.mutable_data<float>();
    for (const std::size_t axis : {0, 1})
      detail::smooth_noise(field.subspan(axis * image_size, image_size), rows, cols, kernel_,
                           static_cast<float>(options_.alpha), stream);
  }
  for (std::size_t at = 0; at < sample.size(); at += image_size)
    detail::warp(sample.subspan(at, image_size), rows, cols, map, field, static_cast<float>(options_.fill));
}

}  // namespace rill::nn::data
