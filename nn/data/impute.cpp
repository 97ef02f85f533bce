#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include <rill/core/error.hpp>
#include <rill/nn/data/impute.hpp>

namespace rill::nn::data {
namespace {

double mean_of(const std::vector<float>& values) {
  const double origin = values[0];  // so that a constant's mean is exact
  double sum = 0;
  for (const float value : values) sum += value - origin;
  return origin + sum / static_cast<double>(values.size());
}

double median_of(std::vector<float>& values) {
  const auto middle = values.begin() + std::ssize(values) / 2;
  std::ranges::nth_element(values, middle);
  if (values.size() % 2 == 1) return *middle;
  return std::midpoint(static_cast<double>(*std::max_element(values.begin(), middle)),
                       static_cast<double>(*middle));
}

}  // namespace

Impute::Impute(const Tensor& values) {
  RILL_CHECK(values.dtype() == DType::f64 && values.numel() > 0, "impute: values are ", values.dtype(), " ",
             values.shape(), ", expected f64 with at least 1 element");
  const auto given = values.data<double>();
  for (std::size_t i = 0; i < given.size(); ++i)
    RILL_CHECK(std::abs(given[i]) <= std::numeric_limits<float>::max(), "impute: value ", i, " is ", given[i],
               ", expected a finite number that f32 holds");
  values_.assign(given.begin(), given.end());
}

std::shared_ptr<const Impute> Impute::fit(const Dataset& dataset, ImputeBy by) {
  const Tensor x = dataset.all().x;
  const auto samples = static_cast<std::size_t>(dataset.size());
  const std::size_t elements = static_cast<std::size_t>(x.numel()) / samples;
  const auto numbers = x.data<float>();
  Tensor values = empty({static_cast<std::int64_t>(elements)}, DType::f64);
  const auto filled = values.mutable_data<double>();
  std::vector<float> seen;
  for (std::size_t element = 0; element < elements; ++element) {
    seen.clear();
    for (std::size_t sample = 0; sample < samples; ++sample) {
      const float number = numbers[sample * elements + element];
      if (std::isnan(number)) continue;
      RILL_CHECK(std::isfinite(number), "impute: element ", element, " of sample ", sample, " is ", number,
                 ", expected a finite number or NaN");
      seen.push_back(number);
    }
    RILL_CHECK(!seen.empty(), "impute: element ", element, " is missing in all ", samples,
               " samples, expected a number in one of them");
    filled[element] = by == ImputeBy::mean ? mean_of(seen) : median_of(seen);
  }
  return std::make_shared<Impute>(values);
}

void Impute::check(const Shape& sample_shape) const {
  RILL_CHECK(values_.size() == 1 || std::ssize(values_) == sample_shape.numel(), "impute: samples are ",
             sample_shape, ", expected ", values_.size(), " elements as there are values");
}

void Impute::apply(std::span<float> sample, const Shape&, Stream&) const {
  const std::size_t step = values_.size() == 1 ? 0 : 1;
  for (std::size_t i = 0; i < sample.size(); ++i)
    if (std::isnan(sample[i])) sample[i] = static_cast<float>(values_[i * step]);
}

bool fills_missing(const Transforms& transforms) {
  return std::ranges::any_of(transforms, [](const std::shared_ptr<const Transform>& each) {
    return dynamic_cast<const Impute*>(each.get()) != nullptr;
  });
}

}  // namespace rill::nn::data
