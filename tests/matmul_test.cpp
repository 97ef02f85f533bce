// matmul beyond two matrices: stacks that broadcast, and vectors; by PyTorch's rules.

#include <algorithm>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <rill/core/ops/binary.hpp>
#include <rill/core/ops/concat.hpp>
#include <rill/core/ops/matmul.hpp>
#include <rill/core/ops/permute.hpp>
#include <rill/core/ops/slice.hpp>

#include "gradcheck.hpp"
#include "thread_count.hpp"

namespace {

using namespace rill;
using test::same_bits;
using test::Tensors;
using Values = std::vector<double>;

Values values(const Tensor& t) {
  const auto data = t.data<double>();
  return {data.begin(), data.end()};
}

Tensor wide(std::initializer_list<NestedList> list) { return tensor(list, DType::f64); }

// Σ_p a[…, i, p] b[…, p, j] by the definition, with one index an axis.
double element(const Tensor& a, const Tensor& b, const std::vector<std::int64_t>& stack, std::int64_t i,
               std::int64_t j) {
  const auto matrix = [&stack](Tensor x) {
    for (std::size_t axis = stack.size() - static_cast<std::size_t>(x.dim() - 2); axis < stack.size(); ++axis)
      x = x[x.size(0) == 1 ? 0 : stack[axis]];
    return x;
  };
  const Tensor left = matrix(a), right = matrix(b);
  double sum = 0;
  for (std::int64_t p = 0; p < left.size(1); ++p) sum += left.at({i, p}) * right.at({p, j});
  return sum;
}

void check_stack(const Shape& shape_a, const Shape& shape_b, const Shape& expected) {
  CAPTURE(shape_a);
  CAPTURE(shape_b);
  Generator generator(1);
  const Tensor a = randn(shape_a, generator, DType::f64), b = randn(shape_b, generator, DType::f64);
  const Tensor y = matmul(a, b);
  REQUIRE(y.shape() == expected);
  const std::int64_t m = y.size(-2), n = y.size(-1);
  for (std::int64_t flat = 0; flat < y.numel(); ++flat) {
    std::vector<std::int64_t> stack(static_cast<std::size_t>(y.dim() - 2));
    std::int64_t rest = flat / (m * n);
    for (std::size_t axis = stack.size(); axis-- > 0;) {
      stack[axis] = rest % y.shape()[static_cast<int>(axis)];
      rest /= y.shape()[static_cast<int>(axis)];
    }
    const double got = y.data<double>()[static_cast<std::size_t>(flat)];
    CHECK(got == doctest::Approx(element(a, b, stack, flat / n % m, flat % n)).epsilon(1e-13));
  }
  // The same with both operands stored transposed.
  const Tensor error = matmul(transpose(a, -1, -2), transpose(b, -1, -2), true, true) - y;
  CHECK((error.numel() == 0 || error.abs().max().item() < 1e-13));
}

TEST_CASE("matmul: stacks of one shape are multiplied matrix by matrix") {
  check_stack({2, 3, 4}, {2, 4, 5}, {2, 3, 5});
  check_stack({2, 3, 2, 4}, {2, 3, 4, 1}, {2, 3, 2, 1});
}

TEST_CASE("matmul: a stack times a matrix multiplies every matrix by it") {
  check_stack({2, 3, 4}, {4, 5}, {2, 3, 5});
  check_stack({3, 2, 1, 4}, {4, 5}, {3, 2, 1, 5});
  check_stack({3, 4}, {2, 4, 5}, {2, 3, 5});
}

TEST_CASE("matmul: leading axes broadcast") {
  check_stack({2, 1, 2, 3}, {4, 3, 2}, {2, 4, 2, 2});
  check_stack({3, 2, 3}, {2, 1, 3, 4}, {2, 3, 2, 4});
  check_stack({2, 1, 2, 2, 3}, {1, 3, 1, 3, 2}, {2, 3, 2, 2, 2});
}

TEST_CASE("matmul: a broadcast row along the last leading axis, and one along the first") {
  check_stack({2, 3, 2, 2}, {3, 2, 2}, {2, 3, 2, 2});
  check_stack({2, 3, 2, 2}, {2, 1, 2, 2}, {2, 3, 2, 2});
}

TEST_CASE("matmul: two vectors give their dot product, a scalar") {
  const Tensor y = matmul(wide({1, 2, 3}), wide({4, 5, 6}));
  CHECK(y.shape() == Shape{});
  CHECK(y.item() == 32);
}

TEST_CASE("matmul: a matrix times a vector") {
  const Tensor y = matmul(wide({{1, 2}, {3, 4}, {5, 6}}), wide({1, 10}));
  CHECK(y.shape() == Shape{3});
  CHECK(values(y) == Values{21, 43, 65});
}

TEST_CASE("matmul: a vector times a matrix") {
  const Tensor y = matmul(wide({1, 10}), wide({{1, 2, 3}, {4, 5, 6}}));
  CHECK(y.shape() == Shape{3});
  CHECK(values(y) == Values{41, 52, 63});
}

TEST_CASE("matmul: the matrix beside a vector may be transposed") {
  const Tensor w = wide({{1, 2}, {3, 4}, {5, 6}}), v = wide({1, 10});
  CHECK(values(matmul(v, w, false, true)) == Values{21, 43, 65});
  CHECK(values(matmul(t(w), v, true, false)) == Values{21, 43, 65});
}

TEST_CASE("matmul: vectors beside stacks") {
  const Tensor stack = wide({{{1, 2}, {3, 4}}, {{5, 6}, {7, 8}}}), v = wide({1, 10});
  const Tensor right = matmul(stack, v), left = matmul(v, stack);
  CHECK(right.shape() == Shape{2, 2});
  CHECK(values(right) == Values{21, 43, 65, 87});
  CHECK(left.shape() == Shape{2, 2});
  CHECK(values(left) == Values{31, 42, 75, 86});
}

TEST_CASE("matmul: an empty sum is zero, and empty stacks and sides give empty results") {
  CHECK(values(matmul(zeros({2, 1, 0}, DType::f64), zeros({2, 0, 2}, DType::f64))) == Values{0, 0, 0, 0});
  CHECK(values(matmul(zeros({2, 1, 0}, DType::f64), zeros({0, 2}, DType::f64))) == Values{0, 0, 0, 0});
  CHECK(matmul(zeros({0}), zeros({0})).item() == 0);
  CHECK(matmul(zeros({0, 2, 3}), zeros({1, 3, 4})).shape() == Shape{0, 2, 4});
  CHECK(matmul(zeros({2, 0, 3}), zeros({3, 4})).shape() == Shape{2, 0, 4});
  CHECK(matmul(zeros({2, 3}), zeros({5, 3, 0})).shape() == Shape{5, 2, 0});
}

TEST_CASE("matmul: the gradients with regard to vectors, and to what was broadcast") {
  const test::Function product = [](const Tensors& in) { return Tensors{matmul(in[0], in[1])}; };
  std::uint32_t index = 0;
  for (const auto& [a, b] : std::vector<std::pair<Shape, Shape>>{{{4}, {4}},
                                                                 {{3, 4}, {4}},
                                                                 {{4}, {4, 3}},
                                                                 {{2, 3, 4}, {4}},
                                                                 {{4}, {2, 4, 3}},
                                                                 {{1}, {1, 1, 1}},
                                                                 {{2, 3, 4}, {4, 2}},
                                                                 {{3, 4}, {2, 1, 4, 2}}}) {
    Stream stream(16, Purpose::user, 0, index++);
    const Tensors inputs{test::random_tensor(a, stream).requires_grad_(),
                         test::random_tensor(b, stream).requires_grad_()};
    const std::string label = rill::detail::concat("matmul of ", a, " and ", b);
    const auto first = test::check_gradient(product, inputs, stream, label);
    CHECK_MESSAGE(first.passed(), first.failure);
    const auto second = test::check_second_order(product, inputs, stream, label);
    CHECK_MESSAGE(second.passed(), second.failure);
  }
}

// Names of the ops that run while it lives.
struct Names : Observer {
  std::vector<std::string> all;
  void after(const OpRun& run) override { all.emplace_back(run.name); }
};

TEST_CASE("matmul: a stack times a matrix is one product, forward and backward") {
  Generator generator(1);
  const Tensor a = randn({8, 3, 4}, generator).requires_grad_();
  const Tensor b = randn({4, 5}, generator).requires_grad_();
  const Tensor y = matmul(a, b), g = ones(y.shape());
  const Names names;
  y.backward(g);
  CHECK(std::count(names.all.begin(), names.all.end(), "matmul") == 2);
  CHECK(std::count(names.all.begin(), names.all.end(), "sum") == 0);
  CHECK(std::count(names.all.begin(), names.all.end(), "permute") == 0);
}

// --- bits -------------------------------------------------------------------------------------------------------------

TEST_CASE_TEMPLATE("matmul: a stack has the bits of its matrices' products, for any number of threads", T,
                   float, double) {
  Generator generator(3);
  const std::vector<std::array<std::int64_t, 4>> sizes{{300, 3, 5, 7},     {40, 32, 33, 31}, {3, 64, 64, 64},
                                                       {2, 300, 400, 350}, {500, 1, 1, 16},  {7, 1, 512, 512},
                                                       {70, 16, 16, 64}};
  for (const auto& [count, m, n, k] : sizes) {
    for (const bool transposed : {false, true}) {
      const Tensor a = randn(transposed ? Shape{count, k, m} : Shape{count, m, k}, generator, dtype_of<T>());
      const Tensor b = randn(transposed ? Shape{count, n, k} : Shape{count, k, n}, generator, dtype_of<T>());
      TensorList each;
      for (std::int64_t i = 0; i < count; ++i) each.push_back(matmul(a[i], b[i], transposed, transposed));
      const Tensor expected = stack(each);
      for (const int threads : {1, 2, 3, 4}) {
        const test::ThreadCount used(threads);
        CHECK(same_bits(matmul(a, b, transposed, transposed), expected));
      }
    }
  }
}

TEST_CASE("threads: gradients of a product of stacks have the same bits for any number of threads") {
  Generator generator(4);
  const Tensor a = randn({6, 40, 24}, generator).requires_grad_();
  const Tensor b = randn({5, 1, 24, 30}, generator).requires_grad_();
  const Tensor g = randn({5, 6, 40, 30}, generator);
  const auto grads = [&] { return grad({matmul(a, b)}, {a, b}, {g}); };
  const test::ThreadCount one(1);
  const Tensors expected = grads();
  for (const int threads : {2, 3, 4}) {
    const test::ThreadCount used(threads);
    const Tensors got = grads();
    CHECK(same_bits(got[0], expected[0]));
    CHECK(same_bits(got[1], expected[1]));
  }
}

// --- errors -----------------------------------------------------------------------------------------------------------

TEST_CASE("matmul: leading axes that do not broadcast are refused") {
  CHECK_THROWS_WITH_AS(
      matmul(zeros({2, 3, 4}), zeros({3, 4, 5})),
      "matmul: leading axes: shapes [2] and [3] do not broadcast, expected equal sizes or 1 at "
      "dimension -1 (2 and 3)",
      Error);
}

TEST_CASE("matmul: sizes that do not fit are named with the shapes that were passed") {
  CHECK_THROWS_WITH_AS(matmul(zeros({2, 3, 4}), zeros({2, 3, 5})),
                       "matmul: a [2, 3, 4] has 4 columns, b [2, 3, 5] has 3 rows, expected as many", Error);
  CHECK_THROWS_WITH_AS(matmul(zeros({3}), zeros({2})),
                       "matmul: a [3] has 3 columns, b [2] has 2 rows, expected as many", Error);
  CHECK_THROWS_WITH_AS(matmul(zeros({2, 3}), zeros({2})),
                       "matmul: a [2, 3] has 3 columns, b [2] has 2 rows, expected as many", Error);
}

TEST_CASE("matmul: scalars are refused") {
  CHECK_THROWS_WITH_AS(matmul(zeros({}), zeros({2, 2})),
                       "matmul: shapes are [] and [2, 2], expected no scalar; use *", Error);
}

TEST_CASE("matmul: a vector has no transpose") {
  CHECK_THROWS_WITH_AS(matmul(zeros({2}), zeros({2, 2}), true),
                       "matmul: shapes are [2] and [2, 2], expected a matrix where one is to be transposed",
                       Error);
}

TEST_CASE("matmul: mixed dtypes and i64 are refused for stacks and vectors") {
  const char* mixed = "matmul: dtypes are f32 and f64, expected equal ones; convert one with to()";
  CHECK_THROWS_WITH_AS(matmul(zeros({2, 3, 4}), zeros({2, 4, 5}, DType::f64)), mixed, Error);
  CHECK_THROWS_WITH_AS(matmul(zeros({4}), zeros({4}, DType::f64)), mixed, Error);
  CHECK_THROWS_WITH_AS(matmul(zeros({2, 3, 4}), zeros({4, 5}, DType::i64)),
                       "matmul: dtypes are f32 and i64, expected equal ones; convert one with to()", Error);
  CHECK_THROWS_WITH_AS(matmul(zeros({2, 3, 4}, DType::i64), zeros({2, 4, 5}, DType::i64)),
                       "matmul: dtype is i64, expected f32 or f64", Error);
}

}  // namespace
