// Missing values: NaN in samples, such as load_csv leaves, becomes a number that was measured on the training set.
#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include <rill/nn/data/transform.hpp>

namespace rill::nn::data {

enum class ImputeBy {
  mean,
  median  ///< of an even number of values the mean of the two in the middle
};

/// NaN becomes the value of its element; other numbers stay. It stands before transforms that compute with them.
class Impute final : public Transform {
 public:
  /// f64 [1], or f64 with as many elements as a sample has; copied. Throws Error for another dtype, no elements, and a value
  /// that is no finite f32.
  explicit Impute(const Tensor& values);

  /// Measures the values of each element over the samples in which it is not NaN. Takes as much memory as the dataset for a while.
  /// Throws Error for an element that is NaN in all samples, and for an infinity, naming the sample.
  static std::shared_ptr<const Impute> fit(const Dataset& dataset, ImputeBy by = ImputeBy::median);

  std::string_view type() const override { return "impute"; }
  void check(const Shape& sample_shape) const override;
  void apply(std::span<float> sample, const Shape& sample_shape, Stream& stream) const override;

  std::span<const double> values() const { return values_; }

 private:
  std::vector<double> values_;
};

/// Whether samples may hold NaN before these transforms: one of them is an Impute.
bool fills_missing(const Transforms& transforms);

}  // namespace rill::nn::data
