// How steps of random graphs choose their operands and attributes, and what the files of kinds share.
#pragma once

#include <functional>
#include <vector>

#include "graph_kinds.hpp"

namespace rill::trust {

using scalar::Array;
using scalar::Real;
using scalar::Sizes;
using scalar::Tape;
using scalar::Unary;

using Shapes = std::vector<Sizes>;
using Group = std::vector<int>;

/// Adds a value that fits to the operands.
inline bool pick(Draw& draw, Step& step, const Shapes& shapes,
                 const std::function<bool(const Sizes&)>& fits) {
  std::vector<std::size_t> all;
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    if (fits(shapes[i])) all.push_back(i);
  }
  if (!all.empty()) step.from.push_back(draw.any_of(all));
  return !all.empty();
}

inline bool any(Draw& draw, Step& step, const Shapes& shapes) {
  return pick(draw, step, shapes, [](const Sizes&) { return true; });
}

inline bool of_rank(std::size_t least, std::size_t most, Draw& draw, Step& step, const Shapes& shapes) {
  return pick(draw, step, shapes, [=](const Sizes& x) { return x.size() >= least && x.size() <= most; });
}

inline const Sizes& last_of(const Step& step, const Shapes& shapes) { return shapes[step.from.back()]; }

inline bool pair(Draw& draw, Step& step, const Shapes& shapes) {
  if (!any(draw, step, shapes)) return false;
  const Sizes a = last_of(step, shapes);
  return pick(draw, step, shapes, [&](const Sizes& b) { return scalar::broadcast(a, b).second; });
}

inline bool equal_pair(Draw& draw, Step& step, const Shapes& shapes) {
  if (!any(draw, step, shapes)) return false;
  const Sizes a = last_of(step, shapes);
  step.flag = draw.one_in(2);
  return pick(draw, step, shapes, [&](const Sizes& b) { return a == b; });
}

inline bool with_axes(Draw& draw, Step& step, const Shapes& shapes) {
  if (!of_rank(1, 4, draw, step, shapes)) return false;
  const auto rank = last_of(step, shapes).size();
  step.mask = static_cast<unsigned>(draw.between(1, (1 << rank) - 1));
  step.flag = draw.one_in(2);
  return true;
}

inline bool with_axis(Draw& draw, Step& step, const Shapes& shapes) {
  if (!of_rank(1, 4, draw, step, shapes)) return false;
  step.axis = static_cast<int>(draw.below(std::ssize(last_of(step, shapes))));
  return true;
}

inline bool with_indices(Draw& draw, Step& step, const Shapes& shapes) {
  if (!with_axis(draw, step, shapes)) return false;
  const Sizes& x = last_of(step, shapes);
  const auto bound = static_cast<std::int64_t>(x[static_cast<std::size_t>(step.axis)]);
  for (std::int64_t left = draw.between(1, 3); left > 0; --left) step.index.push_back(draw.below(bound));
  return true;
}

inline std::size_t axis_of(const Step& step) { return static_cast<std::size_t>(step.axis); }

inline std::vector<int> axes_of(const Step& step) {
  std::vector<int> axes;
  for (int k = 0; k < 8; ++k) {
    if (step.mask >> k & 1) axes.push_back(k);
  }
  return axes;
}

/// The same for rill.
inline Shape shape_of(const Sizes& sizes) {
  const std::vector<std::int64_t> all(sizes.begin(), sizes.end());
  return Shape(all);
}

/// An elementwise function by its name.
const Unary& unary(const char* name);

int mean(Tape& tape, const Group& group);

Array log_softmax_of(Tape& tape, const Array& x, std::size_t axis);

void add_elementwise(std::vector<StepKind>& kinds);
void add_pairs(std::vector<StepKind>& kinds);
void add_products(std::vector<StepKind>& kinds);
void add_reductions(std::vector<StepKind>& kinds);
void add_along(std::vector<StepKind>& kinds);
void add_moves(std::vector<StepKind>& kinds);
void add_losses(std::vector<StepKind>& kinds);

}  // namespace rill::trust
