// One walk over a graph: from outputs with their gradients to leaves, or to the tensors that grad() was asked about.
#pragma once

#include <vector>

#include <rill/core/graph.hpp>

namespace rill::detail {

struct GradHooks {
  struct Entry {
    GradHook hook;
    bool removed = false;
  };
  std::vector<std::shared_ptr<Entry>> entries;

  /// The gradient after every hook has seen it. Throws Error if one returns another shape or dtype.
  Tensor run(Tensor grad) const;
};

class Walk {
 public:
  explicit Walk(const char* where, bool retain_graph, bool create_graph);
  ~Walk();
  Walk(const Walk&) = delete;
  Walk& operator=(const Walk&) = delete;

  /// Restricts the walk to what these tensors need; without it every leaf wants its gradient.
  void want(const std::vector<Tensor>& inputs);
  /// Collects what is reachable from `outputs`. Throws Error if a node that has to run was freed by an earlier walk.
  void collect(std::span<const Tensor> outputs);
  /// Sends `grads` into the outputs and runs every needed gradient, newest node first.
  void run(std::span<const Tensor> outputs, std::span<const Tensor> grads);
  /// Moves or adds the gradients that arrived at leaves into their grad; nothing has changed if it throws,
  /// unless what has thrown is an observer.
  void commit_to_leaves();
  /// Whether some output depends on wanted tensor `index`; after collect().
  bool reaches(std::size_t index) const;
  /// What arrived at the wanted tensors, in their order; undefined where nothing did.
  std::vector<Tensor> take_wanted();

 private:
  friend void deliver(Walk& walk, const Node& from, int input, Tensor grad);
  friend bool edge_needed(const Walk& walk, const Edge& edge);

  void accumulate(const Edge& target, Tensor grad, std::string_view from, int input);
  void mark_needed();
  void visit(Node& node);

  // A leaf, and the sum of what has arrived there.
  struct Arrival {
    Ref<Record> leaf;
    Tensor grad;
    bool in_place = false;  // the sum is made in the leaf's own grad
  };
  struct Buffers {
    std::vector<Ref<Node>> roots;  // keep the whole walk alive, whatever hooks drop
    std::vector<Node*> nodes, stack;
    std::vector<Arrival> arrivals;
  };
  /// Where the gradient of `leaf` is summed.
  Tensor& sum_at(const Ref<Record>& leaf);
  static Buffers& spare_buffers();

  const char* where_;
  bool retain_graph_, create_graph_;
  std::uint64_t stamp_;
  std::uint64_t number_on_thread_;
  bool every_leaf_ = true;
  std::vector<Edge> wanted_;
  std::vector<Tensor> found_;  // per wanted edge that is no leaf
  Buffers buffers_;
};

}  // namespace rill::detail
