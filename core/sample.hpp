// Arguments that an op offers for its own tests: attributes, and what to draw for each input.
#pragma once

#include <vector>

#include <rill/core/shape.hpp>

namespace rill {

struct SampleInput {
  enum class Kind {
    real,      ///< numbers of both signs, away from 0
    positive,  ///< positive numbers, away from 0
    labels,    ///< i64 in [0, classes)
    absent     ///< an undefined tensor, for an optional input
  };
  Shape shape;
  Kind kind = Kind::real;
  std::int64_t classes = 0;
};

template <class Op>
struct Sample {
  Op op;
  std::vector<SampleInput> inputs;
};

}  // namespace rill
