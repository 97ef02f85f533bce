#include <limits>
#include <memory>
#include <numeric>
#include <utility>

#include <rill/core/error.hpp>
#include <rill/core/random.hpp>
#include <rill/nn/data/loader.hpp>
#include <rill/nn/data/prefetcher.hpp>

namespace rill::nn::data {

Epoch::Epoch(std::unique_ptr<const detail::BatchSource> source, std::int64_t first)
    : source_(std::move(source)), batches_(source_->batches), first_(first) {}

Epoch::Epoch(Epoch&&) noexcept = default;
Epoch& Epoch::operator=(Epoch&& other) noexcept {
  ahead_ = std::move(other.ahead_);  // before the source that the old one reads
  source_ = std::move(other.source_);
  batches_ = other.batches_;
  first_ = other.first_;
  batch_ = std::move(other.batch_);
  return *this;
}
Epoch::~Epoch() = default;

Epoch::Iterator Epoch::begin() {
  ahead_.reset();
  if (source_->options.prefetch > 0 && first_ < batches_)
    ahead_ = std::make_unique<detail::Prefetcher>(*source_, source_->options.prefetch, first_);
  load(first_);
  return Iterator(*this);
}

void Epoch::load(std::int64_t index) {
  // The old batch goes first, so that its blocks, warm in the cache, are the ones that the pool hands out again.
  batch_ = Batch{{}, {}, index};
  if (index >= batches_) return ahead_.reset();
  if (ahead_) {
    batch_ = ahead_->take();
  } else {
    Batch next = source_->allocate(index);
    source_->fill(next);
    batch_ = std::move(next);
  }
}

Loader::Loader(std::shared_ptr<const Dataset> dataset, LoaderOptions options)
    : dataset_(std::move(dataset)), options_(std::move(options)) {
  RILL_CHECK(dataset_ != nullptr, "loader: dataset is null, expected a dataset");
  RILL_CHECK(options_.batch_size >= 1, "loader: batch_size is ", options_.batch_size,
             ", expected at least 1");
  RILL_CHECK(batches() >= 1, "loader: drop_last leaves no batch of ", options_.batch_size, " from ",
             dataset_->size(), " samples, expected at least one; lower batch_size or keep the last batch");
  RILL_CHECK(options_.prefetch >= 0 && options_.prefetch <= 1000, "loader: prefetch is ", options_.prefetch,
             ", expected 0 to 1000 batches");
  check_transforms(options_.transforms, dataset_->sample_shape());
}

std::int64_t Loader::batches() const {
  const std::int64_t size = dataset_->size(), full = size / options_.batch_size;
  return full + (!options_.drop_last && size % options_.batch_size != 0 ? 1 : 0);
}

Epoch Loader::epoch(std::int64_t number, std::int64_t first) const {
  constexpr std::int64_t last = std::numeric_limits<std::uint32_t>::max();
  RILL_CHECK(number >= 0 && number <= last, "loader: epoch is ", number, ", expected 0 to ", last);
  RILL_CHECK(first >= 0 && first <= batches(), "loader: first batch is ", first, ", expected 0 to ",
             batches());
  std::vector<std::int64_t> order;
  if (options_.shuffle) {
    order = permutation(dataset_->size(),
                        Stream(options_.seed, Purpose::shuffle, static_cast<std::uint32_t>(number)));
  } else {
    order.resize(static_cast<std::size_t>(dataset_->size()));
    std::iota(order.begin(), order.end(), std::int64_t{0});
  }
  return Epoch(std::make_unique<const detail::BatchSource>(detail::BatchSource{
                   dataset_, options_, static_cast<std::uint32_t>(number), std::move(order), batches()}),
               first);
}

}  // namespace rill::nn::data
