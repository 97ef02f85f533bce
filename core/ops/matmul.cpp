#include <rill/core/blas.hpp>
#include <rill/core/ops/matmul.hpp>

namespace rill {
namespace ops {
namespace {

std::string described(const char* operand, const Tensor& x, bool transposed) {
  return detail::concat(operand, " ", x.shape(), transposed ? " transposed" : "");
}

}  // namespace

Meta Matmul::infer(const Tensor& a, const Tensor& b) const {
  RILL_CHECK(a.dtype() == b.dtype(), name, ": dtypes are ", a.dtype(), " and ", b.dtype(),
             ", expected equal ones; convert one with to()");
  RILL_CHECK(is_floating(a.dtype()), name, ": dtype is ", a.dtype(), ", expected f32 or f64");
  RILL_CHECK(a.dim() == 2 && b.dim() == 2, name, ": shapes are ", a.shape(), " and ", b.shape(),
             ", expected two matrices");
  const std::int64_t columns = a.shape()[transpose_a ? 0 : 1], rows = b.shape()[transpose_b ? 1 : 0];
  RILL_CHECK(columns == rows, name, ": ", described("a", a, transpose_a), " has ", columns, " columns, ",
             described("b", b, transpose_b), " has ", rows, " rows, expected as many");
  const std::int64_t m = a.shape()[transpose_a ? 1 : 0], n = b.shape()[transpose_b ? 0 : 1];
  blas::check_sizes(name, m, n, columns);
  return {{m, n}, a.dtype()};
}

void Matmul::forward(const Tensor& a, const Tensor& b, Tensor& y) const {
  dispatch_floating(y.dtype(), name, [&]<class T>(T) {
    blas::gemm<T>(transpose_a, transpose_b, y.shape()[0], y.shape()[1], a.shape()[transpose_a ? 0 : 1],
                  a.data<T>().data(), b.data<T>().data(), y.mutable_data<T>().data());
  });
}

std::array<Tensor, 2> Matmul::gradient(const Incoming& g, Input<0> a, Input<1> b) const {
  Tensor to_a, to_b;
  if (g.needs(0))
    to_a = transpose_a ? matmul(b(), g[0], transpose_b, true) : matmul(g[0], b(), false, !transpose_b);
  if (g.needs(1))
    to_b = transpose_b ? matmul(g[0], a(), true, transpose_a) : matmul(a(), g[0], !transpose_a, false);
  return {to_a, to_b};
}

std::vector<Sample<Matmul>> Matmul::samples() {
  return {{{false, false}, {{{3, 4}}, {{4, 5}}}}, {{true, false}, {{{4, 3}}, {{4, 5}}}},
          {{false, true}, {{{3, 4}}, {{5, 4}}}},  {{true, true}, {{{4, 3}}, {{5, 4}}}},
          {{false, false}, {{{1, 7}}, {{7, 1}}}}, {{false, false}, {{{0, 3}}, {{3, 2}}}},
          {{false, false}, {{{2, 0}}, {{0, 3}}}}};
}

}  // namespace ops

Tensor matmul(const Tensor& a, const Tensor& b, bool transpose_a, bool transpose_b) {
  return apply(ops::Matmul{transpose_a, transpose_b}, a, b);
}

Tensor Tensor::matmul(const Tensor& other) const { return rill::matmul(*this, other); }

}  // namespace rill
