// What the steps of random graphs are: each kind as rill computes it and as scalars of a second engine do.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <rill/core/tensor.hpp>

#include "draw.hpp"
#include "scalar_engine.hpp"

namespace rill::trust {

/// A step: operands among the values before it, and attributes, of which each kind reads its own.
struct Step {
  std::vector<std::size_t> from;
  unsigned mask = 0;  // axes
  int axis = 0;
  bool flag = false, other_flag = false;
  std::vector<std::int64_t> index;
  scalar::Sizes sizes;
};

struct StepKind {
  std::string name;
  /// Chooses operands and attributes; false where nothing fits.
  std::function<bool(Draw& draw, Step& step, const std::vector<scalar::Sizes>& shapes)> draw;
  std::function<Tensor(const Step& step, const std::vector<Tensor>& in)> run;
  std::function<scalar::Array(scalar::Tape& tape, const Step& step, const std::vector<scalar::Array>& in)>
      exact;
};

/// All of them.
const std::vector<StepKind>& graph_kinds();

}  // namespace rill::trust
