// N3: values and gradients of random graphs, in f64 and in f32, against an engine of scalars in long double that shares no code
// with rill. A graph has 4 to 16 steps on small tensors, and a loss to which every value contributes.
//
// What differs is judged twice: by its size, and beside the bound that the other engine keeps of the rounding errors, in units
// in the last place, which a value may have gathered on its way.
#include <array>
#include <cmath>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <rill/core/create.hpp>
#include <rill/core/parallel.hpp>

#include "checks.hpp"
#include "graph_operands.hpp"

namespace rill::trust {
namespace {

/// A graph as scalars: leaves, then a value a step. All numbers of leaves and weights are exact in f32.
struct ScalarGraph {
  Tape tape;
  std::vector<Array> values;
  std::size_t leaves = 0;
  std::vector<const StepKind*> kinds;
  std::vector<Step> steps;
  std::vector<std::vector<double>> weights;  // of each value in the loss
  int loss = 0;
};

void add_leaves(ScalarGraph& graph, Draw& draw) {
  const std::vector<Sizes> shapes{{},     {1},    {2},    {3},       {2, 3},      {3, 2},
                                  {3, 3}, {2, 2}, {3, 1}, {2, 1, 3}, {1, 2, 2, 2}};
  graph.leaves = static_cast<std::size_t>(draw.between(3, 5));
  for (std::size_t i = 0; i < graph.leaves; ++i) {
    Array leaf{draw.any_of(shapes), {}};
    for (std::size_t k = 0; k < scalar::count(leaf.sizes); ++k) {
      const Real size = Real(draw.between(8, 96)) / 64;
      leaf.nodes.push_back(graph.tape.leaf(draw.one_in(2) ? size : -size));
    }
    graph.values.push_back(std::move(leaf));
  }
}

// A step that is near a kink, or leaves the range of moderate numbers, is taken back.
void add_step(ScalarGraph& graph, Draw& draw) {
  const StepKind& kind = graph_kinds()[static_cast<std::size_t>(draw.below(std::ssize(graph_kinds())))];
  std::vector<Sizes> shapes;
  for (const Array& value : graph.values) shapes.push_back(value.sizes);
  Step step;
  if (!kind.draw(draw, step, shapes)) return;
  std::vector<Array> in;
  for (const std::size_t from : step.from) in.push_back(graph.values[from]);
  const std::size_t before = graph.tape.size();
  Array y = kind.exact(graph.tape, step, in);
  if (graph.tape.unsafe || y.nodes.size() > 12 || y.sizes.size() > 4) {
    graph.tape.cut_to(before);
    graph.tape.unsafe = false;
    return;
  }
  graph.values.push_back(std::move(y));
  graph.kinds.push_back(&kind);
  graph.steps.push_back(std::move(step));
}

ScalarGraph random_graph(std::uint64_t seed, std::uint32_t number) {
  ScalarGraph graph;
  Draw draw(Stream(seed, Purpose::user, 3, number));
  add_leaves(graph, draw);
  const auto wanted = static_cast<std::size_t>(draw.between(4, 16));
  for (int tries = 0; tries < 500 && graph.steps.size() < wanted; ++tries) add_step(graph, draw);
  graph.loss = graph.tape.leaf(0);
  for (const Array& value : graph.values) {
    std::vector<double>& weights = graph.weights.emplace_back();
    for (const int node : value.nodes) {
      weights.push_back(static_cast<double>(draw.between(-8, 8)) / 8);
      graph.loss = graph.tape.add(graph.loss, graph.tape.scaled(node, weights.back()));
    }
  }
  graph.tape.unsafe = false;  // the loss may be large
  graph.tape.backward(graph.loss);
  return graph;
}

/// The worst difference of one dtype, by its size and in units of the bound.
struct WorstDifference {
  double relative = 0, in_units = 0;
  std::string where;  // of in_units
};

class GraphComparison {
 public:
  GraphComparison(const ScalarGraph& graph, DType dtype, std::string name, WorstDifference& worst)
      : graph_(graph), dtype_(dtype), name_(std::move(name)), worst_(worst) {}

  void run() {
    std::vector<Tensor> values;
    for (std::size_t i = 0; i < graph_.leaves; ++i) {
      const Array& leaf = graph_.values[i];
      std::vector<double> numbers;
      for (const int node : leaf.nodes) numbers.push_back(static_cast<double>(graph_.tape.value(node)));
      values.push_back(
          tensor(std::span<const double>(numbers), shape_of(leaf.sizes)).to(dtype_).requires_grad_());
    }
    for (std::size_t k = 0; k < graph_.steps.size(); ++k) {
      std::vector<Tensor> in;
      for (const std::size_t from : graph_.steps[k].from) in.push_back(values[from]);
      values.push_back(graph_.kinds[k]->run(graph_.steps[k], in));
    }
    loss_of(values).backward();
    compare(values);
  }

 private:
  Tensor loss_of(const std::vector<Tensor>& values) const {
    Tensor total = zeros({}, dtype_);
    for (std::size_t i = 0; i < values.size(); ++i) {
      const Tensor weights = tensor(std::span<const double>(graph_.weights[i]), values[i].shape()).to(dtype_);
      total = total + (values[i] * weights).sum();
    }
    return total;
  }

  void compare(const std::vector<Tensor>& values) {
    const Tape& tape = graph_.tape;
    for (std::size_t i = 0; i < values.size(); ++i) {
      const std::string label = i < graph_.leaves ? "leaf" : graph_.kinds[i - graph_.leaves]->name;
      const auto& nodes = graph_.values[i].nodes;
      if (values[i].shape() != shape_of(graph_.values[i].sizes))
        throw std::runtime_error(fmt::format("{}, {}: a result of another shape", name_, label));
      const Tensor got = values[i].to(DType::f64).detach();
      for (std::size_t k = 0; k < nodes.size(); ++k)
        note(got.data<double>()[k], tape.value(nodes[k]), tape.error(nodes[k]), 1,
             "value " + std::to_string(i) + ", " + label);
    }
    Real largest = 1;
    for (std::size_t i = 0; i < graph_.leaves; ++i) {
      for (const int node : graph_.values[i].nodes) largest = std::max(largest, std::abs(tape.slope(node)));
    }
    for (std::size_t i = 0; i < graph_.leaves; ++i) {
      const auto& nodes = graph_.values[i].nodes;
      const Tensor got = values[i].grad().to(DType::f64);
      for (std::size_t k = 0; k < nodes.size(); ++k)
        note(got.data<double>()[k], tape.slope(nodes[k]), tape.slope_error(nodes[k]), largest,
             "gradient of leaf " + std::to_string(i));
    }
  }

  void note(double got, Real exact, Real bound, Real scale, const std::string& what) {
    const Real unit =
        dtype_ == DType::f32 ? std::numeric_limits<float>::epsilon() : std::numeric_limits<double>::epsilon();
    const auto difference = std::abs(Real(got) - exact);
    const auto relative = static_cast<double>(difference / std::max(scale, std::abs(exact)));
    const auto in_units = static_cast<double>(difference / (unit * (bound + std::abs(exact) + 1e-12L)));
    if (!(relative <= worst_.relative)) worst_.relative = relative;
    if (in_units <= worst_.in_units) return;
    worst_.in_units = in_units;
    worst_.where = fmt::format("{}, {}, {}: {:.17g}, expected {:.17g} within {:.2g} units", name_,
                               dtype_ == DType::f32 ? "f32" : "f64", what, got, static_cast<double>(exact),
                               static_cast<double>(bound));
  }

  const ScalarGraph& graph_;
  DType dtype_;
  std::string name_;
  WorstDifference& worst_;
};

}  // namespace

void check_graphs(const Scale& scale, Report& report) {
  report.begin("N3");
  const SerialLoops serial;
  const std::uint32_t graphs = scale.of(10000u, 200000u);
  std::set<const StepKind*> used;
  std::uint64_t steps = 0;
  WorstDifference wide, narrow;
  for (std::uint32_t i = 0; i < graphs; ++i) {
    const ScalarGraph graph = random_graph(scale.seed, i);
    const std::string name = fmt::format("graph {} of seed {}", i, scale.seed);
    GraphComparison(graph, DType::f64, name, wide).run();
    GraphComparison(graph, DType::f32, name, narrow).run();
    used.insert(graph.kinds.begin(), graph.kinds.end());
    steps += graph.steps.size();
  }
  report.count("random graphs", graphs);
  report.count("their steps", steps);
  report.exactly("kinds of steps among them", used.size(), graph_kinds().size());
  report.at_most("f64: worst difference, relative to the largest of a graph", wide.relative, 1e-12);
  report.at_most("f64: worst difference in units of the rounding bound", wide.in_units, 8);
  report.at_most("f32: worst difference in units of the rounding bound", narrow.in_units, 8);
  report.count("f32: worst relative difference, in 1e-9", static_cast<std::uint64_t>(narrow.relative * 1e9));
  report.detail("f64: " + wide.where);
  report.detail("f32: " + narrow.where);
}

}  // namespace rill::trust
