// matmul: products of matrices, vectors, and stacks of matrices, either operand transposed.
#pragma once

#include <rill/core/graph.hpp>
#include <rill/core/sample.hpp>

namespace rill {
namespace ops {

/// y = op(a) op(b), where op transposes the last two axes if the flag is set. The axes before them count matrices and
/// broadcast. The flags make the op closed under its gradients: nothing is ever transposed in memory.
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

/// op(a) op(b) in one floating dtype, by PyTorch's rules: [..., m, k] times [..., k, n] after the transposes gives
/// [..., m, n], where the leading axes broadcast. A vector [k] is one row on the left and one column on the right, and
/// that axis is gone from the result; it has no transpose. Bitwise the same for any number of threads. Throws Error for
/// sizes that do not fit.
Tensor matmul(const Tensor& a, const Tensor& b, bool transpose_a = false, bool transpose_b = false);

}  // namespace rill
