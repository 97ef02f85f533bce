// Tensor: a value handle on a reference-counted record. Copying shares; contents are contiguous and row-major.
//
// Only reshapes share a block under another shape. Counts are atomic, so handles may be copied and dropped on any
// thread; a tensor's contents and its graph belong to one thread at a time.
#pragma once

#include <concepts>
#include <functional>
#include <initializer_list>
#include <memory>
#include <ostream>
#include <span>
#include <vector>

#include <rill/core/dtype.hpp>
#include <rill/core/error.hpp>
#include <rill/core/memory.hpp>
#include <rill/core/random.hpp>
#include <rill/core/shape.hpp>

namespace rill {

class Tensor;

namespace detail {

class Node;

void retain(Node* node) noexcept;
void release(Node* node) noexcept;

/// Functions called with a gradient, each of which may replace it.
using GradHook = std::function<Tensor(const Tensor& grad)>;
struct GradHooks;

struct Record {
  std::atomic<std::uint32_t> refs{1};
  DType dtype = DType::f32;
  bool requires_grad = false;      // of a leaf; other tensors have a node
  std::uint32_t output_index = 0;  // which output of `node`
  Shape shape;
  Ref<Block> block;
  std::byte* data = nullptr;
  Ref<Node> node;
  Ref<Record> grad;
  std::uint64_t arrival_walk = 0;  // of a leaf: the last walk in which a gradient arrived here,
  std::size_t arrival = 0;         // and its place among that walk's arrivals
  std::shared_ptr<GradHooks> hooks;

  static Ref<Record> create(const Shape& shape, DType dtype, Ref<Block> block, std::byte* data);

  bool in_graph() const noexcept { return requires_grad || node.get() != nullptr; }
  /// The only way to change what in_graph() tells: keeps the block's count of graph handles.
  void set_graph(bool leaf_requires_grad, Ref<Node> new_node, std::uint32_t index) noexcept;
};

inline void retain(Record* record) noexcept { record->refs.fetch_add(1, std::memory_order_relaxed); }
void release(Record* record) noexcept;

/// Access to the record for the graph and the kernels.
struct Access;

}  // namespace detail

/// A hook that was registered on a tensor; remove() takes it off again. Dropping the handle keeps the hook.
class HookHandle {
 public:
  HookHandle() = default;
  void remove();

 private:
  friend class Tensor;
  std::weak_ptr<detail::GradHooks> hooks_;
  const void* entry_ = nullptr;
};

struct BackwardOptions {
  bool retain_graph = false;  ///< keep saved values, so that the same graph can be walked again
  /// Record the gradients' own graph (implies retain_graph). A leaf then owns its gradient and that the leaf: clear the
  /// grad when done, or use grad(), or both stay in memory.
  bool create_graph = false;
};

class Tensor {
 public:
  /// An undefined tensor, which holds nothing; every use but defined() and assignment throws Error.
  Tensor() = default;

  bool defined() const noexcept { return static_cast<bool>(record_); }
  const Shape& shape() const { return record().shape; }
  DType dtype() const { return record().dtype; }
  int dim() const { return shape().rank(); }
  std::int64_t size(int axis) const { return shape().at(axis); }
  std::int64_t numel() const { return shape().numel(); }

  /// The elements, row-major; valid while a tensor on the block lives, so not beyond a temporary. Throws Error if T is
  /// not the dtype.
  template <Element T>
  std::span<const T> data() const {
    check_element(dtype_of<T>());
    return {reinterpret_cast<const T*>(record_->data), static_cast<std::size_t>(numel())};
  }

  /// The elements, to be overwritten; values that a graph saved from this block count as overwritten.
  template <Element T>
  std::span<T> mutable_data() {
    check_element(dtype_of<T>());
    record_->block->version.fetch_add(1, std::memory_order_relaxed);
    return {reinterpret_cast<T*>(record_->data), static_cast<std::size_t>(numel())};
  }

  /// The value of a tensor with one element. Throws Error for any other size.
  double item() const;

  // --- the graph -------------------------------------------------------------------------------------------------

  bool requires_grad() const { return record().in_graph(); }
  bool is_leaf() const { return !record().node; }
  /// Makes a leaf require a gradient, or not. Throws Error for i64, and for a tensor that an op computed.
  Tensor& requires_grad_(bool required = true);

  /// The gradient that backward() left here; undefined if none has.
  Tensor grad() const;
  /// Replaces the gradient; undefined clears it. Throws Error if shape or dtype differ from the tensor's, or if it is
  /// the tensor itself.
  void set_grad(const Tensor& grad);
  void zero_grad() { set_grad(Tensor()); }

  /// Accumulates d(this)/d(leaf) into the grad of every leaf that requires one. This tensor must be a scalar.
  /// Throws Error if it is not, if nothing requires a gradient, if the graph was freed by an earlier walk, or if a
  /// value that a gradient reads was overwritten in place; no leaf's grad has changed then. A walk that an overwritten
  /// value or a hook stops half way has used its graph up.
  void backward(BackwardOptions options = {}) const;
  /// The same for any shape, with the gradient of the result given (same shape and dtype).
  void backward(const Tensor& grad_output, BackwardOptions options = {}) const;

  /// The same elements outside of any graph; shares the block.
  Tensor detach() const;

  /// Calls `hook` with the gradient of this tensor whenever a walk has computed it; a defined tensor that it returns
  /// takes the gradient's place. Throws Error if no gradient is required.
  HookHandle register_hook(std::function<Tensor(const Tensor& grad)> hook);

  // --- ops; each throws Error for shapes or dtypes that do not fit ----------------------------------------------

  Tensor reshape(const Shape& shape) const;  ///< the same elements under another shape; shares the block
  Tensor reshape(std::initializer_list<std::int64_t> sizes) const;  ///< the same; one size may be -1
  Tensor clone() const;          ///< a copy with a block of its own; differentiable
  Tensor to(DType dtype) const;  ///< converted; differentiable between f32 and f64

  Tensor add(const Tensor& other) const;
  Tensor sub(const Tensor& other) const;
  Tensor mul(const Tensor& other) const;
  Tensor div(const Tensor& other) const;
  Tensor matmul(const Tensor& other) const;
  Tensor mm(const Tensor& other) const { return matmul(other); }
  Tensor sum() const;
  Tensor sum(const std::vector<int>& axes, bool keepdim = false) const;
  Tensor mean() const;
  Tensor mean(const std::vector<int>& axes, bool keepdim = false) const;

  Tensor relu() const;
  Tensor leaky_relu(double negative_slope = 0.01) const;
  Tensor elu(double alpha = 1.0) const;
  Tensor prelu(const Tensor& weight) const;

  // In place: overwrite this tensor. Refused for a leaf that requires a gradient, and where another tensor of a
  // graph shares the block.
  Tensor& relu_();
  Tensor& leaky_relu_(double negative_slope = 0.01);
  Tensor& elu_(double alpha = 1.0);

 private:
  friend struct detail::Access;
  explicit Tensor(detail::Ref<detail::Record> record) : record_(std::move(record)) {}
  detail::Record& record() const {
    if (!record_) [[unlikely]]
      undefined_use();
    return *record_;
  }
  [[noreturn]] static void undefined_use();
  void check_element(DType asked) const;

  detail::Ref<detail::Record> record_;
};

struct detail::Access {
  static Record& record(const Tensor& tensor) { return tensor.record(); }
  static const Ref<Record>& handle(const Tensor& tensor) { return tensor.record_; }
  static Tensor wrap(Ref<Record> record) { return Tensor(std::move(record)); }
};

// --- making tensors ------------------------------------------------------------------------------------------------

Tensor empty(const Shape& shape, DType dtype = DType::f32);  ///< contents are not defined
Tensor zeros(const Shape& shape, DType dtype = DType::f32);
Tensor ones(const Shape& shape, DType dtype = DType::f32);
Tensor full(const Shape& shape, double value, DType dtype = DType::f32);
Tensor rand(const Shape& shape, Generator& generator, DType dtype = DType::f32);   ///< uniform in [0, 1)
Tensor randn(const Shape& shape, Generator& generator, DType dtype = DType::f32);  ///< standard normal

/// A number or a braced list of them, nested to any depth: what tensor({{1, 2}, {3, 4}}) is made from.
class NestedList {
 public:
  template <class T>
  requires std::is_arithmetic_v<T> NestedList(T value)
      : values_{exact(value)} {}  // NOLINT(google-explicit-constructor)
  /// Throws Error if the parts differ in shape.
  NestedList(std::initializer_list<NestedList> parts);

  const Shape& shape() const { return shape_; }
  std::span<const double> values() const { return values_; }

 private:
  template <class T>
  static double exact(T value) {
    if constexpr (std::is_integral_v<T> && sizeof(T) == 8) {
      constexpr T limit = T(1) << 53;
      RILL_CHECK(value <= limit && (std::is_unsigned_v<T> || value >= T(0) - limit), "tensor: the number ",
                 value, " is beyond 2^53, expected a smaller one; pass a span of std::int64_t");
    }
    return static_cast<double>(value);
  }

  Shape shape_;
  std::vector<double> values_;
};

/// A tensor of the listed numbers, f32 unless asked otherwise: tensor({1, 2, 3}), tensor({{1, 2}, {3, 4}}).
Tensor tensor(const NestedList& list, DType dtype = DType::f32);
Tensor tensor(std::initializer_list<NestedList> list, DType dtype = DType::f32);

/// A tensor with a copy of `values`, of their own type. Throws Error unless shape.numel() == values.size().
Tensor tensor(std::span<const float> values, const Shape& shape);
Tensor tensor(std::span<const double> values, const Shape& shape);
Tensor tensor(std::span<const std::int64_t> values, const Shape& shape);

/// PyTorch's form: `tensor([-0.0200,  1.0000])`.
std::ostream& operator<<(std::ostream& out, const Tensor& tensor);

// --- recording -----------------------------------------------------------------------------------------------------

namespace detail {
extern thread_local constinit bool grad_enabled;
}

/// Whether ops on this thread record a graph.
inline bool grad_enabled() noexcept { return detail::grad_enabled; }

/// While it lives, ops on this thread record a graph, or do not. Other threads keep their own mode.
class [[nodiscard]] GradMode {
 public:
  explicit GradMode(bool record) noexcept : before_(std::exchange(detail::grad_enabled, record)) {}
  ~GradMode() { detail::grad_enabled = before_; }
  GradMode(const GradMode&) = delete;
  GradMode& operator=(const GradMode&) = delete;

 private:
  bool before_;
};

/// While it lives, ops on this thread record nothing.
class [[nodiscard]] NoGrad : public GradMode {
 public:
  NoGrad() noexcept : GradMode(false) {}
};

struct GradOptions {
  bool retain_graph = false;
  bool create_graph = false;
  bool allow_unused =
      false;  ///< an input that no output depends on yields an undefined tensor instead of an error
};

/// d(sum of outputs · grad_outputs)/d(inputs), one tensor an input, without touching any grad. Inputs may be leaves or
/// computed. `grad_outputs` may be empty where every output is a scalar.
/// Throws Error as Tensor::backward does, and for an unused input unless allowed.
std::vector<Tensor> grad(const std::vector<Tensor>& outputs, const std::vector<Tensor>& inputs,
                         const std::vector<Tensor>& grad_outputs = {}, GradOptions options = {});

// --- operators; a number takes the tensor's dtype --------------------------------------------------------------------

Tensor operator+(const Tensor& a, const Tensor& b);
Tensor operator-(const Tensor& a, const Tensor& b);
Tensor operator*(const Tensor& a, const Tensor& b);
Tensor operator/(const Tensor& a, const Tensor& b);
Tensor operator+(const Tensor& a, double b);
Tensor operator-(const Tensor& a, double b);
Tensor operator*(const Tensor& a, double b);
Tensor operator/(const Tensor& a, double b);
Tensor operator+(double a, const Tensor& b);
Tensor operator-(double a, const Tensor& b);
Tensor operator*(double a, const Tensor& b);
Tensor operator/(double a, const Tensor& b);
Tensor operator-(const Tensor& a);

}  // namespace rill
