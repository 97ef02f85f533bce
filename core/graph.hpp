// The graph of computed tensors, and apply(): the one place where an op is checked, run and recorded.
//
// A tensor that an op computed holds its node; a node holds edges to the nodes (or leaf records) of its inputs and
// what its gradient reads. Edges point to older nodes only, so falling creation numbers are a valid order for the
// walk. A saved output is kept as a bare block and meets its node again when it is read, so a graph owns no cycle of its
// own; backward(create_graph) makes one, from a leaf to its grad and back, until the grad is cleared.
//
// An op is a copyable struct:
//
//   struct Mul {
//     static constexpr std::string_view name = "mul";
//     Meta infer(const Tensor& a, const Tensor& b) const;                   // checks everything; the result's shape
//     void forward(const Tensor& a, const Tensor& b, Tensor& y) const;      // the kernel; y is allocated
//     std::array<Tensor, 2> gradient(const Incoming& g, Input<0> a, Input<1> b) const;  // written with ops
//   };
//
// What gradient() takes after the incoming gradients is what gets saved: Input<i> and Output<i> are called to get the
// tensor. An op with `view(inputs...)` instead of forward() may return a tensor that shares a block. An op with several
// results sets `static constexpr int outputs` and returns an array from infer(). Without gradient(), a walk that
// reaches the op is refused. An op on any number of inputs takes them as std::span<const Tensor>, saves none of them,
// is run by apply_list(), and returns a TensorList from gradient().
//
// A graph belongs to one thread at a time.
#pragma once

#include <algorithm>
#include <array>
#include <span>
#include <string_view>
#include <tuple>

#include <rill/core/create.hpp>
#include <rill/core/observe.hpp>
#include <rill/core/tensor.hpp>

namespace rill {

/// What an op says of a result before it is allocated.
struct Meta {
  Shape shape;
  DType dtype;
};

/// Any number of tensors, in memory of the pool.
using TensorList = std::vector<Tensor, memory::Allocator<Tensor>>;

namespace detail {

/// Where a gradient goes: an output of an older node, or a leaf; neither where none is required.
struct Edge {
  Ref<Node> node;
  Ref<Record> leaf;
  std::uint32_t index = 0;

  explicit operator bool() const { return node || leaf; }
  const Shape& shape() const;
  DType dtype() const;
};

/// The edge to what computed `tensor`, or to the leaf that it is; empty where it requires no gradient.
Edge edge_to(const Tensor& tensor);

struct OutputSlot {
  Shape shape;
  DType dtype = DType::f32;
  Tensor grad;  // while a walk goes on: the sum of what has arrived
  std::shared_ptr<GradHooks> hooks;
};

class Walk;

class Node {
 public:
  std::atomic<std::uint32_t> refs{1};
  std::uint64_t number = 0;       // larger than that of every node it has an edge to
  std::uint64_t last_walk = 0;    // the last walk that collected this node
  bool needed = true;             // in the current walk: some wanted gradient lies behind this node
  std::uint64_t wanted_walk = 0;  // the last walk whose caller asked for an output's own gradient
  bool freed = false;
  bool active = false;  // collected by a walk that has not ended
  Node* next_dead = nullptr;
  const void* module = nullptr;  // which it was recorded for; an address to compare, never followed
  std::span<Edge> edges;
  std::span<OutputSlot> outputs;

  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;
  virtual ~Node() = default;

  virtual std::string_view name() const noexcept = 0;
  virtual void run_gradient(Walk& walk) = 0;
  virtual void drop_saved() noexcept = 0;

  // NOLINTNEXTLINE(cert-dcl54-cpp): a delete that is told the size belongs to it
  static void* operator new(std::size_t bytes) { return memory::allocate(bytes); }
  static void operator delete(void* node, std::size_t bytes) noexcept { memory::release(node, bytes); }

 protected:
  Node() = default;
  /// Sets edges from the inputs, slots from the outputs, and the number; makes the outputs results of this node.
  void connect(std::span<const Tensor* const> inputs, std::span<Tensor> results);
};

/// Adds a gradient to what has arrived at an edge. Throws Error if its shape or dtype differs from the target's.
void deliver(Walk& walk, const Node& from, int input, Tensor grad);

bool edge_needed(const Walk& walk, const Edge& edge);

struct SavedInput {
  Tensor value;
  std::uint32_t version;
};
struct SavedOutput {
  Ref<Block> block;
  std::byte* data;
  std::uint32_t version;
};
SavedInput save_input(const Tensor& input);
SavedOutput save_output(const Tensor& output);
Tensor read_saved(const Node& node, int index, const SavedInput& saved);
Tensor read_saved(const Node& node, int index, const SavedOutput& saved);

}  // namespace detail

/// The gradients of an op's results, as gradient() receives them, and what is asked of it.
class Incoming {
 public:
  Incoming(const detail::Walk& walk, const detail::Node& node) : walk_(walk), node_(node) {}
  /// The gradient of result `output`; undefined if nothing has arrived there.
  const Tensor& operator[](int output) const { return node_.outputs[static_cast<std::size_t>(output)].grad; }
  /// Whether the gradient of input `input` is wanted; where it is not, gradient() may return an undefined tensor.
  bool needs(int input) const { return detail::edge_needed(walk_, edge(input)); }
  /// The shape and dtype of input `input`, for which needs() holds.
  const Shape& input_shape(int input) const { return edge(input).shape(); }
  DType input_dtype(int input) const { return edge(input).dtype(); }

 private:
  const detail::Edge& edge(int input) const { return node_.edges[static_cast<std::size_t>(input)]; }
  const detail::Walk& walk_;
  const detail::Node& node_;
};

/// A saved input; calling it gives the tensor, or throws Error if it was overwritten since.
template <int I>
class Input {
 public:
  using Saved = detail::SavedInput;
  Input(const detail::Node& node, const Saved& saved) : node_(node), saved_(saved) {}
  Tensor operator()() const { return detail::read_saved(node_, I, saved_); }
  template <class Tensors>
  static Saved save(std::span<const Tensor* const> inputs, const Tensors&) {
    return detail::save_input(*inputs[I]);
  }

 private:
  const detail::Node& node_;
  const Saved& saved_;
};

/// A saved result; calling it gives the tensor, or throws Error if it was overwritten since.
template <int I>
class Output {
 public:
  using Saved = detail::SavedOutput;
  Output(const detail::Node& node, const Saved& saved) : node_(node), saved_(saved) {}
  Tensor operator()() const { return detail::read_saved(node_, I, saved_); }
  template <class Tensors>
  static Saved save(std::span<const Tensor* const>, const Tensors& outputs) {
    return detail::save_output(outputs[I]);
  }

 private:
  const detail::Node& node_;
  const Saved& saved_;
};

namespace detail {

template <class Op>
constexpr int outputs_of() {
  if constexpr (requires { Op::outputs; }) {
    return Op::outputs;
  } else {
    return 1;
  }
}

template <class Op>
concept Differentiable = requires {
  &Op::gradient;
};

template <class Gradient>
struct GradientReads;
template <class Op, class Result, class... Reads>
struct GradientReads<Result (Op::*)(const Incoming&, Reads...) const> {
  using Saved = std::tuple<typename Reads::Saved...>;

  template <std::size_t... K>
  static Saved save([[maybe_unused]] std::span<const Tensor* const> inputs,
                    [[maybe_unused]] std::span<const Tensor> outputs, std::index_sequence<K...>) {
    return {Reads::save(inputs, outputs)...};
  }
  template <std::size_t... K>
  static auto call(const Op& op, const Incoming& incoming, [[maybe_unused]] const Node& node,
                   [[maybe_unused]] const Saved& saved, std::index_sequence<K...>) {
    return op.gradient(incoming, Reads(node, std::get<K>(saved))...);
  }
  using Indices = std::index_sequence_for<Reads...>;
};

[[noreturn]] void refuse_gradient(std::string_view op);
[[noreturn]] void refuse_gradients(std::string_view op, std::size_t got, std::size_t expected);

template <class Op, std::size_t inputs>
class NodeOf final : public Node {
 public:
  NodeOf(const Op& op, std::span<const Tensor* const> from, std::span<Tensor> results) : op_(op) {
    if constexpr (inputs == std::dynamic_extent) edge_storage_.resize(from.size());
    edges = edge_storage_;
    outputs = slot_storage_;
    connect(from, results);
    if constexpr (Differentiable<Op>) saved_ = Reads::save(from, results, typename Reads::Indices{});
  }

  std::string_view name() const noexcept override { return op_.name; }

  void run_gradient(Walk& walk) override {
    if constexpr (Differentiable<Op>) {
      auto grads = Reads::call(op_, Incoming(walk, *this), *this, saved_, typename Reads::Indices{});
      if constexpr (std::is_same_v<decltype(grads), Tensor>) {
        static_assert(inputs == 1, "gradient() must return one tensor for each input");
        deliver(walk, *this, 0, std::move(grads));
      } else {
        if constexpr (inputs == std::dynamic_extent) {
          if (grads.size() != edges.size()) [[unlikely]]
            refuse_gradients(op_.name, grads.size(), edges.size());
        } else {
          static_assert(std::tuple_size_v<decltype(grads)> == inputs,
                        "gradient() must return one tensor for each input");
        }
        for (std::size_t i = 0; i < grads.size(); ++i)
          deliver(walk, *this, static_cast<int>(i), std::move(grads[i]));
      }
    } else {
      refuse_gradient(op_.name);
    }
  }

  void drop_saved() noexcept override { saved_ = {}; }

 private:
  struct NoReads {
    using Saved = std::tuple<>;
  };
  template <class T>
  struct ReadsOf {
    using type = NoReads;
  };
  template <Differentiable T>
  struct ReadsOf<T> {
    using type = GradientReads<decltype(&T::gradient)>;
  };
  using Reads = typename ReadsOf<Op>::type;

  Op op_;
  std::conditional_t<inputs == std::dynamic_extent, std::vector<Edge, memory::Allocator<Edge>>,
                     std::array<Edge, inputs == std::dynamic_extent ? 1 : inputs>>
      edge_storage_;
  std::array<OutputSlot, outputs_of<Op>()> slot_storage_;
  typename Reads::Saved saved_{};
};

template <class Op, std::size_t inputs, std::size_t outputs>
void record(const Op& op, std::span<const Tensor* const, inputs> from, std::array<Tensor, outputs>& results) {
  bool required = false;
  for (const Tensor* input : from) required |= input->defined() && input->requires_grad();
  const auto floating = [](const Tensor& result) { return is_floating(result.dtype()); };
  if (!required || !std::any_of(results.begin(), results.end(), floating)) return;
  // The node is owned by the results from here on; connect() gives each of them a reference.
  Ref<Node>::adopt(new NodeOf<Op, inputs>(op, from, results));
}

[[noreturn]] void refuse_undefined(std::string_view op, int input);

/// The inputs that an op can do without, a bit each: `static constexpr unsigned optional = 0b100` for the third.
template <class Op>
constexpr unsigned optional_of() {
  if constexpr (requires { Op::optional; }) {
    return Op::optional;
  } else {
    return 0;
  }
}

template <class Op>
void check_inputs(std::span<const Tensor* const> inputs) {
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!inputs[i]->defined() && !(i < 32 && optional_of<Op>() >> i & 1)) [[unlikely]]
      refuse_undefined(Op::name, static_cast<int>(i));
  }
}

/// Checks that `tensor` may be overwritten by `op`. Throws Error.
void check_inplace(std::string_view op, const Tensor& tensor);

}  // namespace detail

/// Checks, runs and, where a gradient is required, records an op. Returns the result: a Tensor, or an array of them
/// for an op with several. Throws what op.infer() throws, before anything is allocated.
template <class Op, std::same_as<Tensor>... Inputs>
auto apply(const Op& op, const Inputs&... inputs) {
  constexpr int count = detail::outputs_of<Op>();
  const std::array<const Tensor*, sizeof...(Inputs)> from{&inputs...};
  detail::Observed observed(op, from);
  detail::check_inputs<Op>(from);
  std::array<Tensor, count> results;
  if constexpr (requires { op.view(inputs...); }) {
    op.infer(inputs...);
    results[0] = op.view(inputs...);
  } else if constexpr (count == 1) {
    const Meta meta = op.infer(inputs...);
    results[0] = empty(meta.shape, meta.dtype);
    op.forward(inputs..., results[0]);
  } else {
    const std::array<Meta, count> metas = op.infer(inputs...);
    for (std::size_t i = 0; i < count; ++i) results[i] = empty(metas[i].shape, metas[i].dtype);
    std::apply([&](auto&... outputs) { op.forward(inputs..., outputs...); }, results);
  }
  if (grad_enabled()) detail::record(op, std::span(from), results);
  observed.done(op, from, results);
  if constexpr (count == 1) {
    return std::move(results[0]);
  } else {
    return results;
  }
}

/// The same for an op on any number of inputs, with one result.
template <class Op>
Tensor apply_list(const Op& op, std::span<const Tensor> inputs) {
  std::vector<const Tensor*, memory::Allocator<const Tensor*>> from;
  from.reserve(inputs.size());
  for (const Tensor& input : inputs) from.push_back(&input);
  detail::Observed observed(op, from);
  detail::check_inputs<Op>(from);
  const Meta meta = op.infer(inputs);
  std::array<Tensor, 1> results{empty(meta.shape, meta.dtype)};
  op.forward(inputs, results[0]);
  if (grad_enabled()) detail::record(op, std::span<const Tensor* const>(from), results);
  observed.done(op, from, results);
  return std::move(results[0]);
}

/// Runs an op with one input and one result of the same shape on the block of `tensor` itself; the op's gradient
/// must not read its input. Throws what op.infer() throws, and Error where tensor may not be overwritten.
template <class Op>
Tensor& apply_inplace(const Op& op, Tensor& tensor) {
  const std::array<const Tensor*, 1> from{&tensor};
  detail::Observed observed(op, from);
  detail::check_inputs<Op>(from);
  op.infer(tensor);
  detail::check_inplace(op.name, tensor);
  op.forward(tensor.detach(), tensor);
  if (grad_enabled() && tensor.requires_grad()) {
    std::array<Tensor, 1> results{tensor};
    detail::record(op, std::span(from), results);
  }
  observed.done(op, from, {&tensor, 1});
  return tensor;
}

}  // namespace rill
