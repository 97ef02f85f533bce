#include <algorithm>
#include <span>
#include <utility>

#include <rill/core/parallel.hpp>
#include <rill/nn/data/prefetcher.hpp>

namespace rill::nn::data::detail {

Batch BatchSource::allocate(std::int64_t index) const {
  const std::int64_t rest = std::ssize(order) - index * options.batch_size;
  const std::int64_t count = std::min(options.batch_size, rest);
  return {empty(dataset->batch_shape(count)),
          empty(dataset->target_batch_shape(count), dataset->target_dtype()), index};
}

void BatchSource::fill(Batch& batch) const {
  const auto begin = static_cast<std::size_t>(batch.index * options.batch_size);
  const auto indices = std::span(order).subspan(begin, static_cast<std::size_t>(batch.x.size(0)));
  dataset->gather(indices, batch.x, batch.y);
  if (!options.transforms.empty())
    apply_transforms(options.transforms, batch.x, indices, options.seed, epoch);
}

Prefetcher::Prefetcher(const BatchSource& source, std::int64_t ahead, std::int64_t first)
    : source_(source),
      slots_(static_cast<std::size_t>(std::min(ahead, source.batches - first))),
      handed_(first),
      filled_(first),
      taken_(first) {
  for (std::size_t i = 0; i < slots_.size(); ++i) hand_over();
  thread_ = std::thread([this] { run(); });
}

Prefetcher::~Prefetcher() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

// The slot of the batch after those handed over so far is free. A batch that cannot be allocated is handed over as
// well: its error waits for its turn, as it would without a thread.
void Prefetcher::hand_over() {
  Slot& free = slot(handed_);
  try {
    free.batch = source_.allocate(handed_);
  } catch (...) {
    free.error = std::current_exception();
  }
  const std::lock_guard lock(mutex_);
  ++handed_;
}

Batch Prefetcher::take() {
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return filled_ > taken_; });
  }
  Slot& full = slot(taken_++);
  Batch batch = std::exchange(full.batch, Batch{});
  const std::exception_ptr error = std::exchange(full.error, nullptr);
  if (handed_ < source_.batches) {
    hand_over();
    changed_.notify_all();
  }
  if (error) std::rethrow_exception(error);
  return batch;
}

void Prefetcher::run() {
  const SerialLoops serial;
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stopped_ || filled_ < handed_; });
    if (stopped_) return;
    Slot& next = slot(filled_);
    lock.unlock();
    try {
      if (!next.error) source_.fill(next.batch);
    } catch (...) {
      next.error = std::current_exception();
    }
    lock.lock();
    ++filled_;
    changed_.notify_all();
  }
}

}  // namespace rill::nn::data::detail
