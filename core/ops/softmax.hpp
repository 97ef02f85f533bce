// softmax over the last axis.
#pragma once

#include <rill/core/graph.hpp>
#include <rill/core/sample.hpp>

namespace rill {
namespace ops {

/// y_i = exp(x_i - max x) / Σ_j exp(x_j - max x) along the last axis.
struct Softmax {
  static constexpr std::string_view name = "softmax";
  Meta infer(const Tensor& x) const;
  void forward(const Tensor& x, Tensor& y) const;
  Tensor gradient(const Incoming& g, Output<0> y) const;
  static std::vector<Sample<Softmax>> samples() {
    return {{{}, {{{3, 5}}}}, {{}, {{{4}}}}, {{}, {{{2, 3, 4}}}}, {{}, {{{0, 3}}}}, {{}, {{{2, 1}}}}};
  }
};

}  // namespace ops

/// Softmax over the last axis of x [..., classes]. Throws Error for a scalar and for i64.
Tensor softmax(const Tensor& x);

}  // namespace rill
