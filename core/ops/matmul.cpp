#include <climits>

#include <rill/core/axis.hpp>
#include <rill/core/blas.hpp>
#include <rill/core/broadcast.hpp>
#include <rill/core/ops/expand.hpp>
#include <rill/core/ops/matmul.hpp>
#include <rill/core/ops/reshape.hpp>
#include <rill/core/outer_product.hpp>

namespace rill {
namespace ops {
namespace {

std::string described(const char* operand, const Tensor& x, bool transposed) {
  return detail::concat(operand, " ", x.shape(), transposed ? " transposed" : "");
}

// The axes before the last two.
Shape stack_of(const Shape& shape) {
  return Shape(shape.sizes().first(static_cast<std::size_t>(std::max(shape.rank() - 2, 0))));
}

Shape matrices(const Shape& stack, std::int64_t rows, std::int64_t columns) {
  std::array<std::int64_t, Shape::max_rank> sizes{};
  std::copy(stack.begin(), stack.end(), sizes.begin());
  const auto rank = static_cast<std::size_t>(stack.rank());
  sizes[rank] = rows;
  sizes[rank + 1] = columns;
  return Shape(std::span<const std::int64_t>(sizes.data(), rank + 2));
}

// What is said of the operands as the caller passed them, vectors included.
void check_operands(const Matmul& op, const Tensor& a, const Tensor& b) {
  constexpr std::string_view name = Matmul::name;
  RILL_CHECK(a.dtype() == b.dtype(), name, ": dtypes are ", a.dtype(), " and ", b.dtype(),
             ", expected equal ones; convert one with to()");
  RILL_CHECK(is_floating(a.dtype()), name, ": dtype is ", a.dtype(), ", expected f32 or f64");
  RILL_CHECK(a.dim() > 0 && b.dim() > 0, name, ": shapes are ", a.shape(), " and ", b.shape(),
             ", expected no scalar; use *");
  RILL_CHECK(!(a.dim() == 1 && op.transpose_a) && !(b.dim() == 1 && op.transpose_b), name, ": shapes are ",
             a.shape(), " and ", b.shape(), ", expected a matrix where one is to be transposed");
  const std::int64_t columns = a.size(op.transpose_a ? -2 : -1),
                     rows = b.dim() == 1 ? b.shape()[0] : b.size(op.transpose_b ? -1 : -2);
  RILL_CHECK(columns == rows, name, ": ", described("a", a, op.transpose_a), " has ", columns, " columns, ",
             described("b", b, op.transpose_b), " has ", rows, " rows, expected as many");
  broadcast_shapes(stack_of(a.shape()), stack_of(b.shape()), "matmul: leading axes");
}

template <class T>
void multiply_stacks(const blas::Problem& p, const Tensor& a, const Tensor& b, Tensor& y) {
  const T *in_a = a.data<T>().data(), *in_b = b.data<T>().data();
  T* out = y.mutable_data<T>().data();
  if (y.dim() == 2) return blas::gemm<T>(p.transpose_a, p.transpose_b, p.m, p.n, p.k, in_a, in_b, out);
  const detail::BroadcastPlan plan(stack_of(y.shape()), stack_of(a.shape()), stack_of(b.shape()));
  std::vector<blas::Operands<T>, memory::Allocator<blas::Operands<T>>> products;
  products.reserve(static_cast<std::size_t>(plan.rows * plan.columns));
  for (std::int64_t row = 0; row < plan.rows; ++row) {
    const auto start = plan.start(row);
    for (std::int64_t i = 0; i < plan.columns; ++i) {
      products.push_back({in_a + (start.a + i * plan.step_a) * p.m * p.k,
                          in_b + (start.b + i * plan.step_b) * p.k * p.n, out});
      out += p.m * p.n;
    }
  }
  blas::gemm_stack<T>(p, products);
}

// The gradient of a weight from one sample: optimizers have no need of the product.
bool is_noted(const blas::Problem& p, const Tensor& y) {
  const bool gradient = detail::thread_mode.walking && !grad_enabled();
  const bool of_weight = p.k == 1 && p.transpose_a && !p.transpose_b && y.dim() == 2;
  return gradient && of_weight && y.numel() >= detail::least_noted && p.n >= detail::least_noted_columns;
}

}  // namespace

Meta Matmul::infer(const Tensor& a, const Tensor& b) const {
  check_operands(*this, a, b);
  const std::int64_t m = a.size(transpose_a ? -1 : -2), n = b.size(transpose_b ? -2 : -1);
  blas::check_sizes(name, m, n, a.size(transpose_a ? -2 : -1));
  return {matrices(broadcast_shapes(stack_of(a.shape()), stack_of(b.shape()), name.data()), m, n), a.dtype()};
}

void Matmul::forward(const Tensor& a, const Tensor& b, Tensor& y) const {
  if (y.numel() == 0) return;
  const blas::Problem problem{transpose_a, transpose_b, y.size(-2), y.size(-1),
                              a.size(transpose_a ? -2 : -1)};
  dispatch_floating(y.dtype(), name, [&]<class T>(T) {
    if constexpr (std::is_same_v<T, float>) {
      if (is_noted(problem, y)) return detail::note_outer_product(y, a.data<T>().data(), b.data<T>().data());
    }
    multiply_stacks<T>(problem, a, b, y);
  });
}

std::array<Tensor, 2> Matmul::gradient(const Incoming& g, Input<0> a, Input<1> b) const {
  Tensor to_a, to_b;
  if (g.needs(0)) {
    to_a = transpose_a ? matmul(b(), g[0], transpose_b, true) : matmul(g[0], b(), false, !transpose_b);
    to_a = sum_to(to_a, g.input_shape(0));
  }
  if (g.needs(1)) {
    to_b = transpose_b ? matmul(g[0], a(), true, transpose_a) : matmul(a(), g[0], !transpose_a, false);
    to_b = sum_to(to_b, g.input_shape(1));
  }
  return {to_a, to_b};
}

std::vector<Sample<Matmul>> Matmul::samples() {
  return {{{false, false}, {{{3, 4}}, {{4, 5}}}},          {{true, false}, {{{4, 3}}, {{4, 5}}}},
          {{false, true}, {{{3, 4}}, {{5, 4}}}},           {{true, true}, {{{4, 3}}, {{5, 4}}}},
          {{false, false}, {{{1, 7}}, {{7, 1}}}},          {{false, false}, {{{0, 3}}, {{3, 2}}}},
          {{false, false}, {{{2, 0}}, {{0, 3}}}},          {{false, false}, {{{2, 3, 4}}, {{2, 4, 5}}}},
          {{true, false}, {{{2, 4, 3}}, {{2, 4, 2}}}},     {{false, true}, {{{3, 2}}, {{2, 4, 2}}}},
          {{true, true}, {{{2, 4, 3}}, {{2, 4}}}},         {{false, false}, {{{2, 3, 4}}, {{4, 2}}}},
          {{false, false}, {{{2, 1, 2, 3}}, {{3, 3, 2}}}}, {{false, true}, {{{1, 2, 3}}, {{2, 1, 1, 3}}}},
          {{false, false}, {{{1, 1, 1}}, {{1, 1}}}},       {{false, false}, {{{0, 2, 3}}, {{1, 3, 2}}}},
          {{false, false}, {{{2, 2, 0}}, {{2, 0, 3}}}}};
}

}  // namespace ops

namespace {

// A stack of matrices times one matrix is one product of all rows; so are the gradients then.
bool rows_of_one_product(const Tensor& a, const Tensor& b, bool transpose_a) {
  return a.dim() > 2 && b.dim() == 2 && !transpose_a && a.size(-1) > 0 && a.numel() / a.size(-1) <= INT_MAX;
}

}  // namespace

Tensor matmul(const Tensor& a, const Tensor& b, bool transpose_a, bool transpose_b) {
  const ops::Matmul op{transpose_a, transpose_b};
  // What is undefined goes on as it is, for apply() to say so.
  if (!a.defined() || !b.defined() || (a.dim() == 2 && b.dim() == 2)) return apply(op, a, b);
  ops::check_operands(op, a, b);
  if (a.dim() == 1) {
    const Tensor y = matmul(unsqueeze(a, 0), b, false, transpose_b);
    return squeeze(y, b.dim() == 1 ? -1 : -2);
  }
  if (b.dim() == 1) return squeeze(matmul(a, unsqueeze(b, 1), transpose_a, false), -1);
  if (!rows_of_one_product(a, b, transpose_a)) return apply(op, a, b);
  const Tensor y = apply(op, reshape(a, {a.numel() / a.size(-1), a.size(-1)}), b);
  return reshape(y, detail::with_size(a.shape(), a.dim() - 1, y.size(-1)));
}

Tensor Tensor::matmul(const Tensor& other) const { return rill::matmul(*this, other); }

}  // namespace rill
