// Tensor: a value handle on a reference-counted record. Copying shares; contents are contiguous and row-major.
//
// Only reshapes and slices of the first axis share a block under another shape. Counts are atomic, so handles may be
// copied and dropped on any thread; a tensor's contents and its graph belong to one thread at a time.
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
#include <rill/core/observe.hpp>
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
  std::weak_ptr<const void> entry_;
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
  Tensor(const Tensor&) = default;
  Tensor(Tensor&&) noexcept = default;
  ~Tensor() = default;
  /// Shares what the other one holds. Not on temporaries: `x[0] = y` and `x.grad() = y` would change a handle that is gone at once.
  Tensor& operator=(const Tensor&) & = default;
  Tensor& operator=(Tensor&&) & noexcept = default;

  bool defined() const noexcept { return static_cast<bool>(record_); }
  const Shape& shape() const { return record().shape; }
  DType dtype() const { return record().dtype; }
  int dim() const { return shape().rank(); }
  std::int64_t size(int axis) const { return shape().at(axis); }
  std::int64_t numel() const { return shape().numel(); }

  /// The elements, row-major; valid while a tensor on the block lives. Throws Error if T is not the dtype.
  template <Element T>
  std::span<const T> data() const& {
    begin_read(dtype_of<T>());
    return {reinterpret_cast<const T*>(record_->data), static_cast<std::size_t>(numel())};
  }

  /// The elements, to be overwritten; values that a graph saved from this block count as overwritten.
  template <Element T>
  std::span<T> mutable_data() {
    begin_write(dtype_of<T>());
    return {reinterpret_cast<T*>(record_->data), static_cast<std::size_t>(numel())};
  }

  template <Element T>
  std::span<const T> data() const&& =
      delete;  // of a temporary they may be gone: name it, or take to_vector()

  /// A copy of the elements, row-major. Throws Error if T is not the dtype.
  template <Element T>
  std::vector<T> to_vector() const {
    const std::span<const T> elements = data<T>();
    return {elements.begin(), elements.end()};
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

  // --- elements; an index or axis may be negative and counts from the end then ---------------------------------------

  /// The element at one index an axis: x.at({1, 2}). Throws Error for an index out of range.
  double at(std::initializer_list<std::int64_t> index) const;
  /// Overwrites the element at `index`; as mutable_data(). Throws Error for an index out of range.
  void set(std::initializer_list<std::int64_t> index, double value);
  /// x[i]: what lies at index i of the first axis, without that axis; shares the block. Throws Error for a scalar.
  Tensor operator[](std::int64_t index) const { return select(0, index); }

  // --- ops; each throws Error for shapes or dtypes that do not fit. What they do is said beside the function of the
  // --- same name in core/ops ------------------------------------------------------------------------------------

  Tensor reshape(const Shape& shape) const;  ///< the same elements under another shape; shares the block
  Tensor reshape(std::initializer_list<std::int64_t> sizes) const;  ///< the same; one size may be -1
  Tensor flatten(int first_axis = 0, int last_axis = -1) const;     ///< axes first to last as one
  Tensor squeeze(int axis) const;                                   ///< without an axis of size 1
  Tensor unsqueeze(int axis) const;                                 ///< with a new axis of size 1
  Tensor clone() const;          ///< a copy with a block of its own; differentiable
  Tensor to(DType dtype) const;  ///< converted; differentiable between f32 and f64
  Tensor transpose(int axis_a, int axis_b) const;
  Tensor t() const;  ///< a matrix transposed
  Tensor permute(const std::vector<int>& axes) const;
  Tensor expand(const Shape& shape) const;
  Tensor select(int axis, std::int64_t index) const;
  Tensor slice(int axis, std::int64_t start, std::int64_t stop) const;
  Tensor gather(int axis, const Tensor& index) const;
  Tensor index_select(int axis, const Tensor& index) const;

  Tensor add(const Tensor& other) const;
  Tensor sub(const Tensor& other) const;
  Tensor mul(const Tensor& other) const;
  Tensor div(const Tensor& other) const;
  Tensor pow(const Tensor& exponent) const;
  Tensor pow(double exponent) const;
  Tensor maximum(const Tensor& other) const;
  Tensor minimum(const Tensor& other) const;
  Tensor matmul(const Tensor& other) const;
  Tensor mm(const Tensor& other) const { return matmul(other); }

  Tensor neg() const;
  Tensor exp() const;
  Tensor log() const;
  Tensor sqrt() const;
  Tensor rsqrt() const;
  Tensor reciprocal() const;
  Tensor abs() const;
  Tensor sin() const;
  Tensor cos() const;
  Tensor square() const;
  Tensor clamp(double min, double max) const;

  // Over all axes, or over those that are named.
  Tensor sum() const;
  Tensor sum(const AxisList& axes, bool keepdim = false) const;
  Tensor mean() const;
  Tensor mean(const AxisList& axes, bool keepdim = false) const;
  Tensor max() const;
  Tensor max(const AxisList& axes, bool keepdim = false) const;
  Tensor min() const;
  Tensor min(const AxisList& axes, bool keepdim = false) const;
  Tensor var() const;
  Tensor var(const AxisList& axes, bool keepdim = false) const;
  Tensor logsumexp(const AxisList& axes, bool keepdim = false) const;
  Tensor argmax() const;
  Tensor argmax(int axis, bool keepdim = false) const;
  Tensor softmax(int axis = -1) const;
  Tensor log_softmax(int axis = -1) const;

  Tensor relu() const;
  Tensor leaky_relu(double negative_slope = 0.01) const;
  Tensor elu(double alpha = 1.0) const;
  Tensor prelu(const Tensor& weight) const;
  Tensor selu() const;
  Tensor celu(double alpha = 1.0) const;
  Tensor gelu() const;
  Tensor silu() const;
  Tensor softplus(double beta = 1.0) const;
  Tensor tanh() const;
  Tensor sigmoid() const;

  // In place: overwrite this tensor. Refused for a leaf that requires a gradient, and where another tensor of a
  // graph shares the block.
  Tensor& relu_();
  Tensor& leaky_relu_(double negative_slope = 0.01);
  Tensor& elu_(double alpha = 1.0);
  Tensor& selu_();
  Tensor& celu_(double alpha = 1.0);
  Tensor& tanh_();
  Tensor& sigmoid_();

 private:
  friend struct detail::Access;
  explicit Tensor(detail::Ref<detail::Record> record) : record_(std::move(record)) {}
  detail::Record& record() const {
    if (!record_) [[unlikely]]
      undefined_use();
    return *record_;
  }
  [[noreturn]] static void undefined_use();
  // What data() and mutable_data() do first.
  void begin_read(DType asked) const;
  void begin_write(DType asked);
  detail::Record& checked_record(DType asked) const;

  detail::Ref<detail::Record> record_;
};

struct detail::Access {
  static Record& record(const Tensor& tensor) { return tensor.record(); }
  static const Ref<Record>& handle(const Tensor& tensor) { return tensor.record_; }
  static Tensor wrap(Ref<Record> record) { return Tensor(std::move(record)); }
};

/// PyTorch's form: `tensor([-0.0200,  1.0000])`.
std::ostream& operator<<(std::ostream& out, const Tensor& tensor);

// --- recording -----------------------------------------------------------------------------------------------------

/// Whether ops on this thread record a graph.
inline bool grad_enabled() noexcept { return detail::thread_mode.grad_enabled; }

/// While it lives, ops on this thread record a graph, or do not. Other threads keep their own mode.
class [[nodiscard]] GradMode {
 public:
  explicit GradMode(bool record) noexcept
      : before_(std::exchange(detail::thread_mode.grad_enabled, record)) {}
  ~GradMode() { detail::thread_mode.grad_enabled = before_; }
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

// Comparisons: 1 where it holds, else 0, in a floating dtype: that of floating operands, f32 for i64 ones. So
// x * (x > 0) keeps what is positive, and (x == 0).mean() is the share of zeros.
Tensor operator==(const Tensor& a, const Tensor& b);
Tensor operator!=(const Tensor& a, const Tensor& b);
Tensor operator<(const Tensor& a, const Tensor& b);
Tensor operator<=(const Tensor& a, const Tensor& b);
Tensor operator>(const Tensor& a, const Tensor& b);
Tensor operator>=(const Tensor& a, const Tensor& b);
Tensor operator==(const Tensor& a, double b);
Tensor operator!=(const Tensor& a, double b);
Tensor operator<(const Tensor& a, double b);
Tensor operator<=(const Tensor& a, double b);
Tensor operator>(const Tensor& a, double b);
Tensor operator>=(const Tensor& a, double b);

}  // namespace rill
