// Datasets: samples and their targets, read by number, a batch at a time. A target is a class label, or numbers for
// a regression.
//
// Every function is const and may be called from several threads at once, as long as each call fills tensors of its
// own. What gather writes never depends on the number of threads.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <rill/core/create.hpp>
#include <rill/core/memory.hpp>
#include <rill/core/shape.hpp>

namespace rill::nn::data {

/// Samples and their targets.
struct Samples {
  Tensor x;  ///< f32 [samples, sample_shape...]
  Tensor y;  ///< labels, i64 [samples], or numbers, f32 [samples, target_shape...]
};

class Dataset {
 public:
  Dataset() = default;
  Dataset(const Dataset&) = delete;
  Dataset& operator=(const Dataset&) = delete;
  virtual ~Dataset() = default;

  virtual std::int64_t size() const = 0;             ///< samples, at least 1
  virtual Shape sample_shape() const = 0;            ///< of one sample, without the batch
  virtual std::int64_t classes() const = 0;          ///< labels lie in [0, classes); 0: targets are numbers
  virtual Shape target_shape() const { return {}; }  ///< of one target, without the batch; [] for labels

  /// Copies the samples `indices` into x, f32 [batch, sample_shape...], and their targets into y: labels, i64 [batch],
  /// or numbers, f32 [batch, target_shape...]. Throws Error for an index outside [0, size), and for tensors of another
  /// shape or dtype; nothing is written then.
  virtual void gather(std::span<const std::int64_t> indices, Tensor& x, Tensor& y) const = 0;

  /// A copy of the samples [begin, end) and their targets, in their order, before any transforms. Throws Error for samples
  /// that there are not.
  Samples range(std::int64_t begin, std::int64_t end) const;
  /// The same of all samples.
  Samples all() const { return range(0, size()); }

  DType target_dtype() const { return classes() > 0 ? DType::i64 : DType::f32; }

  /// [batch, sample_shape...]. Throws Error for a negative batch.
  Shape batch_shape(std::int64_t batch) const;
  /// [batch, target_shape...]. Throws Error for a negative batch.
  Shape target_batch_shape(std::int64_t batch) const;

 protected:
  /// Throws the errors that gather promises, in the name of `where`.
  void check_gather(const char* where, std::span<const std::int64_t> indices, const Tensor& x,
                    const Tensor& y) const;
};

/// How a pixel becomes a number: x = (pixel * scale - mean) / std. MNIST's usual mean and std are 0.1307 and 0.3081.
struct ImageOptions {
  double scale = 1.0 / 255;
  double mean = 0;
  double std = 1;
};

namespace detail {
/// ImageOptions as they are computed with: x = (pixel - offset) / divisor.
struct PixelScale {
  float offset = 0, divisor = 1;
  /// Throws Error, in the name of `where`, for options that are not finite, have std <= 0 or scale = 0, or leave the range of f32.
  PixelScale(const char* where, const ImageOptions& options);
};
}  // namespace detail

/// Grey images of one size, kept as bytes.
class ImageDataset final : public Dataset {
 public:
  /// Copies the pixels of labels.size() images, row-major [images, rows, cols]. Throws Error for an empty set, sizes
  /// below 1, a pixel count that does not fit, a label outside [0, classes), and options that are not finite, have
  /// std <= 0 or scale = 0, or leave the range of f32.
  ImageDataset(std::span<const std::uint8_t> pixels, std::vector<std::int64_t> labels, std::int64_t rows,
               std::int64_t cols, std::int64_t classes, ImageOptions options = {});

  std::int64_t size() const override { return static_cast<std::int64_t>(labels_.size()); }
  Shape sample_shape() const override { return {rows_, cols_}; }
  std::int64_t classes() const override { return classes_; }
  void gather(std::span<const std::int64_t> indices, Tensor& x, Tensor& y) const override;

  std::span<const std::uint8_t> pixels() const { return pixels_; }  ///< [size, rows, cols]
  std::span<const std::int64_t> labels() const { return labels_; }
  const ImageOptions& options() const { return options_; }
  float background() const { return (0 - scale_.offset) / scale_.divisor; }  ///< what a pixel of 0 becomes

  /// The pixels of one image, [rows, cols]. Throws Error for an index outside [0, size).
  std::span<const std::uint8_t> image(std::int64_t index) const;

 private:
  std::vector<std::uint8_t, memory::Allocator<std::uint8_t>> pixels_;
  std::vector<std::int64_t> labels_;
  std::int64_t rows_, cols_, classes_;
  ImageOptions options_;
  detail::PixelScale scale_;
};

/// The rows of a tensor with one label each, or with numbers to be predicted.
class TensorDataset final : public Dataset {
 public:
  /// x is f32 [n, ...], y is i64 [n] with labels or f32 [n, ...] with numbers; both are shared, not copied, and must not
  /// be overwritten later. For labels without `classes` there is one class more than the largest label. Throws Error
  /// for other shapes or dtypes, n = 0, samples or targets without elements, a label outside [0, classes), and classes
  /// given for numbers.
  TensorDataset(Tensor x, Tensor y, std::optional<std::int64_t> classes = std::nullopt);

  std::int64_t size() const override { return x_.shape()[0]; }
  Shape sample_shape() const override { return Shape(x_.shape().sizes().subspan(1)); }
  std::int64_t classes() const override { return classes_; }
  Shape target_shape() const override { return Shape(y_.shape().sizes().subspan(1)); }
  void gather(std::span<const std::int64_t> indices, Tensor& x, Tensor& y) const override;

  const Tensor& x() const { return x_; }  ///< [size, sample_shape...]
  const Tensor& y() const { return y_; }  ///< [size, target_shape...]

 private:
  Tensor x_, y_;
  std::int64_t classes_ = 0;
};

}  // namespace rill::nn::data
