// Exponentials of many f32 numbers, and the activations that are made of them: what the loops of core/lanewise.hpp do, in some
// twenty instructions for eight numbers where a product and a sum are one instruction.
//
// An element has the same bits wherever it stands, and y or dx may be x's own block.
#pragma once

#include <rill/core/isa.hpp>

namespace rill::kernels {

/// y = above · x for x > 0, else below · (eˣ - 1), where the exponential part is within 1 ulp: elu (above = 1) and selu.
struct ExpLinear {
  float above, below;
};

void exp_linear(const ExpLinear& f, const float* x, float* y, long count, Isa isa);

/// dx = g · (above for x > 0, else below · eˣ).
void exp_linear_slope(const ExpLinear& f, const float* g, const float* x, float* dx, long count, Isa isa);

}  // namespace rill::kernels
