// Loader: a dataset cut into batches, in an order of its own for every epoch.
//
// The order of epoch e follows from (seed, Purpose::shuffle, e) alone, and what random transforms make of a sample from
// (seed, Purpose::augment, e, sample), so a resumed run sees the batches that it would have seen. Batches are the same,
// bit for bit, prepared ahead or not. A Loader is constant after construction and may be shared; an Epoch belongs to one
// thread. Once rill's pool is warm, a step makes no call of the allocator: only the order and, to prepare ahead, the
// thread are made once an epoch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>

#include <rill/core/create.hpp>
#include <rill/nn/data/dataset.hpp>
#include <rill/nn/data/transform.hpp>

namespace rill::nn::data {

struct LoaderOptions {
  std::int64_t batch_size = 0;  ///< samples a batch; has to be given
  bool shuffle = false;
  bool drop_last = false;   ///< leave out a last batch that is not full
  std::uint64_t seed = 0;   ///< of the shuffle and the transforms
  Transforms transforms{};  ///< applied to x, in this order
  std::int64_t prefetch =
      0;  ///< batches that a thread in the background prepares ahead; 0: none, and no thread
};

struct Batch {
  Tensor x;                ///< f32 [batch, sample_shape...]
  Tensor y;                ///< labels, i64 [batch], or numbers, f32 [batch, target_shape...]
  std::int64_t index = 0;  ///< counts the epoch's batches from 0
};

namespace detail {
struct BatchSource;
class Prefetcher;
}  // namespace detail

/// One pass over a dataset, or what is left of one, for one range-for loop: an input range of Batch. A batch that the loop copies stays as it
/// is; the next one is in another block. What preparing a batch throws comes out of begin() or ++, where its turn is.
/// Leaving the loop early, or dropping the epoch, waits for the batch being prepared at most.
class Epoch {
 public:
  class Iterator {
   public:
    using iterator_concept = std::input_iterator_tag;
    using value_type = Batch;
    using difference_type = std::ptrdiff_t;

    explicit Iterator(Epoch& epoch) : epoch_(&epoch) {}
    const Batch& operator*() const { return epoch_->batch_; }
    const Batch* operator->() const { return &epoch_->batch_; }
    Iterator& operator++() {
      epoch_->load(epoch_->batch_.index + 1);
      return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(std::default_sentinel_t) const { return epoch_->batch_.index >= epoch_->batches_; }

   private:
    Epoch* epoch_;
  };

  Epoch(Epoch&&) noexcept;
  Epoch& operator=(Epoch&&) noexcept;
  ~Epoch();

  Iterator begin();  ///< loads the first batch that is asked for
  std::default_sentinel_t end() const { return {}; }
  std::int64_t batches() const { return batches_; }

 private:
  friend class Loader;
  Epoch(std::unique_ptr<const detail::BatchSource> source, std::int64_t first);
  void load(std::int64_t index);

  std::unique_ptr<const detail::BatchSource> source_;
  std::unique_ptr<detail::Prefetcher> ahead_;  // reads the source, so it goes first
  std::int64_t batches_, first_;
  Batch batch_;
};

class Loader {
 public:
  /// Throws Error without a dataset, for a batch size below 1, where drop_last would leave no batch at all, for a
  /// prefetch outside [0, 1000], and as check_transforms does.
  Loader(std::shared_ptr<const Dataset> dataset, LoaderOptions options);

  /// The batches of epoch `number`, from batch `first` on: `for (const Batch& batch : loader.epoch(e))`. Throws Error for
  /// numbers outside [0, 2^32), and batches outside [0, batches()]; from batches() on there is none.
  Epoch epoch(std::int64_t number, std::int64_t first = 0) const;

  std::int64_t batches() const;  ///< batches an epoch, at least 1
  const Dataset& dataset() const { return *dataset_; }
  const LoaderOptions& options() const { return options_; }

 private:
  std::shared_ptr<const Dataset> dataset_;
  LoaderOptions options_;
};

}  // namespace rill::nn::data
