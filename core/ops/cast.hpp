// to: a copy with another dtype (or with the same one).
#pragma once

#include <rill/core/graph.hpp>
#include <rill/core/sample.hpp>

namespace rill {
namespace ops {

/// y = x as `dtype`, always with a block of its own. Differentiable between f32 and f64.
struct Cast {
  static constexpr std::string_view name = "to";
  DType dtype = DType::f32;
  Meta infer(const Tensor& x) const;
  void forward(const Tensor& x, Tensor& y) const;
  Tensor gradient(const Incoming& g) const;
  static std::vector<Sample<Cast>> samples() {
    return {{{DType::f64}, {{{3, 4}}}}, {{DType::f64}, {{{}}}}, {{DType::f64}, {{{0}}}}};
  }
};

}  // namespace ops

/// x converted to `dtype`. Throws Error for a NaN or a number out of range where `dtype` is i64.
Tensor to(const Tensor& x, DType dtype);

}  // namespace rill
