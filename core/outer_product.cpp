#include <algorithm>
#include <new>

#include <rill/core/blas.hpp>
#include <rill/core/outer_product.hpp>
#include <rill/core/tensor.hpp>

namespace rill::detail {
namespace {

std::size_t bytes_of(const OuterProduct& product) {
  return sizeof(OuterProduct) + static_cast<std::size_t>(product.rows + product.columns) * sizeof(float);
}

}  // namespace

void note_outer_product(Tensor& y, const float* column, const float* row) {
  const Shape& shape = y.shape();
  const std::size_t numbers = static_cast<std::size_t>(shape[0] + shape[1]);
  void* place = memory::allocate(sizeof(OuterProduct) + numbers * sizeof(float));
  auto* product = ::new (place) OuterProduct{.rows = shape[0], .columns = shape[1]};
  auto* to = reinterpret_cast<float*>(product + 1);
  std::copy_n(row, shape[1], std::copy_n(column, shape[0], to));
  Access::record(y).block->outer_product.store(product, std::memory_order_release);
}

const OuterProduct* outer_product(const Tensor& x) {
  const Record& record = Access::record(x);
  const OuterProduct* product = record.block->outer_product.load(std::memory_order_acquire);
  const bool whole = product && !product->overwritten.load(std::memory_order_acquire) &&
                     record.data == record.block->data() &&
                     record.shape.numel() == product->rows * product->columns;
  return whole ? product : nullptr;
}

void Block::compute_outer_product(OuterProduct& product) {
  if (product.computed.load(std::memory_order_acquire)) return;
  const std::lock_guard lock(product.mutex);  // readers may be on several threads
  if (product.computed.load(std::memory_order_relaxed)) return;
  blas::gemm<float>(false, false, product.rows, product.columns, 1, product.column(), product.row(),
                    reinterpret_cast<float*>(data()));
  product.computed.store(true, std::memory_order_release);
}

void Block::overwrite_outer_product(OuterProduct& product) {
  compute_outer_product(product);
  product.overwritten.store(true, std::memory_order_release);
}

void Block::release_outer_product() noexcept {
  OuterProduct* product = outer_product.exchange(nullptr, std::memory_order_acq_rel);
  const std::size_t held = bytes_of(*product);
  product->~OuterProduct();
  memory::release(product, held);
}

}  // namespace rill::detail
