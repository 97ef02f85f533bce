#include <algorithm>

#include <rill/nn/config/preprocessing.hpp>
#include <rill/nn/data/impute.hpp>

namespace rill::nn::config {
namespace {

Tensor f64_of(const std::vector<double>& values) {
  Tensor tensor = empty({static_cast<std::int64_t>(values.size())}, DType::f64);
  std::ranges::copy(values, tensor.mutable_data<double>().begin());
  return tensor;
}

struct Maker {
  std::shared_ptr<const data::Transform> operator()(const ScaleConfig& config) const {
    return std::make_shared<data::Scale>(config.factor);
  }
  std::shared_ptr<const data::Transform> operator()(const NormalizeConfig& config) const {
    return std::make_shared<data::Normalize>(
        data::ImageOptions{.scale = config.scale, .mean = config.mean, .std = config.std});
  }
  std::shared_ptr<const data::Transform> operator()(const StandardizeConfig& config) const {
    return std::make_shared<data::Standardize>(f64_of(config.mean), f64_of(config.std));
  }
  std::shared_ptr<const data::Transform> operator()(const ImputeConfig& config) const {
    return std::make_shared<data::Impute>(f64_of(config.values));
  }
};

}  // namespace

std::shared_ptr<const data::Transform> TransformConfig::make() const { return std::visit(Maker(), value); }

TransformConfig TransformConfig::of(const data::Transform& transform) {
  if (const auto* scale = dynamic_cast<const data::Scale*>(&transform))
    return {ScaleConfig{.factor = scale->factor()}};
  if (const auto* normalize = dynamic_cast<const data::Normalize*>(&transform)) {
    const auto& [scale, mean, std] = normalize->options();
    return {NormalizeConfig{.scale = scale, .mean = mean, .std = std}};
  }
  if (const auto* standardize = dynamic_cast<const data::Standardize*>(&transform)) {
    return {StandardizeConfig{.mean = {standardize->mean().begin(), standardize->mean().end()},
                              .std = {standardize->std().begin(), standardize->std().end()}}};
  }
  if (const auto* impute = dynamic_cast<const data::Impute*>(&transform))
    return {ImputeConfig{.values = {impute->values().begin(), impute->values().end()}}};
  rill::detail::fail("save_model: the preprocessing \"" + std::string(transform.type()) +
                     "\" cannot be saved, expected scale, normalize, standardize or impute");
}

}  // namespace rill::nn::config
