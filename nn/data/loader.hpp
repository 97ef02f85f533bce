// Loader: a dataset cut into batches, in an order of its own for every epoch.
//
// The order of epoch e follows from (seed, Purpose::shuffle, e) alone, so a resumed run sees the batches that it
// would have seen. A Loader is constant after construction and may be shared; an Epoch belongs to one thread. Once
// rill's pool is warm, a step makes no call of the allocator: only the order is allocated, once an epoch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <vector>

#include <rill/core/create.hpp>
#include <rill/nn/data/dataset.hpp>

namespace rill::nn::data {

struct LoaderOptions {
  std::int64_t batch_size = 0;  ///< samples a batch; has to be given
  bool shuffle = false;
  bool drop_last = false;  ///< leave out a last batch that is not full
  std::uint64_t seed = 0;  ///< of the shuffle
};

struct Batch {
  Tensor x;                ///< f32 [batch, sample_shape...]
  Tensor y;                ///< i64 [batch]
  std::int64_t index = 0;  ///< counts the epoch's batches from 0
};

/// One pass over a dataset, for one range-for loop: an input range of Batch. A batch that the loop copies stays as it
/// is; the next one is in another block.
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

  Iterator begin();  ///< loads the first batch
  std::default_sentinel_t end() const { return {}; }
  std::int64_t batches() const { return batches_; }

 private:
  friend class Loader;
  Epoch(std::shared_ptr<const Dataset> dataset, std::vector<std::int64_t> order, std::int64_t batch_size,
        std::int64_t batches);
  void load(std::int64_t index);

  std::shared_ptr<const Dataset> dataset_;
  std::vector<std::int64_t> order_;
  std::int64_t batch_size_, batches_;
  Batch batch_;
};

class Loader {
 public:
  /// Throws Error without a dataset, for a batch size below 1, and where drop_last would leave no batch at all.
  Loader(std::shared_ptr<const Dataset> dataset, LoaderOptions options);

  /// The batches of epoch `number`: `for (const Batch& batch : loader.epoch(e))`. Throws Error outside [0, 2^32).
  Epoch epoch(std::int64_t number) const;

  std::int64_t batches() const;  ///< batches an epoch, at least 1
  const Dataset& dataset() const { return *dataset_; }
  const LoaderOptions& options() const { return options_; }

 private:
  std::shared_ptr<const Dataset> dataset_;
  LoaderOptions options_;
};

}  // namespace rill::nn::data
