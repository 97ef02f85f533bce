// What an Epoch is made of: the recipe of its batches, and a thread that follows it ahead of the consumer.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include <rill/nn/data/loader.hpp>

namespace rill::nn::data::detail {

/// The batches of one epoch. Constant after construction.
struct BatchSource {
  std::shared_ptr<const Dataset> dataset;
  LoaderOptions options;
  std::uint32_t epoch = 0;
  std::vector<std::int64_t> order;
  std::int64_t batches = 0;

  Batch allocate(std::int64_t index) const;  ///< batch `index` with contents that are not defined yet
  void fill(Batch& batch) const;             ///< gathers and transforms
};

/// Fills batches in the background, in their order, at most `ahead` of the one that was taken last.
///
/// All blocks are allocated by the consumer's thread, where they are freed as well, so the pool serves them without the
/// system. The two threads share the slots: one belongs to the thread from when it was handed over until it is filled.
class Prefetcher {
 public:
  /// Starts the thread, with batch `first`, which there must be; the source must outlive this object.
  Prefetcher(const BatchSource& source, std::int64_t ahead, std::int64_t first = 0);
  Prefetcher(const Prefetcher&) = delete;
  Prefetcher& operator=(const Prefetcher&) = delete;
  ~Prefetcher();  ///< waits for the batch that is being filled, and no other

  /// The next batch; call it once for each of the source's batches from the first one on. Throws what allocating or filling that batch has
  /// thrown, and goes on with the one after it.
  Batch take();

 private:
  struct Slot {
    Batch batch;
    std::exception_ptr error;
  };
  Slot& slot(std::int64_t index) { return slots_[static_cast<std::size_t>(index % std::ssize(slots_))]; }
  void hand_over();
  void run();

  const BatchSource& source_;
  std::vector<Slot> slots_;
  std::mutex mutex_;  // of what follows
  std::condition_variable changed_;
  std::int64_t handed_, filled_, taken_;  // batches so far, those before the first included
  bool stopped_ = false;
  std::thread thread_;
};

}  // namespace rill::nn::data::detail
