#include <algorithm>
#include <cmath>

#include <rill/core/tensor.hpp>
#include <rill/core/walk.hpp>

namespace rill {
namespace {

// The place of an element among all; an index may count from the end.
std::size_t offset_of(const char* where, const Shape& shape, std::initializer_list<std::int64_t> index) {
  RILL_CHECK(std::ssize(index) == shape.rank(), where, ": ", index.size(), " indices for the tensor ", shape,
             ", expected one an axis");
  std::int64_t offset = 0;
  int axis = 0;
  for (const std::int64_t i : index) {
    const std::int64_t size = shape[axis];
    RILL_CHECK(i >= -size && i < size, where, ": index ", i, " at axis ", axis, " of the tensor ", shape,
               ", expected ", -size, " to ", size - 1);
    offset = offset * size + (i < 0 ? i + size : i);
    ++axis;
  }
  return static_cast<std::size_t>(offset);
}

}  // namespace

void Tensor::undefined_use() { throw Error("tensor: the tensor is undefined, expected one with elements"); }

void Tensor::begin_read(DType asked) const { checked_record(asked).block->settle(); }

void Tensor::begin_write(DType asked) {
  detail::Block& block = *checked_record(asked).block.get();
  block.settle_to_write();
  block.version.fetch_add(1, std::memory_order_relaxed);
}

detail::Record& Tensor::checked_record(DType asked) const {
  detail::Record& own = record();
  RILL_CHECK(own.dtype == asked, "tensor: elements read as ", asked, ", the tensor ", own.shape, " holds ",
             own.dtype);
  return own;
}

double Tensor::item() const {
  RILL_CHECK(numel() == 1, "item: the tensor is ", shape(), ", expected one element");
  double value = 0;
  dispatch(dtype(), [&]<class T>(T) { value = static_cast<double>(data<T>()[0]); });
  return value;
}

double Tensor::at(std::initializer_list<std::int64_t> index) const {
  const std::size_t offset = offset_of("at", shape(), index);
  double value = 0;
  dispatch(dtype(), [&]<class T>(T) { value = static_cast<double>(data<T>()[offset]); });
  return value;
}

void Tensor::set(std::initializer_list<std::int64_t> index, double value) {
  const std::size_t offset = offset_of("set", shape(), index);
  dispatch(dtype(), [&]<class T>(T) {
    const T element = detail::checked_element<T>("set", value);
    mutable_data<T>()[offset] = element;
  });
}

Tensor& Tensor::requires_grad_(bool required) {
  detail::Record& own = record();
  RILL_CHECK(!required || is_floating(own.dtype), "requires_grad_: dtype is ", own.dtype,
             ", expected f32 or f64");
  RILL_CHECK(!own.node, "requires_grad_: the tensor ", own.shape,
             " was computed by an op, expected a leaf; use detach() first");
  own.set_graph(required, detail::Ref<detail::Node>(), 0);
  return *this;
}

Tensor Tensor::grad() const { return Tensor(record().grad); }

void Tensor::set_grad(const Tensor& grad) {
  detail::Record& own = record();
  if (grad.defined()) {
    RILL_CHECK(grad.shape() == own.shape && grad.dtype() == own.dtype, "set_grad: the gradient is ",
               grad.dtype(), " ", grad.shape(), ", expected the tensor's ", own.dtype, " ", own.shape);
  }
  RILL_CHECK(grad.record_.get() != record_.get(),
             "set_grad: the gradient is the tensor itself, expected another; use clone()");
  own.grad = grad.record_;
}

Tensor Tensor::detach() const {
  const detail::Record& own = record();
  return Tensor(detail::Record::create(own.shape, own.dtype, own.block, own.data));
}

HookHandle Tensor::register_hook(std::function<Tensor(const Tensor& grad)> hook) {
  detail::Record& own = record();
  RILL_CHECK(hook, "register_hook: the hook is empty, expected a function");
  RILL_CHECK(own.in_graph(), "register_hook: the tensor ", own.shape,
             " requires no gradient, expected one that does");
  auto& hooks = own.node ? own.node->outputs[own.output_index].hooks : own.hooks;
  if (!hooks) hooks = std::make_shared<detail::GradHooks>();
  hooks->entries.push_back(
      std::make_shared<detail::GradHooks::Entry>(detail::GradHooks::Entry{std::move(hook)}));
  HookHandle handle;
  handle.hooks_ = hooks;
  handle.entry_ = hooks->entries.back();
  return handle;
}

void HookHandle::remove() {
  const auto hooks = hooks_.lock();
  const auto own = entry_.lock();
  if (!hooks || !own) return;
  std::erase_if(hooks->entries, [&](const auto& entry) {
    if (entry == own) entry->removed = true;
    return entry->removed;
  });
  hooks_.reset();
}

}  // namespace rill
