// Ops that move elements by place: permute, the reshape family, slices, concat and stack; and ops on any number of
// inputs.

#include <algorithm>
#include <vector>

#include <doctest/doctest.h>

#include <rill/core/ops/binary.hpp>
#include <rill/core/ops/concat.hpp>
#include <rill/core/ops/permute.hpp>
#include <rill/core/ops/reduce.hpp>
#include <rill/core/ops/relu.hpp>
#include <rill/core/ops/reshape.hpp>
#include <rill/core/ops/slice.hpp>

#include "gradcheck.hpp"
#include "thread_count.hpp"

namespace {

using namespace rill;
using test::same_bits;
using Values = std::vector<double>;

Values values(const Tensor& t) {
  const Tensor wide = t.detach().to(DType::f64);
  const auto data = wide.data<double>();
  return {data.begin(), data.end()};
}

// 0, 1, 2, … in a shape.
Tensor counted(const Shape& shape, DType dtype = DType::f64) {
  return arange(static_cast<double>(shape.numel()), dtype).reshape(shape);
}

const void* address(const Tensor& t) { return detail::Access::record(t).data; }
bool share(const Tensor& a, const Tensor& b) {
  return detail::Access::record(a).block.get() == detail::Access::record(b).block.get();
}

// --- expand -----------------------------------------------------------------------------------------------------------

TEST_CASE("expand: labels are repeated, too") {
  const Tensor y = tensor({{1}, {2}}, DType::i64).expand({2, 3});
  CHECK(y.dtype() == DType::i64);
  CHECK(values(y) == Values{1, 1, 1, 2, 2, 2});
}

// --- permute ----------------------------------------------------------------------------------------------------------

// By the definition, element for element.
void check_permuted(const Shape& shape, const std::vector<int>& axes, DType dtype) {
  CAPTURE(shape);
  const Tensor x = counted(shape, dtype), y = permute(x, axes);
  std::vector<std::int64_t> strides(axes.size(), 1);
  for (int i = shape.rank() - 2; i >= 0; --i)
    strides[static_cast<std::size_t>(i)] = strides[static_cast<std::size_t>(i) + 1] * shape[i + 1];
  for (std::size_t i = 0; i < axes.size(); ++i) REQUIRE(y.shape()[static_cast<int>(i)] == shape[axes[i]]);
  const Values got = values(y);
  std::size_t wrong = 0;
  for (std::size_t flat = 0; flat < got.size(); ++flat) {
    std::int64_t rest = static_cast<std::int64_t>(flat), from = 0;
    for (std::size_t i = axes.size(); i-- > 0;) {
      from += rest % y.shape()[static_cast<int>(i)] * strides[static_cast<std::size_t>(axes[i])];
      rest /= y.shape()[static_cast<int>(i)];
    }
    wrong += got[flat] != static_cast<double>(from);
  }
  CHECK(wrong == 0);
}

TEST_CASE("permute: every order of four axes moves every element to its place") {
  std::vector<int> axes{0, 1, 2, 3};
  do {
    check_permuted({3, 17, 2, 19}, axes, DType::f32);
    check_permuted({2, 1, 33, 5}, axes, DType::f64);
    check_permuted({4, 3, 1, 2}, axes, DType::i64);
  } while (std::next_permutation(axes.begin(), axes.end()));
}

TEST_CASE("permute: matrices of all sizes around a tile") {
  for (const std::int64_t rows : {1, 2, 15, 16, 17, 48, 250}) {
    for (const std::int64_t columns : {1, 3, 16, 31, 32, 200})
      check_permuted({rows, columns}, {1, 0}, DType::f32);
  }
}

TEST_CASE("permute: matrices and stacks large enough for several threads") {
  for (const int threads : {1, 2, 3}) {
    const test::ThreadCount used(threads);
    check_permuted({301, 517}, {1, 0}, DType::f32);
    check_permuted({9, 130, 140}, {0, 2, 1}, DType::f64);
    check_permuted({130, 9, 140}, {1, 0, 2}, DType::f64);
    check_permuted({70, 60, 50}, {2, 1, 0}, DType::f32);
  }
}

TEST_CASE("permute: is a copy even where nothing moves") {
  const Tensor x = counted({2, 3});
  CHECK_FALSE(share(permute(x, {0, 1}), x));
  CHECK_FALSE(share(permute(x.reshape({1, 6}), {1, 0}), x));
}

TEST_CASE("permute: axes may be negative") {
  CHECK(permute(zeros({2, 3, 4}), {-1, 0, -2}).shape() == Shape{4, 2, 3});
}

TEST_CASE("permute: empty tensors and scalars") {
  CHECK(permute(zeros({0, 3}), {1, 0}).shape() == Shape{3, 0});
  CHECK(permute(full({}, 5), {}).item() == 5);
}

TEST_CASE("transpose: exchanges two axes, t those of a matrix") {
  const Tensor x = tensor({{1, 2, 3}, {4, 5, 6}});
  CHECK(values(t(x)) == Values{1, 4, 2, 5, 3, 6});
  CHECK(x.t().shape() == Shape{3, 2});
  CHECK(values(transpose(x, 0, -1)) == Values{1, 4, 2, 5, 3, 6});
  CHECK(zeros({2, 3, 4}).transpose(-1, 0).shape() == Shape{4, 3, 2});
  CHECK(values(transpose(x, 1, 1)) == values(x));
}

TEST_CASE("permute: axes that are no permutation are refused") {
  const Tensor x = zeros({2, 3});
  CHECK_THROWS_WITH_AS(permute(x, {0}), "permute: 1 axes for x [2, 3], expected each of its 2 axes once",
                       Error);
  CHECK_THROWS_WITH_AS(permute(x, {0, -2}), "permute: axis -2 is named twice, expected distinct axes", Error);
  CHECK_THROWS_WITH_AS(permute(x, {0, 2}),
                       "permute: axis 2 is out of range for shape [2, 3], expected -2 to 1", Error);
  CHECK_THROWS_WITH_AS(transpose(x, 0, 2),
                       "transpose: axis 2 is out of range for shape [2, 3], expected -2 to 1", Error);
  CHECK_THROWS_WITH_AS(zeros({2, 3, 4}).t(),
                       "t: x is [2, 3, 4], expected a matrix; use transpose() or permute()", Error);
}

// --- the reshape family -------------------------------------------------------------------------------------------------

TEST_CASE("flatten: joins a range of axes on the same block") {
  const Tensor x = counted({2, 3, 4, 5});
  CHECK(x.flatten().shape() == Shape{120});
  CHECK(x.flatten(1).shape() == Shape{2, 60});
  CHECK(x.flatten(1, 2).shape() == Shape{2, 12, 5});
  CHECK(x.flatten(0, -2).shape() == Shape{24, 5});
  CHECK(x.flatten(2, 2).shape() == x.shape());
  CHECK(share(x.flatten(1), x));
  CHECK(values(x.flatten(1, 2)) == values(x));
}

TEST_CASE("flatten: a scalar becomes a vector, and empty axes stay empty") {
  CHECK(full({}, 3).flatten().shape() == Shape{1});
  CHECK(zeros({2, 0, 3}).flatten(0, 1).shape() == Shape{0, 3});
}

TEST_CASE("flatten: axes in the wrong order are refused") {
  CHECK_THROWS_WITH_AS(
      zeros({2, 3}).flatten(1, 0),
      "flatten: axis 1 of [2, 3] comes after axis 0, expected the first axis and then the last", Error);
}

TEST_CASE("squeeze: drops one axis of size 1 on the same block") {
  const Tensor x = counted({2, 1, 3});
  CHECK(x.squeeze(1).shape() == Shape{2, 3});
  CHECK(x.squeeze(-2).shape() == Shape{2, 3});
  CHECK(share(x.squeeze(1), x));
}

TEST_CASE("squeeze: another size than 1 is refused") {
  CHECK_THROWS_WITH_AS(zeros({2, 3}).squeeze(1), "squeeze: axis 1 of [2, 3] has size 3, expected 1", Error);
}

TEST_CASE("unsqueeze: adds an axis anywhere, also behind the last, on the same block") {
  const Tensor x = counted({2, 3});
  CHECK(x.unsqueeze(0).shape() == Shape{1, 2, 3});
  CHECK(x.unsqueeze(1).shape() == Shape{2, 1, 3});
  CHECK(x.unsqueeze(2).shape() == Shape{2, 3, 1});
  CHECK(x.unsqueeze(-1).shape() == Shape{2, 3, 1});
  CHECK(x.unsqueeze(-3).shape() == Shape{1, 2, 3});
  CHECK(share(x.unsqueeze(0), x));
}

TEST_CASE("unsqueeze: an axis out of range, and a ninth one, are refused") {
  CHECK_THROWS_WITH_AS(zeros({2, 3}).unsqueeze(3), "unsqueeze: axis 3 for x [2, 3], expected -3 to 2", Error);
  CHECK_THROWS_WITH_AS(zeros({1, 1, 1, 1, 1, 1, 1, 1}).unsqueeze(0),
                       "shape: 9 dimensions, expected at most 8", Error);
}

// --- slice and select ---------------------------------------------------------------------------------------------------

TEST_CASE("slice: a range of any axis") {
  const Tensor x = counted({2, 3, 2});
  CHECK(values(slice(x, 0, 1, 2)) == Values{6, 7, 8, 9, 10, 11});
  CHECK(values(slice(x, 1, 1, 3)) == Values{2, 3, 4, 5, 8, 9, 10, 11});
  CHECK(values(slice(x, -1, 0, 1)) == Values{0, 2, 4, 6, 8, 10});
  CHECK(slice(x, 1, 1, 3).shape() == Shape{2, 2, 2});
}

TEST_CASE("slice: bounds are clamped and count from the end as in NumPy") {
  const Tensor x = counted({5});
  CHECK(values(slice(x, 0, 1, 100)) == Values{1, 2, 3, 4});
  CHECK(values(slice(x, 0, -2, 5)) == Values{3, 4});
  CHECK(values(slice(x, 0, -100, -3)) == Values{0, 1});
  CHECK(values(slice(x, 0, 1, -1)) == Values{1, 2, 3});
  CHECK(slice(x, 0, 3, 2).shape() == Shape{0});
  CHECK(slice(x, 0, 7, 9).shape() == Shape{0});
  CHECK(slice(x, 0, -1, 0).shape() == Shape{0});
  CHECK(slice(x, 0, 0, INT64_MAX).shape() == Shape{5});
  CHECK(slice(x, 0, INT64_MIN, INT64_MIN).shape() == Shape{0});
}

TEST_CASE("slice: rows share the block, columns are copied") {
  const Tensor x = counted({4, 3});
  const Tensor rows = slice(x, 0, 1, 3);
  CHECK(share(rows, x));
  CHECK(address(rows) == static_cast<const std::byte*>(address(x)) + 3 * sizeof(double));
  CHECK_FALSE(share(slice(x, 1, 0, 3), x));
}

TEST_CASE("slice: labels are sliced, too") {
  CHECK(values(slice(tensor({4, 5, 6}, DType::i64), 0, 1, 3)) == Values{5, 6});
}

TEST_CASE("slice: large ones are the same for any number of threads") {
  const Tensor x = counted({300, 40, 11}, DType::f32).requires_grad_();
  const Tensor g = counted({300, 20, 11}, DType::f32);
  const auto run = [&] {
    const Tensor y = slice(x, 1, 7, 27);
    return std::pair(y.detach(), grad({y}, {x}, {g})[0]);
  };
  const test::ThreadCount one(1);
  const auto expected = run();
  for (const int threads : {2, 3}) {
    const test::ThreadCount used(threads);
    const auto got = run();
    CHECK(same_bits(got.first, expected.first));
    CHECK(same_bits(got.second, expected.second));
  }
}

TEST_CASE("slice: the gradient is zero outside of the range") {
  const Tensor x = zeros({3, 4}, DType::f64).requires_grad_();
  slice(x, 1, 1, 3).backward(tensor({{1, 2}, {3, 4}, {5, 6}}, DType::f64));
  CHECK(values(x.grad()) == Values{0, 1, 2, 0, 0, 3, 4, 0, 0, 5, 6, 0});
}

TEST_CASE("slice: the gradients of overlapping slices add up") {
  const Tensor x = zeros({4}, DType::f64).requires_grad_();
  (slice(x, 0, 0, 3).sum() + slice(x, 0, 1, 4).sum() * 10.0).backward();
  CHECK(values(x.grad()) == Values{1, 11, 11, 10});
}

TEST_CASE("select: one index, without its axis") {
  const Tensor x = counted({2, 3, 2});
  CHECK(values(select(x, 1, 2)) == Values{4, 5, 10, 11});
  CHECK(select(x, 1, 2).shape() == Shape{2, 2});
  CHECK(values(select(x, -1, -2)) == Values{0, 2, 4, 6, 8, 10});
  CHECK(share(select(x, 0, 1), x));
}

TEST_CASE("select: an index out of range is refused") {
  CHECK_THROWS_WITH_AS(zeros({2, 3}).select(1, 3),
                       "select: index 3 at axis 1 of the tensor [2, 3], expected -3 to 2", Error);
  CHECK_THROWS_WITH_AS(zeros({0, 3})[0],
                       "select: index 0 at axis 0 of the tensor [0, 3], expected none, the axis is empty",
                       Error);
}

// --- row slices and overwriting -----------------------------------------------------------------------------------------

TEST_CASE("views: an in-place op on a row changes the tensor, outside of a graph") {
  const Tensor x = tensor({{-1, 2}, {-3, 4}});
  x[0].relu_();
  CHECK(values(x) == Values{0, 2, -3, 4});
}

TEST_CASE("views: an in-place op on a row of a tensor that takes part in a graph is refused") {
  const Tensor x = tensor({{-1, 2}, {-3, 4}}).requires_grad_();
  Tensor row = x[0];
  CHECK_THROWS_WITH_AS(
      row.relu_(),
      "relu_: the block of the tensor [2] is shared with 1 other tensor(s) of a graph, whose "
      "gradients would be wrong; use relu()",
      Error);
  {
    const NoGrad no_grad;
    Tensor plain = x[0];
    CHECK_THROWS_AS(plain.relu_(), Error);
  }
  CHECK(values(x) == Values{-1, 2, -3, 4});
}

TEST_CASE("views: an in-place op on a tensor whose row takes part in a graph is refused") {
  const Tensor leaf = tensor({{-1, 2}, {-3, 4}}).requires_grad_();
  Tensor y = leaf * 1.0;
  const Tensor row = y[0];
  CHECK_THROWS_AS(y.relu_(), Error);
}

TEST_CASE("views: writing to a row makes values that were saved from the tensor count as overwritten") {
  const Tensor w = tensor({{1, 2}, {3, 4}}).requires_grad_();
  const Tensor x = tensor({{5, 6}, {7, 8}});
  const Tensor loss = (w * x).sum();
  Tensor row = x[1];
  row.mutable_data<float>()[0] = 0;
  CHECK_THROWS_AS(loss.backward(), Error);
}

TEST_CASE("views: writing to the tensor makes values that were saved from its row count as overwritten") {
  const Tensor w = tensor({1, 2}).requires_grad_();
  Tensor x = tensor({{5, 6}, {7, 8}});
  const Tensor loss = (w * x[1]).sum();
  x.set({0, 0}, 0);
  CHECK_THROWS_AS(loss.backward(), Error);
}

TEST_CASE("views: a row outlives its tensor, also as a saved value") {
  const Tensor w = tensor({1, 2}).requires_grad_();
  Tensor x = tensor({{5, 6}, {7, 8}});
  const Tensor loss = (w * x[1]).sum();
  x = Tensor();
  loss.backward();
  CHECK(values(w.grad()) == Values{7, 8});
}

TEST_CASE("views: gradients that are slices of one tensor do not share a block in the leaves") {
  const Tensor a = zeros({2}).requires_grad_(), b = zeros({2}).requires_grad_();
  const Tensor g = tensor({1, 2, 3, 4});
  concat({a, b}).backward(g);
  CHECK_FALSE(share(a.grad(), b.grad()));
  CHECK_FALSE(share(a.grad(), g));
  a.grad().mutable_data<float>()[0] = 9;
  CHECK(values(b.grad()) == Values{3, 4});
  CHECK(values(g) == Values{1, 2, 3, 4});
}

// --- concat and stack ---------------------------------------------------------------------------------------------------

TEST_CASE("concat: along every axis") {
  const Tensor a = tensor({{1, 2}, {3, 4}}), b = tensor({{5, 6}}), c = tensor({{7}, {8}});
  CHECK(values(concat({a, b})) == Values{1, 2, 3, 4, 5, 6});
  CHECK(values(concat({a, c}, 1)) == Values{1, 2, 7, 3, 4, 8});
  CHECK(values(concat({c, a, c}, -1)) == Values{7, 1, 2, 7, 8, 3, 4, 8});
}

TEST_CASE("concat: one tensor, empty ones and labels") {
  const Tensor a = tensor({{1, 2}});
  CHECK(values(concat({a})) == Values{1, 2});
  CHECK_FALSE(share(concat({a}), a));
  CHECK(values(concat({zeros({0, 2}), a, zeros({0, 2})})) == Values{1, 2});
  CHECK(concat({tensor({1}, DType::i64), tensor({2, 3}, DType::i64)}).dtype() == DType::i64);
}

TEST_CASE("concat: takes vectors and lists of the pool's") {
  const std::vector<Tensor> all{ones({2}), zeros({1})};
  const TensorList pooled(all.begin(), all.end());
  CHECK(values(concat(all)) == Values{1, 1, 0});
  CHECK(values(concat(pooled)) == Values{1, 1, 0});
}

TEST_CASE("concat: a hundred tensors get a hundred gradients") {
  std::vector<Tensor> all;
  for (int i = 0; i < 100; ++i) all.push_back(full({1}, i, DType::f64).requires_grad_());
  (concat(all) * arange(100, DType::f64)).sum().backward();
  Values got;
  for (const Tensor& x : all) got.push_back(x.grad().item());
  CHECK(got == values(arange(100)));
}

TEST_CASE("concat: one tensor several times gets the sum of its gradients") {
  const Tensor x = tensor({1, 2}).requires_grad_();
  concat({x, x, x}).backward(tensor({1, 2, 10, 20, 100, 200}));
  CHECK(values(x.grad()) == Values{111, 222});
}

TEST_CASE("concat: inputs that require no gradient keep their places") {
  const Tensor a = zeros({2}), b = zeros({1}).requires_grad_(), c = zeros({3});
  concat({a, b, c}).backward(tensor({1, 2, 3, 4, 5, 6}));
  CHECK(values(b.grad()) == Values{3});
  CHECK_FALSE(a.grad().defined());
}

TEST_CASE("concat: large ones are the same for any number of threads") {
  const Tensor a = counted({400, 90}, DType::f32), b = counted({400, 70}, DType::f32);
  const test::ThreadCount one(1);
  const Tensor rows = concat({a, a}), columns = concat({a, b}, 1);
  for (const int threads : {2, 3}) {
    const test::ThreadCount used(threads);
    CHECK(same_bits(concat({a, a}), rows));
    CHECK(same_bits(concat({a, b}, 1), columns));
  }
}

TEST_CASE("concat: refuses what does not fit and names it") {
  const Tensor a = zeros({2, 3}), b = zeros({2, 4}), wide = zeros({2, 3}, DType::f64);
  CHECK_THROWS_WITH_AS(concat({a, a, b}),
                       "concat: input 2 is [2, 4], input 0 is [2, 3], expected equal sizes at all axes but 0",
                       Error);
  CHECK_THROWS_WITH_AS(concat({a, zeros({2})}, 1),
                       "concat: input 1 is [2], input 0 is [2, 3], expected equal sizes at all axes but 1",
                       Error);
  CHECK_THROWS_WITH_AS(concat({a, wide}),
                       "concat: input 1 is f64, input 0 is f32, expected equal dtypes; convert one with to()",
                       Error);
  CHECK_THROWS_WITH_AS(concat({a, Tensor()}), "concat: input 1 is undefined, expected a tensor with elements",
                       Error);
  CHECK_THROWS_WITH_AS(concat({Tensor(), a}), "concat: input 0 is undefined, expected a tensor with elements",
                       Error);
  CHECK_THROWS_WITH_AS(concat({a}, 2), "concat: axis 2 is out of range for shape [2, 3], expected -2 to 1",
                       Error);
  CHECK_THROWS_WITH_AS(concat(std::vector<Tensor>()), "concat: no tensors, expected at least one", Error);
}

TEST_CASE("stack: along a new axis") {
  const Tensor a = tensor({1, 2, 3}), b = tensor({4, 5, 6});
  CHECK(values(stack({a, b})) == Values{1, 2, 3, 4, 5, 6});
  CHECK(stack({a, b}).shape() == Shape{2, 3});
  CHECK(values(stack({a, b}, 1)) == Values{1, 4, 2, 5, 3, 6});
  CHECK(stack({a, b}, -1).shape() == Shape{3, 2});
  CHECK(stack({a, b}, -2).shape() == Shape{2, 3});
  CHECK(stack({full({}, 1), full({}, 2)}).shape() == Shape{2});
}

TEST_CASE("stack: gives every input its part of the gradient") {
  const Tensor a = zeros({2}).requires_grad_(), b = zeros({2}).requires_grad_();
  stack({a, b}, 1).backward(tensor({{1, 2}, {3, 4}}));
  CHECK(values(a.grad()) == Values{1, 3});
  CHECK(values(b.grad()) == Values{2, 4});
}

TEST_CASE("stack: refuses what does not fit and names it") {
  const Tensor a = zeros({2});
  CHECK_THROWS_WITH_AS(stack({a, a, zeros({3})}),
                       "stack: input 2 is [3], input 0 is [2], expected equal shapes", Error);
  CHECK_THROWS_WITH_AS(stack({a, zeros({2}, DType::f64)}),
                       "stack: input 1 is f64, input 0 is f32, expected equal dtypes; convert one with to()",
                       Error);
  CHECK_THROWS_WITH_AS(stack({a, Tensor()}), "stack: input 1 is undefined, expected a tensor with elements",
                       Error);
  CHECK_THROWS_WITH_AS(stack({a}, 2), "stack: axis 2 for tensors [2], expected -2 to 1", Error);
  CHECK_THROWS_WITH_AS(stack(std::vector<Tensor>()), "stack: no tensors, expected at least one", Error);
}

// --- ops on any number of inputs ------------------------------------------------------------------------------------------

// y = Σ inputs, of one shape; `returned` gradients.
struct SumOfAll {
  static constexpr std::string_view name = "sum_of_all";
  std::size_t returned = 0;
  Meta infer(std::span<const Tensor> inputs) const { return {inputs[0].shape(), inputs[0].dtype()}; }
  void forward(std::span<const Tensor> inputs, Tensor& y) const {
    const auto out = y.mutable_data<double>();
    for (std::size_t i = 0; i < out.size(); ++i) {
      out[i] = 0;
      for (const Tensor& x : inputs) out[i] += x.data<double>()[i];
    }
  }
  TensorList gradient(const Incoming& g) const { return TensorList(returned, g[0]); }
};

TEST_CASE("variadic: an op that returns too few gradients is refused") {
  const std::vector<Tensor> inputs(3, ones({2}, DType::f64).requires_grad_());
  CHECK_THROWS_WITH_AS(apply_list(SumOfAll{2}, std::span<const Tensor>(inputs)).sum().backward(),
                       "backward: sum_of_all returned 2 gradients for 3 inputs, expected one each", Error);
}

TEST_CASE("variadic: one gradient for all inputs is added up, not shared") {
  const std::vector<Tensor> inputs{ones({2}, DType::f64).requires_grad_(),
                                   ones({2}, DType::f64).requires_grad_()};
  apply_list(SumOfAll{2}, std::span<const Tensor>(inputs)).sum().backward();
  CHECK(values(inputs[0].grad()) == Values{1, 1});
  CHECK_FALSE(share(inputs[0].grad(), inputs[1].grad()));
}

TEST_CASE("variadic: nothing is recorded without a gradient or a guard's leave") {
  const std::vector<Tensor> plain(2, ones({2}, DType::f64));
  CHECK_FALSE(apply_list(SumOfAll{2}, std::span<const Tensor>(plain)).requires_grad());
  const std::vector<Tensor> leaves(2, ones({2}, DType::f64).requires_grad_());
  const NoGrad no_grad;
  CHECK_FALSE(apply_list(SumOfAll{2}, std::span<const Tensor>(leaves)).requires_grad());
}

TEST_CASE("variadic: a graph can be walked twice if it is kept, else not") {
  const Tensor a = ones({2}, DType::f64).requires_grad_(), b = ones({2}, DType::f64).requires_grad_();
  const Tensor y = (concat({a * 2.0, b}) * 3.0).sum();
  y.backward({.retain_graph = true});
  y.backward();
  CHECK(values(a.grad()) == Values{12, 12});
  CHECK(values(b.grad()) == Values{6, 6});
  CHECK_THROWS_AS(y.backward(), Error);
}

TEST_CASE("variadic: grad() of one input leaves the others alone") {
  const Tensor a = ones({2}, DType::f64).requires_grad_(), b = ones({1}, DType::f64).requires_grad_();
  const Tensor y = (concat({a, b}) * tensor({1, 2, 3}, DType::f64)).sum();
  CHECK(values(grad({y}, {b})[0]) == Values{3});
  CHECK_FALSE(a.grad().defined());
}

TEST_CASE("variadic: an observer sees every input") {
  struct Inputs : Observer {
    std::vector<std::size_t> counts;
    void after(const OpRun& run) override { counts.push_back(run.inputs.size()); }
  };
  const Tensor x = ones({1});
  const Inputs seen;
  concat({x, x, x, x});
  CHECK(seen.counts == std::vector<std::size_t>{4});
}

TEST_CASE("variadic: a chain of a hundred thousand is released without recursion") {
  Tensor x = ones({1}).requires_grad_();
  const Tensor one = ones({0});
  for (int i = 0; i < 100000; ++i) x = concat({x, one});
  x.backward();
  x = Tensor();
}

TEST_CASE("variadic: a warm step takes nothing from the system") {
  const Tensor a = ones({8, 4}).requires_grad_(), b = ones({8, 4}).requires_grad_();
  const auto step = [&] {
    const TensorList parts{a, b, a};
    grad({stack({concat(parts, 1), concat(parts, 1)}).sum()}, {a});
  };
  for (int i = 0; i < 3; ++i) step();
  const std::uint64_t before = memory::stats().system_allocations;
  for (int i = 0; i < 10; ++i) step();
  CHECK(memory::stats().system_allocations == before);
}

}  // namespace
