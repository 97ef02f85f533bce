// Augmentation: images that look a little different in every epoch.
//
// Samples are images [rows, cols] or [channels, rows, cols], moved as a whole, all channels alike. x runs to the right
// and y down, in pixels. What comes in from outside of an image is `fill`: the background as the transform sees it, so
// what a pixel of 0 becomes where the dataset scales (ImageDataset::background()).
#pragma once

#include <string_view>
#include <vector>

#include <rill/nn/data/transform.hpp>

namespace rill::nn::data {

struct ShiftOptions {
  int pixels = 1;  ///< dx and dy are uniform in [-pixels, pixels]
  double fill = 0;
};

/// Moves an image by whole pixels.
class Shift final : public Transform {
 public:
  /// Throws Error for pixels outside [0, 1000], and a fill that is not finite in f32.
  explicit Shift(ShiftOptions options);

  std::string_view type() const override { return "shift"; }
  bool random() const override { return true; }
  void check(const Shape& sample_shape) const override;
  void apply(std::span<float> sample, const Shape& sample_shape, Stream& stream) const override;

  const ShiftOptions& options() const { return options_; }

 private:
  ShiftOptions options_;
};

/// Every quantity is drawn uniformly from 0 ± its option, the factors from 1 ± scale; an option of 0 leaves it out.
struct DistortOptions {
  double rotation = 0;   ///< degrees
  double scale = 0;      ///< of the width and of the height, drawn apart
  double shear = 0;      ///< x moves by shear · y, counted from the middle
  double translate = 0;  ///< pixels, along x and y
  double alpha = 0;      ///< strength of the elastic distortion; 0: none
  double sigma = 4;      ///< its smoothness, in pixels
  double fill = 0;
};

/// An affine and an elastic distortion in one resampling: the new image at p is the old one at A⁻¹ (p - t) + d(p), read
/// bilinearly, with p counted from the middle, A = rotation · shear · scale, and t the translation. Each component of d
/// is alpha times noise, uniform in [-1, 1) and independent for every pixel, smoothed with a Gaussian of deviation sigma
/// whose weights sum to 1 (Simard, Steinkraus, Platt, "Best practices for convolutional neural networks applied to
/// visual document analysis", 2003). The Gaussian is cut at 3 sigma, and the noise goes on periodically beyond the
/// edges, so that d is as strong there as in the middle: its deviation is alpha / sqrt(3) · the sum of the squared
/// weights of one axis, close to 0.163 · alpha / sigma pixels.
class Distort final : public Transform {
 public:
  /// Throws Error for options that are not finite, negative, a rotation above 180, a scale of 1 or more, a sigma outside
  /// [0.1, 100], and a fill that is not finite in f32.
  explicit Distort(DistortOptions options);

  std::string_view type() const override { return "distort"; }
  bool random() const override { return true; }
  std::int64_t cost() const override;
  void check(const Shape& sample_shape) const override;
  void apply(std::span<float> sample, const Shape& sample_shape, Stream& stream) const override;

  const DistortOptions& options() const { return options_; }
  std::span<const float> kernel() const { return kernel_; }  ///< the Gaussian's weights along one axis

 private:
  DistortOptions options_;
  std::vector<float> kernel_;
};

}  // namespace rill::nn::data
