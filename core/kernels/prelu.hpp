// Both gradients of prelu over a run of elements that share a slope, in one pass of f32 numbers.
#pragma once

#include <rill/core/isa.hpp>

namespace rill::kernels {

/// dx = g · (1 for x > 0, else slope), and returns Σ g · x over the other elements: in f64, in 8 interleaved lanes, so that
/// its bits follow from the length alone.
double prelu_slopes(float slope, const float* g, const float* x, float* dx, long count, Isa isa);

}  // namespace rill::kernels
