#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include <rill/core/error.hpp>
#include <rill/core/isa.hpp>
#include <rill/core/parallel.hpp>
#include <rill/nn/data/dataset.hpp>

namespace rill::nn::data {
namespace {

void check_labels(const char* where, std::span<const std::int64_t> labels, std::int64_t classes) {
  RILL_CHECK(classes >= 1, where, ": classes is ", classes, ", expected at least 1");
  for (std::size_t i = 0; i < labels.size(); ++i) {
    RILL_CHECK(labels[i] >= 0 && labels[i] < classes, where, ": label ", i, " is ", labels[i],
               ", expected 0 to ", classes - 1);
  }
}

Shape batch_of(std::int64_t batch, const Shape& sample) {
  std::array<std::int64_t, Shape::max_rank + 1> sizes{batch};
  std::copy(sample.begin(), sample.end(), sizes.begin() + 1);
  return Shape(std::span<const std::int64_t>(sizes).first(static_cast<std::size_t>(sample.rank()) + 1));
}

// Elements that are worth a thread. A batch of 128 x 784 takes 40 us on one thread, and 2 ms on two while other
// programs run: threads come in only for batches some ten times as large.
constexpr std::int64_t gather_grain = 2 * rill::detail::parallel_grain;

// Asks for a sample that will be copied soon. Into the second cache: 128 samples of 784 numbers take 60 us without requests, as
// many with requests for the first one, which fill its few buffers, and 30 so. Inlined, as GCC 12 sees no effect in a call of it.
[[gnu::always_inline]] inline void fetch(const void* sample, std::int64_t bytes) {
  constexpr std::int64_t line = 64, most = 64 * line;
  const auto* const from = static_cast<const std::byte*>(sample);
  for (std::int64_t k = 0; k < std::min(bytes, most); k += line) __builtin_prefetch(from + k, 0, 2);
}

// Calls copy(row, index) for every sample of a batch. Samples of a shuffled batch stand anywhere in far memory: each is asked
// for while those before it are copied.
template <class T, class Copy>
void for_each_sample(std::span<const std::int64_t> indices, const T* samples, std::int64_t sample_size,
                     const Copy& copy) {
  constexpr std::int64_t ahead = 2;
  const std::int64_t grain = std::max<std::int64_t>(1, gather_grain / sample_size);
  const std::int64_t* const index = indices.data();
  const auto fetch_sample = [=](std::int64_t i) {
    fetch(samples + index[i] * sample_size, sample_size * static_cast<std::int64_t>(sizeof(T)));
  };
  parallel_for(
      std::ssize(indices),
      [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < std::min(begin + ahead, end); ++i) fetch_sample(i);
        for (std::int64_t i = begin; i < end; ++i) {
          if (i + ahead < end) fetch_sample(i + ahead);
          copy(i, index[i]);
        }
      },
      grain);
}

// Dividing rounds pixel / 255 correctly, which a product with 1 / 255 would not, and takes no longer: the sample comes
// from far memory.
void convert(const std::uint8_t* from, std::int64_t size, float offset, float divisor, float* to) {
  on_isa([=] {
    for (std::int64_t k = 0; k < size; ++k) to[k] = (static_cast<float>(from[k]) - offset) / divisor;
  });
}

}  // namespace

Shape Dataset::batch_shape(std::int64_t batch) const { return batch_of(batch, sample_shape()); }

Shape Dataset::target_batch_shape(std::int64_t batch) const { return batch_of(batch, target_shape()); }

Samples Dataset::range(std::int64_t begin, std::int64_t end) const {
  RILL_CHECK(begin >= 0 && begin <= end && end <= size(), "range: samples ", begin, " to ", end,
             ", expected a range within 0 to ", size());
  std::vector<std::int64_t> indices(static_cast<std::size_t>(end - begin));
  std::iota(indices.begin(), indices.end(), begin);
  Samples samples{empty(batch_shape(end - begin)), empty(target_batch_shape(end - begin), target_dtype())};
  gather(indices, samples.x, samples.y);
  return samples;
}

void Dataset::check_gather(const char* where, std::span<const std::int64_t> indices, const Tensor& x,
                           const Tensor& y) const {
  const Shape expected = batch_shape(std::ssize(indices));
  RILL_CHECK(x.dtype() == DType::f32 && x.shape() == expected, where, ": x is ", x.dtype(), " ", x.shape(),
             ", expected f32 ", expected);
  const Shape targets = target_batch_shape(std::ssize(indices));
  RILL_CHECK(y.dtype() == target_dtype() && y.shape() == targets, where, ": y is ", y.dtype(), " ", y.shape(),
             ", expected ", target_dtype(), " ", targets);
  const std::int64_t count = size();
  for (std::size_t i = 0; i < indices.size(); ++i) {
    RILL_CHECK(indices[i] >= 0 && indices[i] < count, where, ": index ", i, " is ", indices[i],
               ", expected 0 to ", count - 1);
  }
}

detail::PixelScale::PixelScale(const char* where, const ImageOptions& options) {
  const auto [scale, mean, std] = options;
  RILL_CHECK(std::isfinite(scale) && scale != 0, where, ": scale is ", scale,
             ", expected a number other than 0");
  RILL_CHECK(std::isfinite(mean), where, ": mean is ", mean, ", expected a finite number");
  RILL_CHECK(std::isfinite(std) && std > 0, where, ": std is ", std, ", expected a number above 0");
  offset = static_cast<float>(mean / scale);
  divisor = static_cast<float>(std / scale);
  RILL_CHECK(std::isfinite(offset) && std::isnormal(divisor), where, ": scale ", scale, ", mean ", mean,
             " and std ", std, " leave the range of f32, expected mean / scale and std / scale inside it");
}

ImageDataset::ImageDataset(std::span<const std::uint8_t> pixels, std::vector<std::int64_t> labels,
                           std::int64_t rows, std::int64_t cols, std::int64_t classes, ImageOptions options)
    : pixels_(pixels.begin(), pixels.end()),
      labels_(std::move(labels)),
      rows_(rows),
      cols_(cols),
      classes_(classes),
      options_(options),
      scale_("image_dataset", options) {
  RILL_CHECK(!labels_.empty(), "image_dataset: there are 0 images, expected at least 1");
  RILL_CHECK(rows >= 1 && cols >= 1, "image_dataset: images are ", rows, " x ", cols,
             ", expected at least 1 x 1");
  const Shape shape{size(), rows, cols};
  RILL_CHECK(std::ssize(pixels_) == shape.numel(), "image_dataset: there are ", pixels_.size(),
             " pixels, expected ", shape.numel(), " for ", shape);
  check_labels("image_dataset", labels_, classes);
}

void ImageDataset::gather(std::span<const std::int64_t> indices, Tensor& x, Tensor& y) const {
  check_gather("image_dataset", indices, x, y);
  const std::int64_t size = rows_ * cols_;
  float* const out = x.mutable_data<float>().data();
  std::int64_t* const labels = y.mutable_data<std::int64_t>().data();
  for_each_sample(indices, pixels_.data(), size, [&](std::int64_t row, std::int64_t index) {
    convert(pixels_.data() + index * size, size, scale_.offset, scale_.divisor, out + row * size);
    labels[row] = labels_[static_cast<std::size_t>(index)];
  });
}

std::span<const std::uint8_t> ImageDataset::image(std::int64_t index) const {
  RILL_CHECK(index >= 0 && index < size(), "image_dataset: index is ", index, ", expected 0 to ", size() - 1);
  const auto numel = static_cast<std::size_t>(rows_ * cols_);
  return pixels().subspan(static_cast<std::size_t>(index) * numel, numel);
}

TensorDataset::TensorDataset(Tensor x, Tensor y, std::optional<std::int64_t> classes)
    : x_(std::move(x)), y_(std::move(y)) {
  const Shape &shape = x_.shape(), &targets = y_.shape();
  RILL_CHECK(x_.dtype() == DType::f32 && shape.rank() >= 1, "tensor_dataset: x is ", x_.dtype(), " ", shape,
             ", expected f32 with the samples along dimension 0");
  RILL_CHECK(shape.numel() > 0, "tensor_dataset: x is ", shape,
             ", expected at least 1 sample with 1 element");
  const bool labels = y_.dtype() == DType::i64 && targets.rank() == 1;
  RILL_CHECK((labels || (y_.dtype() == DType::f32 && targets.rank() >= 1)) && targets[0] == shape[0] &&
                 targets.numel() > 0,
             "tensor_dataset: y is ", y_.dtype(), " ", targets, ", expected i64 [", shape[0], "] or f32 [",
             shape[0], ", ...] for x ", shape);
  if (labels) {
    const auto all = y_.data<std::int64_t>();
    constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
    const auto largest = std::max_element(all.begin(), all.end());
    RILL_CHECK(*largest < most, "tensor_dataset: label ", largest - all.begin(), " is ", *largest,
               ", expected less than that, so that the classes can be counted");
    const auto least = std::min_element(all.begin(), all.end());
    RILL_CHECK(classes || *least >= 0, "tensor_dataset: label ", least - all.begin(), " is ", *least,
               ", expected 0 or more");
    classes_ = classes ? *classes : std::max<std::int64_t>(0, *largest) + 1;
    check_labels("tensor_dataset", all, classes_);
  } else {
    RILL_CHECK(!classes, "tensor_dataset: classes is ", *classes, " and y is f32 ", targets,
               ", expected labels in i64, or no classes for a regression");
  }
}

void TensorDataset::gather(std::span<const std::int64_t> indices, Tensor& x, Tensor& y) const {
  check_gather("tensor_dataset", indices, x, y);
  const std::int64_t size = x_.numel() / this->size(), width = y_.numel() / this->size();
  const float* const rows = x_.data<float>().data();
  float* const out = x.mutable_data<float>().data();
  dispatch(y.dtype(), [&]<class T>(T) {
    const T* const from = y_.data<T>().data();
    T* const to = y.mutable_data<T>().data();
    for_each_sample(indices, rows, size, [=](std::int64_t row, std::int64_t index) {
      std::copy_n(rows + index * size, size, out + row * size);
      std::copy_n(from + index * width, width, to + row * width);
    });
  });
}

}  // namespace rill::nn::data
