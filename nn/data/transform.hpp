// Transforms: what happens to a sample between the dataset and the model, in a list whose order counts.
//
// A transform is constant after construction and changes one sample in place. Those that draw take the numbers from
// the sample's own stream, so the result follows from (seed, epoch, sample) alone: the same for any batch, order and
// number of threads. A list without random ones is the preprocessing that belongs to a model; its parameters can be
// read. Functions may be called from several threads at once.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include <rill/core/random.hpp>
#include <rill/core/shape.hpp>
#include <rill/core/tensor.hpp>
#include <rill/nn/data/dataset.hpp>

namespace rill::nn::data {

class Transform {
 public:
  Transform() = default;
  Transform(const Transform&) = delete;
  Transform& operator=(const Transform&) = delete;
  virtual ~Transform() = default;

  virtual std::string_view type() const = 0;  ///< such as "scale"
  virtual bool random() const { return false; }
  /// How many times as much work as copying the sample it is, roughly: from when on threads pay off.
  virtual std::int64_t cost() const { return 1; }

  /// Throws Error for samples of a shape that it cannot transform.
  virtual void check(const Shape& sample_shape) const = 0;
  /// Changes one sample, row-major, of a shape that check() has passed.
  virtual void apply(std::span<float> sample, const Shape& sample_shape, Stream& stream) const = 0;
};

using Transforms = std::vector<std::shared_ptr<const Transform>>;

/// Throws Error for a null transform, and for samples that one of them cannot transform.
void check_transforms(const Transforms& transforms, const Shape& sample_shape);

/// Applies the transforms in their order to the samples of x, f32 [batch, ...], of which row i is sample indices[i]. All
/// transforms of a sample draw from one Stream(seed, Purpose::augment, epoch, sample); samples 2^32 apart share it.
/// Throws Error for another dtype, another number of indices, and as check_transforms does.
void apply_transforms(const Transforms& transforms, Tensor& x, std::span<const std::int64_t> indices,
                      std::uint64_t seed, std::uint32_t epoch);

/// The same where nothing is drawn: the preprocessing of a batch for a trained model. Throws Error for a random one.
void apply_transforms(const Transforms& transforms, Tensor& x);

/// x * factor, rounded once.
class Scale final : public Transform {
 public:
  /// Throws Error for a factor that is not finite or 0.
  explicit Scale(double factor);

  std::string_view type() const override { return "scale"; }
  void check(const Shape&) const override {}
  void apply(std::span<float> sample, const Shape& sample_shape, Stream& stream) const override;

  double factor() const { return factor_; }

 private:
  double factor_;
};

/// What ImageDataset does to a pixel, for samples that are not pixels of one: x = (x - mean / scale) / (std / scale), which is
/// (x * scale - mean) / std, with the two quotients in f32. The results are the same bits.
class Normalize final : public Transform {
 public:
  /// Throws Error for options that ImageDataset refuses.
  explicit Normalize(ImageOptions options = {});

  std::string_view type() const override { return "normalize"; }
  void check(const Shape&) const override {}
  void apply(std::span<float> sample, const Shape& sample_shape, Stream& stream) const override;

  const ImageOptions& options() const { return options_; }

 private:
  ImageOptions options_;
  detail::PixelScale scale_;
};

struct StandardizeOptions {
  bool per_feature = true;  ///< or one mean and one std for all elements
  Transforms before{};      ///< applied to the samples first
  /// Elements that stay as they are, with mean 0 and std 1, such as the values of one-hot columns: a rare 1 would become a large number.
  std::vector<std::size_t> keep{};
};

/// (x - mean) / std, per element of the sample or with one pair for all.
class Standardize final : public Transform {
 public:
  /// f64 [1], or f64 with as many elements as a sample has. Both are copied. Throws Error for another dtype, different
  /// shapes, no elements, a mean that is not finite, and a std that is not finite, not above 0, or whose
  /// inverse is not finite.
  Standardize(const Tensor& mean, const Tensor& std);

  /// Measures mean and std (of the population: divided by n) in two passes over the dataset. A feature that never
  /// changes gets std 1, so that it becomes 0. Throws Error for a value that is not finite, naming the sample, for
  /// random transforms in options.before, and for elements to keep that a sample has not, or of samples with one mean for all.
  static std::shared_ptr<const Standardize> fit(const Dataset& dataset,
                                                const StandardizeOptions& options = {});

  std::string_view type() const override { return "standardize"; }
  void check(const Shape& sample_shape) const override;
  void apply(std::span<float> sample, const Shape& sample_shape, Stream& stream) const override;

  std::span<const double> mean() const { return mean_; }
  std::span<const double> std() const { return std_; }

 private:
  std::vector<double> mean_, std_, inverse_;
};

}  // namespace rill::nn::data
