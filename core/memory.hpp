// Recycled memory: one pool behind tensors' blocks, their records and the nodes of the graph.
//
// Freed pieces go to a cache of the freeing thread and, when that is full, to a shared one, so a warm training
// step calls the system's allocator not once. What is cached stays until trim(), but for pieces of 1 MB and more where far more
// is held than was ever in use at once (twice that, and 256 MB). All functions may be called from any thread, also from destructors
// of static objects after main. Under AddressSanitizer, cached pieces are poisoned.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>
#include <vector>

namespace rill::memory {

static_assert(sizeof(void*) == 8, "rill counts bytes in 64 bits");

constexpr std::size_t alignment = 64;

/// Says how many bytes were asked for.
class OutOfMemory final : public std::bad_alloc {
 public:
  explicit OutOfMemory(std::size_t bytes) noexcept;
  const char* what() const noexcept override { return text_.data(); }

 private:
  std::array<char, 80> text_{};
};

/// A piece of at least `bytes` bytes, aligned to 64. Throws OutOfMemory.
void* allocate(std::size_t bytes);

/// Gives a piece back; `bytes` must be what was asked for.
void release(void* piece, std::size_t bytes) noexcept;

/// Returns the cached pieces of the calling thread and of the shared cache to the system; the bytes returned.
std::size_t trim() noexcept;

struct Stats {
  std::uint64_t system_allocations = 0;  ///< calls of the system's allocator since the start
  std::int64_t bytes_held = 0;  ///< taken from the system and not returned: in use, or cached for reuse
};

Stats stats() noexcept;

/// The pool as an allocator of standard containers.
template <class T>
struct Allocator {
  using value_type = T;
  Allocator() = default;
  template <class U>
  Allocator(const Allocator<U>&) noexcept {}  // NOLINT(google-explicit-constructor): containers rebind
  // NOLINTBEGIN(bugprone-sizeof-expression): a T may well be a pointer
  T* allocate(std::size_t count) { return static_cast<T*>(memory::allocate(count * sizeof(T))); }
  void deallocate(T* pieces, std::size_t count) noexcept { memory::release(pieces, count * sizeof(T)); }
  // NOLINTEND(bugprone-sizeof-expression)
  bool operator==(const Allocator&) const noexcept { return true; }
};

}  // namespace rill::memory

namespace rill::detail {

/// Intrusive pointer. T counts its owners in `std::atomic<std::uint32_t> refs`, which starts at 1; retain(T*) and
/// release(T*), found beside T, change the count, so a Ref needs to know T by name only.
template <class T>
class Ref {
 public:
  Ref() = default;
  static Ref adopt(T* fresh) noexcept {
    Ref ref;
    ref.ptr_ = fresh;
    return ref;
  }
  static Ref share(T* ptr) noexcept {
    if (ptr) retain(ptr);
    return adopt(ptr);
  }
  Ref(const Ref& other) noexcept : Ref(share(other.ptr_)) {}
  Ref(Ref&& other) noexcept : ptr_(std::exchange(other.ptr_, nullptr)) {}
  Ref& operator=(Ref other) noexcept {
    std::swap(ptr_, other.ptr_);
    return *this;
  }
  ~Ref() { reset(); }

  void reset() noexcept {
    if (T* ptr = std::exchange(ptr_, nullptr)) release(ptr);
  }
  T* get() const noexcept { return ptr_; }
  T* operator->() const noexcept { return ptr_; }
  T& operator*() const noexcept { return *ptr_; }
  explicit operator bool() const noexcept { return ptr_ != nullptr; }
  bool unique() const noexcept { return ptr_ && ptr_->refs.load(std::memory_order_acquire) == 1; }

 private:
  T* ptr_ = nullptr;
};

struct OuterProduct;

/// The bytes behind one or more tensors. `version` counts overwrites: a gradient that saved the value at an
/// older version refuses to run. `graph_handles` counts the tensors on the block that take part in a graph. The bytes
/// follow the block itself, or belong to a vector that does.
struct Block {
  std::atomic<std::uint32_t> refs{1};
  std::atomic<std::uint32_t> version{0};
  std::atomic<std::uint32_t> graph_handles{0};
  std::size_t bytes = 0;                              // behind the block
  void (*drop_owned)(Block&) noexcept = nullptr;      // destroys what lies there, if it is no plain bytes
  std::atomic<OuterProduct*> outer_product{nullptr};  // what the bytes are, or will be when they are read

  static Ref<Block> create(std::size_t bytes);
  /// A block that owns `values`, which lie where they lay.
  template <class T>
  static Ref<Block> adopt(std::vector<T>&& values) {
    using Owned = std::vector<T>;
    Ref<Block> block = create(sizeof(Owned));
    ::new (block->data()) Owned(std::move(values));
    block->drop_owned = [](Block& own) noexcept { std::destroy_at(reinterpret_cast<Owned*>(own.data())); };
    return block;
  }

  /// Before the bytes are read.
  void settle() {
    if (OuterProduct* product = outer_product.load(std::memory_order_acquire)) [[unlikely]]
      compute_outer_product(*product);
  }
  void compute_outer_product(OuterProduct& product);
  /// Before they are written to.
  void settle_to_write() {
    if (OuterProduct* product = outer_product.load(std::memory_order_acquire)) [[unlikely]]
      overwrite_outer_product(*product);
  }
  void overwrite_outer_product(OuterProduct& product);
  void release_outer_product() noexcept;

  std::byte* data() noexcept { return reinterpret_cast<std::byte*>(this) + memory::alignment; }
};

static_assert(sizeof(Block) <= memory::alignment);

inline void retain(Block* block) noexcept { block->refs.fetch_add(1, std::memory_order_relaxed); }
void release(Block* block) noexcept;

}  // namespace rill::detail
