#include <algorithm>

#include <rill/core/ops/binary.hpp>
#include <rill/core/walk.hpp>

namespace rill {
namespace detail {
namespace {

std::atomic<std::uint64_t> walk_count{0};
thread_local std::uint64_t walks_on_thread = 0;

class Walking {
 public:
  Walking() : before_(std::exchange(thread_mode.walking, true)) {}
  ~Walking() { thread_mode.walking = before_; }
  Walking(const Walking&) = delete;
  Walking& operator=(const Walking&) = delete;

 private:
  bool before_;
};

bool sole_owner(const Tensor& tensor) {
  return Access::handle(tensor).unique() && Access::record(tensor).block.unique();
}

}  // namespace

Tensor GradHooks::run(Tensor grad) const {
  const std::vector<std::shared_ptr<Entry>> current = entries;  // a hook may add and remove hooks
  for (const auto& entry : current) {
    if (entry->removed) continue;
    Tensor replaced = entry->hook(grad);
    if (!replaced.defined()) continue;
    RILL_CHECK(replaced.shape() == grad.shape() && replaced.dtype() == grad.dtype(),
               "register_hook: the hook returned ", replaced.dtype(), " ", replaced.shape(),
               ", expected the gradient's ", grad.dtype(), " ", grad.shape());
    grad = std::move(replaced);
  }
  return grad;
}

// The buffers outlive a walk, so that a warm one allocates nothing; a walk inside a walk (a hook that calls
// backward) finds them taken and starts with empty ones.
Walk::Buffers& Walk::spare_buffers() {
  static thread_local Buffers buffers;
  return buffers;
}

Walk::Walk(const char* where, bool retain_graph, bool create_graph)
    : where_(where),
      retain_graph_(retain_graph || create_graph),
      create_graph_(create_graph),
      stamp_(walk_count.fetch_add(1, std::memory_order_relaxed) + 1),
      number_on_thread_(++walks_on_thread) {
  std::swap(buffers_, spare_buffers());
}

Walk::~Walk() {
  for (Node* node : buffers_.nodes) {
    for (OutputSlot& slot : node->outputs) slot.grad = Tensor();
    node->needed = true;
    node->active = false;
  }
  buffers_.nodes.clear();
  buffers_.stack.clear();
  buffers_.arrivals.clear();
  buffers_.roots.clear();
  std::swap(buffers_, spare_buffers());
}

void Walk::want(const std::vector<Tensor>& inputs) {
  every_leaf_ = false;
  wanted_.reserve(inputs.size());
  for (const Tensor& input : inputs) {
    wanted_.push_back(edge_to(input));
    RILL_CHECK(wanted_.back(), where_, ": input ", wanted_.size() - 1, " ", input.shape(),
               " requires no gradient; call requires_grad_() before it is used");
  }
  found_.resize(inputs.size());
}

void Walk::collect(std::span<const Tensor> outputs) {
  auto& nodes = buffers_.nodes;
  auto& stack = buffers_.stack;
  const auto push = [this, &stack](Node* node) {
    if (!node || node->last_walk == stamp_) return;
    node->last_walk = stamp_;
    stack.push_back(node);
  };
  for (const Tensor& output : outputs) {
    const Ref<Node>& root = Access::record(output).node;
    if (root) buffers_.roots.push_back(root);
    push(root.get());
  }
  while (!stack.empty()) {
    Node* node = stack.back();
    RILL_CHECK(!node->active, where_, ": the graph of ", node->name(), " ", node->outputs[0].shape,
               " is being walked already, expected another graph inside a hook");
    stack.pop_back();
    nodes.push_back(node);
    node->active = true;
    for (const Edge& edge : node->edges) push(edge.node.get());
  }
  const auto newer = [](const Node* a, const Node* b) { return a->number > b->number; };
  if (!std::is_sorted(nodes.begin(), nodes.end(), newer)) std::sort(nodes.begin(), nodes.end(), newer);
  if (!every_leaf_) mark_needed();
  for (const Node* node : nodes) {
    RILL_CHECK(!node->needed || !node->freed, where_, ": the graph of ", node->name(), " ",
               node->outputs[0].shape,
               " was freed by an earlier walk; pass retain_graph to the first one to walk it again");
  }
}

void Walk::mark_needed() {
  for (const Edge& edge : wanted_) {
    if (edge.node && edge.node->last_walk == stamp_) edge.node->wanted_walk = stamp_;
  }
  // Oldest first: a node is needed if one of its inputs is wanted or belongs to a node that is needed.
  for (auto it = buffers_.nodes.rbegin(); it != buffers_.nodes.rend(); ++it) {
    Node& node = **it;
    node.needed = std::any_of(node.edges.begin(), node.edges.end(),
                              [this](const Edge& edge) { return edge_needed(*this, edge); });
  }
}

bool Walk::reaches(std::size_t index) const {
  const Edge& wanted = wanted_[index];
  if (wanted.node) return wanted.node->last_walk == stamp_;
  return std::any_of(buffers_.nodes.begin(), buffers_.nodes.end(), [&](const Node* node) {
    return std::any_of(node->edges.begin(), node->edges.end(),
                       [&](const Edge& edge) { return edge.leaf.get() == wanted.leaf.get(); });
  });
}

bool edge_needed(const Walk& walk, const Edge& edge) {
  if (edge.node) return edge.node->needed || edge.node->wanted_walk == walk.stamp_;
  if (!edge.leaf) return false;
  // A leaf may have been frozen since.
  if (walk.every_leaf_) return edge.leaf->requires_grad;
  return std::any_of(walk.wanted_.begin(), walk.wanted_.end(),
                     [&](const Edge& wanted) { return wanted.leaf.get() == edge.leaf.get(); });
}

void deliver(Walk& walk, const Node& from, int input, Tensor grad) {
  const Edge& target = from.edges[static_cast<std::size_t>(input)];
  if (!grad.defined() || !edge_needed(walk, target)) return;
  walk.accumulate(target, std::move(grad), from.name(), input);
}

void Walk::accumulate(const Edge& target, Tensor grad, std::string_view from, int input) {
  RILL_CHECK(grad.shape() == target.shape() && grad.dtype() == target.dtype(), where_, ": the gradient of ",
             from, " for input ", input, " is ", grad.dtype(), " ", grad.shape(), ", expected ",
             target.dtype(), " ", target.shape());
  const auto add_to = [&](Tensor& sum) {
    if (!sum.defined()) {
      sum = std::move(grad);
    } else if (!create_graph_ && sole_owner(sum)) {
      add_into(sum, grad);
    } else {
      sum = sum + grad;
    }
  };
  if (target.node) return add_to(target.node->outputs[target.index].grad);
  add_to(sum_at(target.leaf));
}

Tensor& Walk::sum_at(const Ref<Record>& leaf) {
  std::vector<Arrival>& arrivals = buffers_.arrivals;
  if (leaf->arrival_walk == stamp_) return arrivals[leaf->arrival].grad;
  // A walk inside a hook may have noted its own arrival over ours.
  if (walks_on_thread != number_on_thread_) {
    const auto known = std::find_if(arrivals.begin(), arrivals.end(),
                                    [&](const Arrival& arrival) { return arrival.leaf.get() == leaf.get(); });
    if (known != arrivals.end()) return known->grad;
  }
  leaf->arrival_walk = stamp_;
  leaf->arrival = arrivals.size();
  return arrivals.emplace_back(Arrival{leaf, Tensor(), false}).grad;
}

void Walk::run(std::span<const Tensor> outputs, std::span<const Tensor> grads) {
  const GradMode recording(create_graph_);
  const Walking walking;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    accumulate(edge_to(outputs[i]), grads[i], "the caller", static_cast<int>(i));
  }
  for (Node* node : buffers_.nodes) visit(*node);
}

void Walk::visit(Node& node) {
  const bool arrived = std::any_of(node.outputs.begin(), node.outputs.end(),
                                   [](const OutputSlot& slot) { return slot.grad.defined(); });
  if (arrived) {
    for (OutputSlot& slot : node.outputs) {
      if (slot.hooks && slot.grad.defined()) slot.grad = slot.hooks->run(std::move(slot.grad));
    }
    if (node.wanted_walk == stamp_) {
      for (std::size_t i = 0; i < wanted_.size(); ++i) {
        if (wanted_[i].node.get() == &node) found_[i] = node.outputs[wanted_[i].index].grad;
      }
    }
    if (node.needed) {
      const ModuleScope scope(node.module);
      node.run_gradient(*this);
    }
    for (OutputSlot& slot : node.outputs) slot.grad = Tensor();
  }
  // What did not run keeps its values: its own walk may come later.
  if (!retain_graph_ && node.needed) {
    node.drop_saved();
    node.freed = true;
  }
}

void Walk::commit_to_leaves() {
  const GradMode recording(create_graph_);
  for (auto& [leaf, grad, in_place] : buffers_.arrivals) {
    if (leaf->hooks) grad = leaf->hooks->run(std::move(grad));
  }
  // A gradient that the leaf alone owns is added to in place; everything that may throw comes before that. Whether it is
  // alone is asked once: when one of two leaves that share a block has got a grad of its own, the other one is alone.
  for (auto& [leaf, grad, in_place] : buffers_.arrivals) {
    in_place = leaf->grad && !create_graph_ && !leaf->grad->in_graph() && leaf->grad.unique() &&
               leaf->grad->block.unique();
    if (in_place) {
      Access::record(grad).block->settle();
      leaf->grad->block->settle();
      continue;
    }
    if (leaf->grad) {
      grad = Access::wrap(leaf->grad) + grad;
    } else if (create_graph_ || !sole_owner(grad)) {
      grad = grad.clone();
    }
  }
  for (auto& [leaf, grad, in_place] : buffers_.arrivals) {
    if (in_place) {
      Tensor sum = Access::wrap(leaf->grad);
      add_into(sum, grad);
    } else {
      leaf->grad = Access::handle(grad);
    }
  }
}

std::vector<Tensor> Walk::take_wanted() {
  const GradMode recording(create_graph_);
  for (auto& [leaf, grad, in_place] : buffers_.arrivals) {
    const auto asked = [&leaf = leaf](const Edge& wanted) { return wanted.leaf.get() == leaf.get(); };
    if (std::none_of(wanted_.begin(), wanted_.end(), asked)) continue;
    if (leaf->hooks) grad = leaf->hooks->run(std::move(grad));
    for (std::size_t i = 0; i < wanted_.size(); ++i) {
      if (asked(wanted_[i])) found_[i] = grad;
    }
    grad = Tensor();
  }
  // What the caller may overwrite is the caller's alone.
  for (Tensor& grad : found_) {
    if (grad.defined() && !sole_owner(grad)) grad = grad.clone();
  }
  return std::move(found_);
}

}  // namespace detail

namespace {

Tensor checked_seed(const char* where, const Tensor& output, const Tensor& grad_output) {
  RILL_CHECK(grad_output.shape() == output.shape() && grad_output.dtype() == output.dtype(), where,
             ": the gradient of the output is ", grad_output.dtype(), " ", grad_output.shape(),
             ", expected the output's ", output.dtype(), " ", output.shape());
  return grad_output;
}

Tensor scalar_seed(const char* where, const char* what, const Tensor& output) {
  RILL_CHECK(output.numel() == 1, where, ": ", what, " must be a scalar, got ", output.shape(),
             "; reduce it with mean() or sum()");
  return ones(output.shape(), output.dtype());
}

void check_in_graph(const char* where, const char* what, const Tensor& output) {
  RILL_CHECK(
      output.requires_grad(), where, ": ", what, " ", output.shape(),
      " requires no gradient; call requires_grad_() on a leaf that it is computed from, outside of NoGrad");
}

void backward_from(const Tensor& output, const Tensor& seed, BackwardOptions options) {
  detail::Walk walk("backward", options.retain_graph, options.create_graph);
  walk.collect({&output, 1});
  walk.run({&output, 1}, {&seed, 1});
  walk.commit_to_leaves();
}

}  // namespace

void Tensor::backward(BackwardOptions options) const {
  check_in_graph("backward", "loss", *this);
  backward_from(*this, scalar_seed("backward", "loss", *this), options);
}

void Tensor::backward(const Tensor& grad_output, BackwardOptions options) const {
  check_in_graph("backward", "the output", *this);
  backward_from(*this, checked_seed("backward", *this, grad_output), options);
}

std::vector<Tensor> grad(const std::vector<Tensor>& outputs, const std::vector<Tensor>& inputs,
                         const std::vector<Tensor>& grad_outputs, GradOptions options) {
  RILL_CHECK(!outputs.empty() && !inputs.empty(), "grad: ", outputs.size(), " outputs and ", inputs.size(),
             " inputs, expected at least one of each");
  RILL_CHECK(grad_outputs.empty() || grad_outputs.size() == outputs.size(), "grad: ", grad_outputs.size(),
             " gradients for ", outputs.size(), " outputs, expected one each or none");
  std::vector<Tensor> seeds;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    check_in_graph("grad", "an output", outputs[i]);
    const bool given = !grad_outputs.empty() && grad_outputs[i].defined();
    seeds.push_back(given ? checked_seed("grad", outputs[i], grad_outputs[i])
                          : scalar_seed("grad", "an output", outputs[i]));
  }
  detail::Walk walk("grad", options.retain_graph, options.create_graph);
  walk.want(inputs);
  walk.collect(outputs);
  for (std::size_t i = 0; i < inputs.size() && !options.allow_unused; ++i) {
    const bool itself = std::any_of(outputs.begin(), outputs.end(), [&](const Tensor& output) {
      return detail::Access::handle(output).get() == detail::Access::handle(inputs[i]).get();
    });
    RILL_CHECK(itself || walk.reaches(i), "grad: no output depends on input ", i, " ", inputs[i].shape(),
               "; pass allow_unused to get an undefined gradient");
  }
  walk.run(outputs, seeds);
  std::vector<Tensor> grads = walk.take_wanted();
  for (std::size_t i = 0; i < grads.size() && !options.allow_unused; ++i) {
    // An op on the way has passed no gradient on.
    if (!grads[i].defined()) grads[i] = zeros(inputs[i].shape(), inputs[i].dtype());
  }
  return grads;
}

}  // namespace rill
