#include <algorithm>
#include <limits>
#include <numeric>
#include <span>
#include <utility>

#include <rill/core/error.hpp>
#include <rill/core/random.hpp>
#include <rill/nn/data/loader.hpp>

namespace rill::nn::data {

Epoch::Epoch(std::shared_ptr<const Dataset> dataset, std::vector<std::int64_t> order, std::int64_t batch_size,
             std::int64_t batches)
    : dataset_(std::move(dataset)), order_(std::move(order)), batch_size_(batch_size), batches_(batches) {}

Epoch::Iterator Epoch::begin() {
  load(0);
  return Iterator(*this);
}

void Epoch::load(std::int64_t index) {
  // The old batch goes first, so that its blocks, warm in the cache, are the ones that the pool hands out again.
  batch_ = Batch{{}, {}, index};
  if (index >= batches_) return;
  const std::int64_t begin = index * batch_size_;
  const std::int64_t count = std::min(batch_size_, std::ssize(order_) - begin);
  batch_.x = empty(dataset_->batch_shape(count), DType::f32);
  batch_.y = empty({count}, DType::i64);
  const std::span<const std::int64_t> order = order_;
  dataset_->gather(order.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(count)), batch_.x,
                   batch_.y);
}

Loader::Loader(std::shared_ptr<const Dataset> dataset, LoaderOptions options)
    : dataset_(std::move(dataset)), options_(options) {
  RILL_CHECK(dataset_ != nullptr, "loader: dataset is null, expected a dataset");
  RILL_CHECK(options.batch_size >= 1, "loader: batch_size is ", options.batch_size, ", expected at least 1");
  RILL_CHECK(batches() >= 1, "loader: drop_last leaves no batch of ", options.batch_size, " from ",
             dataset_->size(), " samples, expected at least one; lower batch_size or keep the last batch");
}

std::int64_t Loader::batches() const {
  const std::int64_t size = dataset_->size(), full = size / options_.batch_size;
  return full + (!options_.drop_last && size % options_.batch_size != 0 ? 1 : 0);
}

Epoch Loader::epoch(std::int64_t number) const {
  constexpr std::int64_t last = std::numeric_limits<std::uint32_t>::max();
  RILL_CHECK(number >= 0 && number <= last, "loader: epoch is ", number, ", expected 0 to ", last);
  std::vector<std::int64_t> order;
  if (options_.shuffle) {
    order = permutation(dataset_->size(),
                        Stream(options_.seed, Purpose::shuffle, static_cast<std::uint32_t>(number)));
  } else {
    order.resize(static_cast<std::size_t>(dataset_->size()));
    std::iota(order.begin(), order.end(), std::int64_t{0});
  }
  return Epoch(dataset_, std::move(order), options_.batch_size, batches());
}

}  // namespace rill::nn::data
