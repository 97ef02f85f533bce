#include <algorithm>

#include <rill/core/graph.hpp>

namespace rill {

namespace detail {
namespace {

thread_local std::uint64_t last_number = 0;

// Nodes whose last owner has gone. Destroying one drops its edges, which may kill older nodes: these are queued
// here instead of being destroyed on the stack, so the length of a chain does not matter.
thread_local Node* dead_nodes = nullptr;
thread_local bool draining = false;

}  // namespace

void retain(Node* node) noexcept { node->refs.fetch_add(1, std::memory_order_relaxed); }

void release(Node* node) noexcept {
  if (node->refs.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  node->next_dead = std::exchange(dead_nodes, node);
  if (draining) return;
  draining = true;
  while (dead_nodes) delete std::exchange(dead_nodes, dead_nodes->next_dead);
  draining = false;
}

Ref<Record> Record::create(const Shape& shape, DType dtype, Ref<Block> block, std::byte* data) {
  auto* record = ::new (memory::allocate(sizeof(Record))) Record;
  record->shape = shape;
  record->dtype = dtype;
  record->block = std::move(block);
  record->data = data;
  return Ref<Record>::adopt(record);
}

void release(Record* record) noexcept {
  if (record->refs.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  record->set_graph(false, Ref<Node>(), 0);
  record->~Record();
  memory::release(record, sizeof(Record));
}

void Record::set_graph(bool leaf_requires_grad, Ref<Node> new_node, std::uint32_t index) noexcept {
  const bool before = in_graph();
  requires_grad = leaf_requires_grad;
  node = std::move(new_node);
  output_index = index;
  if (before == in_graph()) return;
  if (before) {
    block->graph_handles.fetch_sub(1, std::memory_order_relaxed);
  } else {
    block->graph_handles.fetch_add(1, std::memory_order_relaxed);
  }
}

const Shape& Edge::shape() const { return node ? node->outputs[index].shape : leaf->shape; }

DType Edge::dtype() const { return node ? node->outputs[index].dtype : leaf->dtype; }

Edge edge_to(const Tensor& tensor) {
  const Record& record = Access::record(tensor);
  if (record.node) return {record.node, {}, record.output_index};
  if (record.requires_grad) return {{}, Access::handle(tensor), 0};
  return {};
}

void Node::connect(std::span<const Tensor* const> inputs, std::span<Tensor> results) {
  std::uint64_t newest = last_number;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!inputs[i]->defined()) continue;
    edges[i] = edge_to(*inputs[i]);
    // A graph may have been begun on another thread, with numbers larger than this thread's.
    if (edges[i].node) newest = std::max(newest, edges[i].node->number);
  }
  number = last_number = newest + 1;
  module = thread_mode.module;
  for (std::size_t i = 0; i < results.size(); ++i) {
    Record& record = Access::record(results[i]);
    outputs[i].shape = record.shape;
    outputs[i].dtype = record.dtype;
    if (!is_floating(record.dtype)) continue;  // indices have no gradient
    record.set_graph(false, Ref<Node>::share(this), static_cast<std::uint32_t>(i));
  }
}

SavedInput save_input(const Tensor& input) {
  if (!input.defined()) return {input, 0};
  return {input, Access::record(input).block->version.load(std::memory_order_relaxed)};
}

SavedOutput save_output(const Tensor& output) {
  const Record& record = Access::record(output);
  return {record.block, record.data, record.block->version.load(std::memory_order_relaxed)};
}

namespace {

void check_version(const Node& node, const char* what, int index, const Shape& shape, const Block& block,
                   std::uint32_t saved) {
  const std::uint32_t now = block.version.load(std::memory_order_relaxed);
  RILL_CHECK(now == saved, "backward: ", node.name(), " needs its ", what, " ", index, " ", shape,
             ", which was overwritten in place (version ", now, ", saved at version ", saved,
             "); use the form that is not in place");
}

}  // namespace

Tensor read_saved(const Node& node, int index, const SavedInput& saved) {
  if (saved.value.defined()) {
    check_version(node, "input", index, saved.value.shape(), *Access::record(saved.value).block,
                  saved.version);
  }
  return saved.value;
}

Tensor read_saved(const Node& node, int index, const SavedOutput& saved) {
  const OutputSlot& slot = node.outputs[static_cast<std::size_t>(index)];
  check_version(node, "output", index, slot.shape, *saved.block, saved.version);
  Ref<Record> record = Record::create(slot.shape, slot.dtype, saved.block, saved.data);
  if (rill::grad_enabled() && is_floating(slot.dtype)) {
    record->set_graph(false, Ref<Node>::share(const_cast<Node*>(&node)), static_cast<std::uint32_t>(index));
  }
  return Access::wrap(std::move(record));
}

void refuse_undefined(std::string_view op, int input) {
  fail(concat(op, ": input ", input, " is undefined, expected a tensor with elements"));
}

void refuse_gradient(std::string_view op) {
  const bool third = op.ends_with("_backward_backward");
  fail(concat("backward: ", op, " has no gradient, expected ",
              third ? "first or second order; activations are differentiable twice, not three times"
                    : "an op with one"));
}

void refuse_gradients(std::string_view op, std::size_t got, std::size_t expected) {
  fail(
      concat("backward: ", op, " returned ", got, " gradients for ", expected, " inputs, expected one each"));
}

void check_inplace(std::string_view op, const Tensor& tensor) {
  const Record& record = Access::record(tensor);
  RILL_CHECK(!(record.requires_grad && rill::grad_enabled()), op, "_: the tensor ", tensor.shape(),
             " is a leaf that requires a gradient, expected a computed one; use ", op, "()");
  const std::uint32_t others =
      record.block->graph_handles.load(std::memory_order_relaxed) - (record.in_graph() ? 1u : 0u);
  RILL_CHECK(others == 0, op, "_: the block of the tensor ", tensor.shape(), " is shared with ", others,
             " other tensor(s) of a graph, whose gradients would be wrong; use ", op, "()");
}

}  // namespace detail
}  // namespace rill
