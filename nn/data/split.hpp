// Subset and split: parts of a dataset.
//
// A part shares its samples with the whole and numbers them anew. Constant after construction, as every Dataset.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include <rill/nn/data/dataset.hpp>

namespace rill::nn::data {

/// The samples `indices` of a dataset, in that order; a sample may stand twice.
class Subset final : public Dataset {
 public:
  /// Throws Error without a dataset, for no indices, and for an index outside [0, dataset->size()).
  Subset(std::shared_ptr<const Dataset> dataset, std::vector<std::int64_t> indices);

  std::int64_t size() const override { return static_cast<std::int64_t>(indices_.size()); }
  Shape sample_shape() const override { return dataset_->sample_shape(); }
  std::int64_t classes() const override { return dataset_->classes(); }
  Shape target_shape() const override { return dataset_->target_shape(); }
  void gather(std::span<const std::int64_t> indices, Tensor& x, Tensor& y) const override;

  std::span<const std::int64_t> indices() const {
    return indices_;
  }  ///< where the samples stand in the whole
  const Dataset& dataset() const { return *dataset_; }

 private:
  std::shared_ptr<const Dataset> dataset_;
  std::vector<std::int64_t> indices_;
};

struct SplitOptions {
  double validation = 0.2;  ///< share of the samples, in (0, 1)
  std::uint64_t seed = 0;
  bool stratified = false;  ///< the same share of every class, as nearly as whole samples allow
};

struct Split {
  std::shared_ptr<const Subset> train, validation;
};

/// Draws round(validation · size) samples for validation and leaves the others for training; both parts keep the
/// dataset's order. Which ones follows from (seed, Purpose::split) and the number of samples, stratified also from the
/// labels. Throws Error without a dataset, for a share outside (0, 1), where a part would be empty, and for a
/// stratified split of targets that are no labels.
Split split(std::shared_ptr<const Dataset> dataset, SplitOptions options);

}  // namespace rill::nn::data
