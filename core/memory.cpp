#include <algorithm>
#include <array>
#include <bit>
#include <cstdio>
#include <mutex>
#include <new>
#include <vector>

#include <rill/core/memory.hpp>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#if defined(__SANITIZE_ADDRESS__)
#define RILL_POISON 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define RILL_POISON 1
#endif
#endif
#ifdef RILL_POISON
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(piece, bytes) (static_cast<void>(piece), static_cast<void>(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(piece, bytes) (static_cast<void>(piece), static_cast<void>(bytes))
#endif

namespace rill::memory {
namespace {

// Size classes: four per octave (1, 1.25, 1.5, 1.75 times a power of two) from 64 bytes on, so at most a fifth
// of a piece is unused.
constexpr std::size_t class_count = std::size_t{4} * 40;

std::size_t class_of(std::size_t bytes) {
  if (bytes <= 64) return 0;
  const unsigned octave =
      static_cast<unsigned>(std::bit_width(bytes - 1)) - 1;  // 2^octave < bytes <= 2^(octave+1)
  const std::size_t quarter = (bytes - 1 - (std::size_t{1} << octave)) >> (octave - 2);
  return std::size_t{4} * (octave - 6) + quarter + 1;
}

std::size_t class_bytes(std::size_t index) {
  if (index == 0) return 64;
  const std::size_t octave = 6 + (index - 1) / 4, quarter = (index - 1) % 4;
  return (std::size_t{1} << octave) + (quarter + 1) * (std::size_t{1} << (octave - 2));
}

// Pieces of one class that a thread keeps to itself; large ones are few, so that a thread which only frees
// (the consumer of a loader) does not hoard them.
constexpr std::size_t slots_per_class = 64;
std::size_t slots_of(std::size_t index) {
  return class_bytes(index) <= (std::size_t{1} << 20) ? slots_per_class : 8;
}

// Large pieces begin with a page of this size, where the system has such: rows of a large data set that are gathered in any
// order, and sweeps over large weights, otherwise miss the table of pages again and again.
constexpr std::size_t huge_page = std::size_t{2} << 20;
constexpr std::size_t least_huge = 16 * huge_page;

std::align_val_t alignment_of(std::size_t bytes) {
  return std::align_val_t{bytes < least_huge ? alignment : huge_page};
}

void* new_piece(std::size_t bytes) noexcept {
  void* piece = ::operator new(bytes, alignment_of(bytes), std::nothrow);
#if defined(MADV_HUGEPAGE)
  // Advice: a system without such pages refuses, and nothing is lost.
  if (piece && bytes >= least_huge)
    static_cast<void>(::madvise(piece, bytes / huge_page * huge_page, MADV_HUGEPAGE));
#endif
  return piece;
}

// Large pieces are what memory runs out by. They are given back when the system is asked for another one and more is held than twice
// what was in use at once, and 256 MB; and then only when it is twice what was held before the last time, so that work which
// comes again in the same sizes, whatever they are, soon finds all of them.
constexpr std::size_t least_large = std::size_t{1} << 20;
constexpr std::int64_t always_kept = std::int64_t{256} << 20;

struct SharedCache {
  std::mutex mutex;
  std::array<std::vector<void*>, class_count> pieces;
  std::atomic<std::uint64_t> system_allocations{0};
  std::atomic<std::int64_t> bytes_held{0};
  std::atomic<std::int64_t> large_cached{0};  // bytes of large pieces, those of threads with them
  std::atomic<std::int64_t> most_in_use{0}, held_at_trim{0};

  void count_cached(std::size_t index, std::int64_t sign) noexcept {
    const std::size_t bytes = class_bytes(index);
    if (bytes >= least_large)
      large_cached.fetch_add(sign * static_cast<std::int64_t>(bytes), std::memory_order_relaxed);
  }

  void to_system(void* piece, std::size_t index) noexcept {
    const std::size_t bytes = class_bytes(index);
    ASAN_UNPOISON_MEMORY_REGION(piece, bytes);
    ::operator delete(piece, alignment_of(bytes));
    count_cached(index, -1);
    bytes_held.fetch_sub(static_cast<std::int64_t>(bytes), std::memory_order_relaxed);
  }

  void put(void* const* begin, std::size_t count, std::size_t index) noexcept {
    const std::lock_guard lock(mutex);
    for (std::size_t i = 0; i < count; ++i) {
      try {
        pieces[index].push_back(begin[i]);
      } catch (const std::bad_alloc&) {
        to_system(begin[i], index);
      }
    }
  }

  // Moves up to `count` pieces to `out`; how many.
  std::size_t take(void** out, std::size_t count, std::size_t index) noexcept {
    const std::lock_guard lock(mutex);
    auto& from = pieces[index];
    std::size_t taken = 0;
    while (taken < count && !from.empty()) {
      out[taken++] = from.back();
      from.pop_back();
    }
    return taken;
  }
};

// Never destroyed: tensors with static storage duration may be released after any static destructor of ours. Made without an
// allocation, which might fail where no exception may pass.
SharedCache& shared_cache() noexcept {
  alignas(SharedCache) static std::byte room[sizeof(SharedCache)];
  static SharedCache* cache = ::new (room) SharedCache;
  return *cache;
}

struct ThreadCache {
  std::array<std::array<void*, slots_per_class>, class_count> pieces;
  std::array<std::uint32_t, class_count> counts{};

  ThreadCache() = default;
  ThreadCache(const ThreadCache&) = delete;
  ThreadCache& operator=(const ThreadCache&) = delete;
  ~ThreadCache();

  void flush(std::size_t first = 0) noexcept {
    for (std::size_t index = first; index < class_count; ++index) {
      shared_cache().put(pieces[index].data(), std::exchange(counts[index], 0u), index);
    }
  }
};

// Trivially destructible, so it can still be read after the cache of an ending thread is gone.
thread_local bool thread_cache_gone = false;

ThreadCache::~ThreadCache() {
  flush();
  thread_cache_gone = true;
}

ThreadCache* thread_cache() noexcept {
  if (thread_cache_gone) return nullptr;
  static thread_local ThreadCache cache;
  return &cache;
}

void* find_cached(std::size_t index) noexcept {
  ThreadCache* cache = thread_cache();
  void* piece = nullptr;
  if (!cache) {
    shared_cache().take(&piece, 1, index);
    return piece;
  }
  std::uint32_t& count = cache->counts[index];
  if (count == 0) {
    count = static_cast<std::uint32_t>(
        shared_cache().take(cache->pieces[index].data(), slots_of(index) / 2, index));
  }
  return count == 0 ? nullptr : cache->pieces[index][--count];
}

// Returns cached pieces of the classes from `first` on.
std::size_t trim_from(std::size_t first) noexcept {
  if (ThreadCache* cache = thread_cache()) cache->flush(first);
  SharedCache& shared = shared_cache();
  std::size_t freed = 0;
  const std::lock_guard lock(shared.mutex);
  for (std::size_t index = first; index < class_count; ++index) {
    for (void* piece : shared.pieces[index]) shared.to_system(piece, index);
    freed += shared.pieces[index].size() * class_bytes(index);
    shared.pieces[index] = {};
  }
  return freed;
}

// Before `bytes` more are taken from the system. Small pieces that are cached count as in use. Two threads at once may both give back, which harms nobody.
void limit_held(SharedCache& shared, std::int64_t bytes) noexcept {
  const std::int64_t held = shared.bytes_held.load(std::memory_order_relaxed) + bytes,
                     in_use = held - shared.large_cached.load(std::memory_order_relaxed),
                     most = std::max(in_use, shared.most_in_use.load(std::memory_order_relaxed)),
                     limit = std::max(always_kept + 2 * most,
                                      2 * shared.held_at_trim.load(std::memory_order_relaxed));
  shared.most_in_use.store(most, std::memory_order_relaxed);
  if (held <= limit) return;
  shared.held_at_trim.store(held, std::memory_order_relaxed);
  trim_from(class_of(least_large));
}

void* from_system(std::size_t bytes, std::size_t asked) {
  SharedCache& shared = shared_cache();
  if (bytes >= least_large) limit_held(shared, static_cast<std::int64_t>(bytes));
  void* piece = new_piece(bytes);
  if (!piece && trim() > 0) piece = new_piece(bytes);
  if (!piece) throw OutOfMemory(asked);
  shared.system_allocations.fetch_add(1, std::memory_order_relaxed);
  shared.bytes_held.fetch_add(static_cast<std::int64_t>(bytes), std::memory_order_relaxed);
  return piece;
}

}  // namespace

OutOfMemory::OutOfMemory(std::size_t bytes) noexcept {
  std::snprintf(text_.data(), text_.size(), "out of memory: %zu bytes (%.3g GB) in one piece", bytes,
                static_cast<double>(bytes) / 1e9);
}

void* allocate(std::size_t bytes) {
  const std::size_t index = class_of(bytes);
  if (index >= class_count) throw OutOfMemory(bytes);
  void* piece = find_cached(index);
  if (piece) {
    shared_cache().count_cached(index, -1);
  } else {
    piece = from_system(class_bytes(index), bytes);
  }
  ASAN_POISON_MEMORY_REGION(piece, class_bytes(index));
  ASAN_UNPOISON_MEMORY_REGION(piece, bytes);
  return piece;
}

void release(void* piece, std::size_t bytes) noexcept {
  const std::size_t index = class_of(bytes);
  ASAN_POISON_MEMORY_REGION(piece, class_bytes(index));
  SharedCache& shared = shared_cache();
  shared.count_cached(index, 1);
  ThreadCache* cache = thread_cache();
  if (!cache) return shared.put(&piece, 1, index);
  std::uint32_t& count = cache->counts[index];
  if (count == slots_of(index)) {
    const auto half = static_cast<std::uint32_t>(slots_of(index) / 2);
    shared.put(cache->pieces[index].data() + half, count - half, index);
    count = half;
  }
  cache->pieces[index][count++] = piece;
}

std::size_t trim() noexcept { return trim_from(0); }

Stats stats() noexcept {
  const SharedCache& shared = shared_cache();
  Stats stats;
  stats.system_allocations = shared.system_allocations.load(std::memory_order_relaxed);
  stats.bytes_held = shared.bytes_held.load(std::memory_order_relaxed);
  return stats;
}

}  // namespace rill::memory

namespace rill::detail {

Ref<Block> Block::create(std::size_t bytes) {
  auto* block = ::new (memory::allocate(memory::alignment + bytes)) Block;
  block->bytes = bytes;
  return Ref<Block>::adopt(block);
}

void release(Block* block) noexcept {
  if (block->refs.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  const std::size_t bytes = memory::alignment + block->bytes;
  if (block->drop_owned) block->drop_owned(*block);
  if (block->outer_product.load(std::memory_order_relaxed)) block->release_outer_product();
  block->~Block();
  memory::release(block, bytes);
}

}  // namespace rill::detail
