#include <algorithm>
#include <cmath>
#include <numeric>

#include <rill/core/error.hpp>
#include <rill/core/parallel.hpp>
#include <rill/nn/data/transform.hpp>

namespace rill::nn::data {
namespace {

constexpr std::int64_t transform_grain = 2 * rill::detail::parallel_grain;

void check_batch(const Transforms& transforms, const Tensor& x) {
  RILL_CHECK(x.dtype() == DType::f32 && x.dim() >= 1, "transforms: x is ", x.dtype(), " ", x.shape(),
             ", expected f32 with the samples along dimension 0");
  check_transforms(transforms, Shape(x.shape().sizes().subspan(1)));
}

// Calls visit(sample, index) for all samples of the dataset in their order, transformed.
template <class Visit>
void for_all_samples(const Dataset& dataset, const Transforms& before, const Visit& visit) {
  constexpr std::int64_t chunk = 500;
  for (std::int64_t begin = 0; begin < dataset.size(); begin += chunk) {
    const std::int64_t end = std::min(begin + chunk, dataset.size());
    Tensor x = dataset.range(begin, end).x;
    apply_transforms(before, x);
    const std::span<const float> values = x.data<float>();
    const std::size_t size = values.size() / static_cast<std::size_t>(end - begin);
    for (std::int64_t i = begin; i < end; ++i)
      visit(values.subspan(static_cast<std::size_t>(i - begin) * size, size), i);
  }
}

// Sums over samples. Values are counted from the first one, so that those of a constant feature are exactly 0.
struct Moments {
  std::vector<double> origin, sum, squares;
  double count = 0;  // of values behind each sum
};

Moments first_moments(const Dataset& dataset, const StandardizeOptions& options) {
  Moments moments;
  const auto add = [&](std::span<const float> sample, std::int64_t index) {
    const std::size_t features = options.per_feature ? sample.size() : 1;
    if (moments.sum.empty()) {
      moments.sum.resize(features);
      moments.squares.resize(features);
      moments.origin.assign(sample.begin(), sample.begin() + static_cast<std::ptrdiff_t>(features));
    }
    for (std::size_t i = 0; i < sample.size(); ++i) {
      RILL_CHECK(std::isfinite(sample[i]), "standardize: element ", i, " of sample ", index, " is ",
                 sample[i], ", expected a finite number");
      const std::size_t k = options.per_feature ? i : 0;
      moments.sum[k] += static_cast<double>(sample[i]) - moments.origin[k];
    }
    const std::size_t samples = sample.size() / features;
    moments.count += static_cast<double>(samples);
  };
  for_all_samples(dataset, options.before, add);
  return moments;
}

void add_squares(const Dataset& dataset, const StandardizeOptions& options, Moments& moments) {
  for_all_samples(dataset, options.before, [&](std::span<const float> sample, std::int64_t) {
    for (std::size_t i = 0; i < sample.size(); ++i) {
      const std::size_t k = options.per_feature ? i : 0;
      const double from_mean =
          static_cast<double>(sample[i]) - moments.origin[k] - moments.sum[k] / moments.count;
      moments.squares[k] += from_mean * from_mean;
    }
  });
}

}  // namespace

void check_transforms(const Transforms& transforms, const Shape& sample_shape) {
  for (std::size_t i = 0; i < transforms.size(); ++i) {
    RILL_CHECK(transforms[i] != nullptr, "transforms: transform ", i, " is null, expected a transform");
    transforms[i]->check(sample_shape);
  }
}

void apply_transforms(const Transforms& transforms, Tensor& x, std::span<const std::int64_t> indices,
                      std::uint64_t seed, std::uint32_t epoch) {
  check_batch(transforms, x);
  RILL_CHECK(std::ssize(indices) == x.shape()[0], "transforms: there are ", indices.size(),
             " indices, expected ", x.shape()[0], " for x ", x.shape());
  if (transforms.empty() || x.numel() == 0) return;
  const Shape shape(x.shape().sizes().subspan(1));
  const auto size = static_cast<std::size_t>(shape.numel());
  std::int64_t cost = 0;
  for (const auto& transform : transforms) cost += transform->cost();
  const std::int64_t grain = std::max<std::int64_t>(1, transform_grain / (shape.numel() * cost));
  const std::span<float> values = x.mutable_data<float>();
  parallel_for(
      std::ssize(indices),
      [&](std::int64_t begin, std::int64_t end) {
        for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
          Stream stream(seed, Purpose::augment, epoch, static_cast<std::uint32_t>(indices[i]));
          for (const auto& transform : transforms)
            transform->apply(values.subspan(i * size, size), shape, stream);
        }
      },
      grain);
}

void apply_transforms(const Transforms& transforms, Tensor& x) {
  check_batch(transforms, x);
  for (const auto& transform : transforms) {
    RILL_CHECK(
        !transform->random(), "transforms: ", transform->type(),
        " draws random numbers, expected preprocessing that does not; give seed and epoch for augmentation");
  }
  const std::vector<std::int64_t> unused(static_cast<std::size_t>(x.shape()[0]));
  apply_transforms(transforms, x, unused, 0, 0);
}

Scale::Scale(double factor) : factor_(factor) {
  RILL_CHECK(std::isfinite(factor) && factor != 0, "scale: factor is ", factor,
             ", expected a finite number other than 0");
}

void Scale::apply(std::span<float> sample, const Shape&, Stream&) const {
  const double factor = factor_;
  for (float& value : sample) value = static_cast<float>(static_cast<double>(value) * factor);
}

Normalize::Normalize(ImageOptions options) : options_(options), scale_("normalize", options) {}

void Normalize::apply(std::span<float> sample, const Shape&, Stream&) const {
  const auto [offset, divisor] = scale_;
  for (float& value : sample) value = (value - offset) / divisor;
}

Standardize::Standardize(const Tensor& mean, const Tensor& std) {
  RILL_CHECK(mean.dtype() == DType::f64 && std.dtype() == DType::f64 && mean.shape() == std.shape() &&
                 mean.numel() > 0,
             "standardize: mean is ", mean.dtype(), " ", mean.shape(), " and std ", std.dtype(), " ",
             std.shape(), ", expected f64 of one shape with at least 1 element");
  const auto means = mean.data<double>(), stds = std.data<double>();
  for (std::size_t i = 0; i < means.size(); ++i) {
    RILL_CHECK(std::isfinite(means[i]), "standardize: mean ", i, " is ", means[i],
               ", expected a finite number");
    RILL_CHECK(std::isfinite(stds[i]) && stds[i] > 0, "standardize: std ", i, " is ", stds[i],
               ", expected a finite number above 0");
    RILL_CHECK(std::isfinite(1 / stds[i]), "standardize: std ", i, " is ", stds[i],
               ", expected a number whose inverse is finite");
  }
  mean_.assign(means.begin(), means.end());
  std_.assign(stds.begin(), stds.end());
  for (const double each : std_) inverse_.push_back(1 / each);
}

std::shared_ptr<const Standardize> Standardize::fit(const Dataset& dataset,
                                                    const StandardizeOptions& options) {
  check_transforms(options.before, dataset.sample_shape());
  Moments moments = first_moments(dataset, options);
  add_squares(dataset, options, moments);
  const std::int64_t features = std::ssize(moments.sum);
  Tensor mean = empty({features}, DType::f64), std = empty({features}, DType::f64);
  const auto means = mean.mutable_data<double>(), stds = std.mutable_data<double>();
  for (std::size_t k = 0; k < means.size(); ++k) {
    means[k] = moments.origin[k] + moments.sum[k] / moments.count;
    const double measured = std::sqrt(moments.squares[k] / moments.count);
    stds[k] = measured > 0 ? measured : 1;
  }
  for (const std::size_t element : options.keep) {
    RILL_CHECK(options.per_feature && element < means.size(), "standardize: element ", element, " of ",
               means.size(), " is to be kept, expected one of a sample, and a mean per feature");
    means[element] = 0;
    stds[element] = 1;
  }
  return std::make_shared<Standardize>(mean, std);
}

void Standardize::check(const Shape& sample_shape) const {
  RILL_CHECK(mean_.size() == 1 || std::ssize(mean_) == sample_shape.numel(), "standardize: samples are ",
             sample_shape, ", expected ", mean_.size(), " elements as mean and std have");
}

void Standardize::apply(std::span<float> sample, const Shape&, Stream&) const {
  const double *mean = mean_.data(), *inverse = inverse_.data();
  if (mean_.size() == 1) {
    for (float& value : sample) value = static_cast<float>((static_cast<double>(value) - *mean) * *inverse);
  } else {
    for (std::size_t i = 0; i < sample.size(); ++i)
      sample[i] = static_cast<float>((static_cast<double>(sample[i]) - mean[i]) * inverse[i]);
  }
}

}  // namespace rill::nn::data
