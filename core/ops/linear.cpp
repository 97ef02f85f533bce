#include <rill/core/blas.hpp>
#include <rill/core/ops/linear.hpp>
#include <rill/core/ops/matmul.hpp>
#include <rill/core/ops/reduce.hpp>

namespace rill {
namespace ops {

Meta Linear::infer(const Tensor& x, const Tensor& w, const Tensor& b) const {
  RILL_CHECK(w.dim() == 2, name, ": weight is ", w.shape(), ", expected [out, in]");
  RILL_CHECK(x.dtype() == w.dtype() && (!b.defined() || b.dtype() == w.dtype()), name, ": dtypes are x ",
             x.dtype(), ", weight ", w.dtype(), b.defined() ? detail::concat(", bias ", b.dtype()) : "",
             ", expected equal ones; convert with to()");
  RILL_CHECK(is_floating(x.dtype()), name, ": dtype is ", x.dtype(), ", expected f32 or f64");
  RILL_CHECK(x.dim() > 0, name, ": x is a scalar, expected [..., ", w.shape()[1], "] (weight ", w.shape(),
             ")");
  RILL_CHECK(x.dim() == 2 && x.shape()[1] == w.shape()[1], name, ": x has ", x.size(-1),
             " features, weight expects ", w.shape()[1], " (x ", x.shape(), ", weight ", w.shape(), ")");
  RILL_CHECK(!b.defined() || b.shape() == Shape{w.shape()[0]}, name, ": bias is ",
             b.defined() ? b.shape() : Shape(), ", expected [", w.shape()[0], "] (weight ", w.shape(), ")");
  blas::check_sizes(name, x.shape()[0], w.shape()[0], x.shape()[1]);
  return {{x.shape()[0], w.shape()[0]}, x.dtype()};
}

void Linear::forward(const Tensor& x, const Tensor& w, const Tensor& b, Tensor& y) const {
  dispatch_floating(y.dtype(), name, [&]<class T>(T) {
    blas::gemm<T>(false, true, y.shape()[0], y.shape()[1], x.shape()[1], x.data<T>().data(),
                  w.data<T>().data(), y.mutable_data<T>().data(), b.defined() ? b.data<T>().data() : nullptr);
  });
}

std::array<Tensor, 3> Linear::gradient(const Incoming& g, Input<0> x, Input<1> w) const {
  Tensor to_x, to_w, to_b;
  if (g.needs(0)) to_x = matmul(g[0], w());
  if (g.needs(1)) to_w = matmul(g[0], x(), true, false);
  if (g.needs(2)) to_b = apply(Sum{Axes{0b1, false}}, g[0]);
  return {to_x, to_w, to_b};
}

std::vector<Sample<Linear>> Linear::samples() {
  return {{{}, {{{3, 4}}, {{5, 4}}, {{5}}}},
          {{}, {{{3, 4}}, {{5, 4}}, {{}, SampleInput::Kind::absent}}},
          {{}, {{{1, 7}}, {{1, 7}}, {{1}}}},
          {{}, {{{0, 3}}, {{2, 3}}, {{2}}}},
          {{}, {{{2, 0}}, {{3, 0}}, {{3}}}}};
}

}  // namespace ops

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  if (x.dim() == 2 || weight.dim() != 2) return apply(ops::Linear{}, x, weight, bias);
  const std::int64_t in = weight.shape()[1], out = weight.shape()[0];
  // A shape that does not fit goes on as it is, for the op to say so.
  if (x.dim() == 0 || x.size(-1) != in) return apply(ops::Linear{}, x, weight, bias);
  std::array<std::int64_t, Shape::max_rank> sizes{};
  std::int64_t rows = 1;
  for (int i = 0; i < x.dim() - 1; ++i) rows *= sizes[static_cast<std::size_t>(i)] = x.shape()[i];
  sizes[static_cast<std::size_t>(x.dim() - 1)] = out;
  const Shape result(std::span<const std::int64_t>(sizes.data(), static_cast<std::size_t>(x.dim())));
  return apply(ops::Linear{}, x.reshape({rows, in}), weight, bias).reshape(result);
}

}  // namespace rill
