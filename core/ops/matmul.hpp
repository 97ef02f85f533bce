// matmul: the product of two matrices, either of them transposed.
#pragma once

#include <rill/core/graph.hpp>
#include <rill/core/sample.hpp>

namespace rill {
namespace ops {

/// y = op(a) op(b), where op transposes if the flag is set; a and b are matrices. The flags make the op closed under
/// its gradients: nothing is ever transposed in memory.
struct Matmul {
  static constexpr std::string_view name = "matmul";
  bool transpose_a = false;
  bool transpose_b = false;
  Meta infer(const Tensor& a, const Tensor& b) const;
  void forward(const Tensor& a, const Tensor& b, Tensor& y) const;
  std::array<Tensor, 2> gradient(const Incoming& g, Input<0> a, Input<1> b) const;
  static std::vector<Sample<Matmul>> samples();
};

}  // namespace ops

/// op(a) op(b) for matrices a and b of one floating dtype: [m, k] times [k, n] after the transposes gives [m, n].
/// Bitwise the same for any number of threads. Throws Error for sizes that do not fit.
Tensor matmul(const Tensor& a, const Tensor& b, bool transpose_a = false, bool transpose_b = false);

}  // namespace rill
