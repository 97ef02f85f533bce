// What a Reference is, and what several of them take.
#pragma once

#include <algorithm>
#include <cmath>

namespace rill::trust {

/// eˣ, with no x so far out that a double under- or overflows, which is slow: for f32 these are 0 and infinity before.
template <class R>
R exp_of(R x) {
  return std::exp(std::clamp(x, R(-700), R(700)));
}

/// Of the error in ulp.
struct Bounds {
  double value, slope;
};

/// `bounds` are those of the default attributes, and of all others unless there is `others`.
template <class F>
struct Reference;

}  // namespace rill::trust
