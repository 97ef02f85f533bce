#include <algorithm>
#include <atomic>
#include <cmath>

#include <rill/core/kernels/density.hpp>

namespace rill::kernels {
namespace {

constinit std::atomic<int> dense_products{0};

}  // namespace

DenseProducts::DenseProducts() noexcept { dense_products.fetch_add(1, std::memory_order_relaxed); }
DenseProducts::~DenseProducts() { dense_products.fetch_sub(1, std::memory_order_relaxed); }

// In cycles of a core with AVX2: of the dense product for each multiplication (OpenBLAS takes 0.088, small kernels of our
// own less), and of the sparse one for each number that is compressed, for each non-zero by a block of 64 columns, and
// for each multiplication that is left. With AVX-512 both take less, but the same choice gives the same bits.
// Bringing the other operand into tiles, and the result out of them, costs both alike where there are rows enough to share
// it. Measured on images with 18 % non-zeros: the network's products for a batch of 1 took 1.6 times as long as the dense
// ones, a layer's for a batch of 32 less than half.
double density_limit(const SparseSizes& sizes) {
  constexpr double dense = 0.065, compress = 1.1, compress_turned = 2.2, at_each = 2, multiply = 0.105;
  constexpr std::int64_t least_rows = 16;
  constexpr double least_work = 4e5;  // multiplications; below it even the question costs too much
  const auto width = static_cast<double>(sizes.width);
  if (sizes.rows < least_rows || dense_products.load(std::memory_order_relaxed) > 0) return 0;
  if (static_cast<double>(sizes.rows) * width * static_cast<double>(sizes.depth) < least_work) return 0;
  const std::int64_t blocks = (sizes.width + 63) / 64;
  const double once = (sizes.turned ? compress_turned : compress) / width;
  return (dense - once) / (multiply + at_each * static_cast<double>(blocks) / width);
}

bool may_be_sparse(const float* x, std::int64_t rows, std::int64_t columns, double limit) {
  constexpr int samples = 1024, first = 64;
  constexpr std::uint64_t most_elements = 0xffffffff;  // that are looked at
  const std::uint64_t elements =
      std::min(static_cast<std::uint64_t>(rows) * static_cast<std::uint64_t>(columns), most_elements);
  int found = 0, seen = 0;
  std::uint32_t at = 0;
  // Each time that as many again are seen it ends if more are found than chance explains: twice the standard deviation of
  // a half.
  for (int next = first; next <= samples; next *= 2) {
    for (; seen < next; ++seen) {
      at += 2654435769u;  // 2³² / golden ratio: any number of steps is spread evenly
      found += x[at * elements >> 32] != 0 ? 1 : 0;
    }
    const double chance = next < samples ? 1 / std::sqrt(seen) : 0;
    if (found > (limit + chance) * seen) return false;
  }
  return true;
}

}  // namespace rill::kernels
