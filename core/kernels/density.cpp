#include <atomic>

#include <rill/core/kernels/density.hpp>

namespace rill::kernels {
namespace {

constinit std::atomic<int> dense_products{0};

}  // namespace

DenseProducts::DenseProducts() noexcept { dense_products.fetch_add(1, std::memory_order_relaxed); }
DenseProducts::~DenseProducts() { dense_products.fetch_sub(1, std::memory_order_relaxed); }

// In cycles of a core with AVX2: of the dense product for each multiplication (OpenBLAS takes 0.088, small kernels of our
// own less), and of the sparse one for each number that is compressed, for each non-zero by a block of 64 columns, and
// for each multiplication that is left. With AVX-512 the dense product takes less, but the same choice gives the same bits.
// Bringing the other operand into tiles, and the result out of them, costs both alike where there are rows enough to share
// it. Measured on images with 18 % non-zeros: the network's products for a batch of 1 took 1.6 times as long as the dense
// ones, a layer's for a batch of 32 less than half.
double density_limit(const SparseSizes& sizes) {
  constexpr double dense = 0.065, compress = 1.1, compress_turned = 2.2, at_each = 2, multiply = 0.105;
  constexpr std::int64_t least_rows = 16;
  constexpr double least_work = 1 << 18;  // multiplications; below it even the question costs too much
  const auto width = static_cast<double>(sizes.width);
  if (sizes.rows < least_rows || dense_products.load(std::memory_order_relaxed) > 0) return 0;
  if (static_cast<double>(sizes.rows) * width * static_cast<double>(sizes.depth) < least_work) return 0;
  const std::int64_t blocks = (sizes.width + 63) / 64;
  const double once = (sizes.turned ? compress_turned : compress) / width;
  return (dense - once) / (multiply + at_each * static_cast<double>(blocks) / width);
}

bool may_be_sparse(const float* x, std::int64_t rows, std::int64_t columns, double limit) {
  constexpr std::int64_t samples = 1024, first = 64;
  // The first few decide only what is far off: by twice their standard deviation.
  const auto most_of_first = static_cast<std::int64_t>((limit + 0.125) * first);
  const auto most = static_cast<std::int64_t>(limit * samples);
  std::int64_t found = 0;
  std::uint32_t at = 0;
  for (std::int64_t i = 0; i < samples; ++i) {
    at += 2654435769u;  // 2³² / golden ratio: any number of steps is spread evenly
    const std::uint64_t place = static_cast<std::uint64_t>(at) * static_cast<std::uint64_t>(rows);
    const auto row = static_cast<std::int64_t>(place >> 32);
    const auto column =
        static_cast<std::int64_t>((place & 0xffffffffu) * static_cast<std::uint64_t>(columns) >> 32);
    found += x[row * columns + column] != 0;
    if (found > (i < first ? most_of_first : most)) return false;
  }
  return true;
}

}  // namespace rill::kernels
