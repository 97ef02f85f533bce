#include <algorithm>
#include <cmath>

#include <rill/core/tensor.hpp>
#include <rill/core/walk.hpp>

namespace rill {
namespace {

// `value` as an element; refuses what an i64 cannot hold.
template <class T>
T checked_element(const char* where, double value) {
  if constexpr (std::is_same_v<T, std::int64_t>) {
    RILL_CHECK(value >= -0x1p63 && value < 0x1p63 && value == std::trunc(value), where, ": value ", value,
               " for i64, expected an integer from -2^63 to 2^63 - 1");
  }
  return static_cast<T>(value);
}

template <class T>
Tensor from_span(std::span<const T> values, const Shape& shape) {
  RILL_CHECK(static_cast<std::int64_t>(values.size()) == shape.numel(), "tensor: ", values.size(),
             " values for shape ", shape, ", expected ", shape.numel());
  Tensor result = empty(shape, dtype_of<T>());
  std::copy(values.begin(), values.end(), result.mutable_data<T>().begin());
  return result;
}

}  // namespace

void Tensor::undefined_use() { throw Error("tensor: the tensor is undefined, expected one with elements"); }

void Tensor::check_element(DType asked) const {
  RILL_CHECK(dtype() == asked, "tensor: elements read as ", asked, ", the tensor ", shape(), " holds ",
             dtype());
}

double Tensor::item() const {
  RILL_CHECK(numel() == 1, "item: the tensor is ", shape(), ", expected one element");
  double value = 0;
  dispatch(dtype(), [&]<class T>(T) { value = static_cast<double>(data<T>()[0]); });
  return value;
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
  handle.entry_ = hooks->entries.back().get();
  return handle;
}

void HookHandle::remove() {
  const auto hooks = hooks_.lock();
  if (!hooks) return;
  std::erase_if(hooks->entries, [this](const auto& entry) {
    if (entry.get() == entry_) entry->removed = true;
    return entry->removed;
  });
  hooks_.reset();
}

Tensor empty(const Shape& shape, DType dtype) {
  auto block = detail::Block::create(static_cast<std::size_t>(shape.numel()) * size_of(dtype));
  std::byte* data = block->data();
  return detail::Access::wrap(detail::Record::create(shape, dtype, std::move(block), data));
}

Tensor zeros(const Shape& shape, DType dtype) { return full(shape, 0, dtype); }

Tensor ones(const Shape& shape, DType dtype) { return full(shape, 1, dtype); }

Tensor full(const Shape& shape, double value, DType dtype) {
  Tensor result;
  dispatch(dtype, [&]<class T>(T) {
    const T element = checked_element<T>("full", value);
    result = empty(shape, dtype);
    std::ranges::fill(result.mutable_data<T>(), element);
  });
  return result;
}

Tensor rand(const Shape& shape, Generator& generator, DType dtype) {
  Tensor result = empty(shape, dtype);
  Stream stream = generator.stream(Purpose::user);
  dispatch_floating(dtype, "rand", [&]<class T>(T) {
    // Rounding to float may reach 1, which is outside of the range.
    const T below_one = std::nextafter(T(1), T(0));
    for (T& value : result.mutable_data<T>()) value = std::min(static_cast<T>(stream.uniform()), below_one);
  });
  return result;
}

Tensor randn(const Shape& shape, Generator& generator, DType dtype) {
  Tensor result = empty(shape, dtype);
  Stream stream = generator.stream(Purpose::user);
  dispatch_floating(dtype, "randn", [&]<class T>(T) {
    for (T& value : result.mutable_data<T>()) value = static_cast<T>(stream.normal());
  });
  return result;
}

NestedList::NestedList(std::initializer_list<NestedList> parts) {
  std::vector<std::int64_t> sizes{static_cast<std::int64_t>(parts.size())};
  for (const NestedList& part : parts) {
    const Shape& first = parts.begin()->shape_;
    RILL_CHECK(part.shape_ == first, "tensor: the list is ragged, one part is ", first, " and another ",
               part.shape_, ", expected equal shapes");
    values_.insert(values_.end(), part.values_.begin(), part.values_.end());
  }
  if (parts.size() > 0) {
    const Shape& inner = parts.begin()->shape_;
    sizes.insert(sizes.end(), inner.begin(), inner.end());
  }
  shape_ = Shape(sizes);
}

Tensor tensor(const NestedList& list, DType dtype) {
  Tensor result = empty(list.shape(), dtype);
  dispatch(dtype, [&]<class T>(T) {
    std::ranges::transform(list.values(), result.mutable_data<T>().begin(),
                           [](double value) { return checked_element<T>("tensor", value); });
  });
  return result;
}

Tensor tensor(std::initializer_list<NestedList> list, DType dtype) { return tensor(NestedList(list), dtype); }

Tensor tensor(std::span<const float> values, const Shape& shape) { return from_span(values, shape); }
Tensor tensor(std::span<const double> values, const Shape& shape) { return from_span(values, shape); }
Tensor tensor(std::span<const std::int64_t> values, const Shape& shape) { return from_span(values, shape); }

}  // namespace rill
