// What a Reference is.
#pragma once

namespace rill::trust {

/// Of the error in ulp.
struct Bounds {
  double value, slope;
};

/// `bounds` are those of the default attributes, and of all others unless there is `others`.
template <class F>
struct Reference;

}  // namespace rill::trust
