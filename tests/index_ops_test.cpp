// Ops that pick elements by index tensors: gather, index_select and one_hot.

#include <vector>

#include <doctest/doctest.h>

#include <rill/core/ops/binary.hpp>
#include <rill/core/ops/gather.hpp>
#include <rill/core/ops/index_select.hpp>
#include <rill/core/ops/one_hot.hpp>
#include <rill/core/ops/reduce.hpp>
#include <rill/core/ops/reshape.hpp>

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

Tensor labels(std::initializer_list<NestedList> list) { return tensor(list, DType::i64); }

Tensor random_index(const Shape& shape, std::int64_t size) {
  Stream stream(5, Purpose::user);
  Tensor index = empty(shape, DType::i64);
  for (std::int64_t& value : index.mutable_data<std::int64_t>())
    value = static_cast<std::int64_t>(stream.below(static_cast<std::uint64_t>(size)));
  return index;
}

// --- gather -------------------------------------------------------------------------------------------------------------

// The example of PyTorch's documentation.
TEST_CASE("gather: picks along the last axis") {
  const Tensor x = tensor({{1, 2}, {3, 4}});
  CHECK(values(gather(x, 1, labels({{0, 0}, {1, 0}}))) == Values{1, 1, 4, 3});
}

TEST_CASE("gather: picks along the first axis") {
  const Tensor x = tensor({{1, 2, 3}, {4, 5, 6}});
  CHECK(values(gather(x, 0, labels({{0, 1, 1}, {1, 1, 0}, {0, 0, 0}}))) == Values{1, 5, 6, 4, 5, 3, 1, 2, 3});
}

TEST_CASE("gather: an index that is smaller along other axes picks from their beginning") {
  const Tensor x = arange(24).reshape({2, 3, 4});
  CHECK(values(gather(x, 1, labels({{{2, 0}}}))) == Values{8, 1});
  CHECK(values(gather(x, -1, labels({{{3}, {0}}, {{1}, {2}}}))) == Values{3, 4, 13, 18});
}

TEST_CASE("gather: labels can be gathered, too") {
  CHECK(gather(labels({5, 6}), 0, labels({1})).dtype() == DType::i64);
  CHECK(values(gather(labels({5, 6}), 0, labels({1, 0, 1}))) == Values{6, 5, 6});
}

TEST_CASE("gather: the gradients of an element that is picked twice are summed") {
  const Tensor x = zeros({2, 3}).requires_grad_();
  gather(x, 1, labels({{0, 0, 2}, {1, 1, 1}})).backward(tensor({{1, 2, 3}, {4, 5, 6}}));
  CHECK(values(x.grad()) == Values{3, 0, 3, 0, 15, 0});
}

TEST_CASE("gather: what it does to large tensors, by its definition") {
  Generator generator(1);
  const Tensor x = randn({5, 70, 90}, generator), index = random_index({4, 130, 80}, 70);
  const Tensor y = gather(x, 1, index);
  std::size_t wrong = 0;
  const auto in = x.data<float>(), out = y.data<float>();
  const auto at = index.data<std::int64_t>();
  for (std::size_t i = 0, flat = 0; i < 4; ++i)
    for (std::size_t k = 0; k < 130; ++k)
      for (std::size_t j = 0; j < 80; ++j, ++flat)
        wrong += out[flat] != in[(i * 70 + static_cast<std::size_t>(at[flat])) * 90 + j];
  CHECK(wrong == 0);
}

TEST_CASE("gather: results and gradients have the same bits for any number of threads") {
  Generator generator(1);
  for (const auto& [shape, index_shape, axis] :
       std::vector<std::tuple<Shape, Shape, int>>{{{7, 30, 300}, {6, 200, 290}, 1},
                                                  {{2000, 10}, {2000, 40}, 1},
                                                  {{10, 2000}, {90, 1999}, 0},
                                                  {{100}, {100000}, 0}}) {
    const Tensor x = randn(shape, generator).requires_grad_(), g = randn(index_shape, generator);
    const Tensor index = random_index(index_shape, shape[axis]);
    const auto run = [&, along = axis] {
      const Tensor y = gather(x, along, index);
      return std::pair(y.detach(), grad({y}, {x}, {g})[0]);
    };
    const test::ThreadCount one(1);
    const auto expected = run();
    for (const int threads : {2, 3, 4}) {
      const test::ThreadCount used(threads);
      const auto got = run();
      CHECK(same_bits(got.first, expected.first));
      CHECK(same_bits(got.second, expected.second));
    }
  }
}

TEST_CASE("gather: sums duplicates in the order of the index") {
  // 1e8 + 1 is 1e8 in f32, so only from left to right is the sum 1.
  const Tensor x = zeros({1}).requires_grad_();
  gather(x, 0, labels({0, 0, 0})).backward(tensor({1e8, -1e8, 1}));
  CHECK(x.grad().item() == 1);
  const Tensor y = zeros({1}).requires_grad_();
  gather(y, 0, labels({0, 0, 0})).backward(tensor({1, 1e8, -1e8}));
  CHECK(y.grad().item() == 0);
}

TEST_CASE("gather: an index that is overwritten before the walk is noticed") {
  const Tensor x = zeros({2}).requires_grad_();
  Tensor index = labels({1});
  const Tensor y = gather(x, 0, index);
  index.set({0}, 0);
  CHECK_THROWS_WITH_AS(
      y.backward(),
      "backward: gather needs its input 1 [1], which was overwritten in place (version 2, saved "
      "at version 1); use the form that is not in place",
      Error);
}

TEST_CASE("gather: an index out of range is refused with its value and place") {
  const Tensor x = zeros({2, 3});
  CHECK_THROWS_WITH_AS(gather(x, 1, labels({{0, 1}, {2, 3}})),
                       "gather: index [2, 2] contains 3 at [1, 1], expected 0 to 2", Error);
  CHECK_THROWS_WITH_AS(gather(x, 1, labels({{0}, {-1}})),
                       "gather: index [2, 1] contains -1 at [1, 0], expected 0 to 2", Error);
  CHECK_THROWS_WITH_AS(gather(zeros({0}), 0, labels({0})),
                       "gather: index [1] contains 0 at [0], expected nothing, the axis is empty", Error);
}

TEST_CASE("gather: an index of another rank, too large, or of another dtype is refused") {
  const Tensor x = zeros({2, 3});
  CHECK_THROWS_WITH_AS(
      gather(x, 0, labels({0})),
      "gather: index is [1], x is [2, 3], expected an index of x's rank, no larger at all axes "
      "but 0",
      Error);
  CHECK_THROWS_WITH_AS(
      gather(x, 1, zeros({3, 1}, DType::i64)),
      "gather: index is [3, 1], x is [2, 3], expected an index of x's rank, no larger at all "
      "axes but 1",
      Error);
  CHECK_THROWS_WITH_AS(gather(x, 1, zeros({2, 1})), "gather: index [2, 1] is f32, expected i64", Error);
  CHECK_THROWS_WITH_AS(gather(x, 2, zeros({2, 1}, DType::i64)),
                       "gather: axis 2 is out of range for shape [2, 3], expected -2 to 1", Error);
}

// --- index_select ---------------------------------------------------------------------------------------------------------

TEST_CASE("index_select: rows and columns, in any order and repeated") {
  const Tensor x = tensor({{1, 2, 3}, {4, 5, 6}});
  CHECK(values(index_select(x, 0, labels({1, 0, 1}))) == Values{4, 5, 6, 1, 2, 3, 4, 5, 6});
  CHECK(values(index_select(x, -1, labels({2, 0}))) == Values{3, 1, 6, 4});
  CHECK(index_select(x, 1, labels({})).shape() == Shape{2, 0});
}

TEST_CASE("index_select: the gradients of a row that is picked twice are summed") {
  const Tensor x = zeros({3, 2}).requires_grad_();
  index_select(x, 0, labels({2, 0, 2})).backward(tensor({{1, 2}, {3, 4}, {5, 6}}));
  CHECK(values(x.grad()) == Values{3, 4, 0, 0, 6, 8});
}

TEST_CASE("index_select: results and gradients have the same bits for any number of threads") {
  Generator generator(1);
  for (const auto& [shape, axis] :
       std::vector<std::tuple<Shape, int>>{{{50, 300}, 0}, {{300, 50}, 1}, {{5, 60, 100}, 1}, {{90, 7}, 0}}) {
    const Tensor x = randn(shape, generator).requires_grad_();
    const Tensor index = random_index({1000}, shape[axis]);
    Tensor g;
    const auto run = [&, along = axis] {
      const Tensor y = index_select(x, along, index);
      if (!g.defined()) g = randn(y.shape(), generator);
      return std::pair(y.detach(), grad({y}, {x}, {g})[0]);
    };
    const test::ThreadCount one(1);
    const auto expected = run();
    for (const int threads : {2, 3, 4}) {
      const test::ThreadCount used(threads);
      const auto got = run();
      CHECK(same_bits(got.first, expected.first));
      CHECK(same_bits(got.second, expected.second));
    }
  }
}

TEST_CASE("index_select: is gather with the index repeated") {
  Generator generator(2);
  const Tensor x = randn({4, 5, 6}, generator).requires_grad_(), g = randn({4, 7, 6}, generator);
  const Tensor index = random_index({7}, 5);
  Tensor repeated = empty({4, 7, 6}, DType::i64);
  const auto out = repeated.mutable_data<std::int64_t>();
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = index.data<std::int64_t>()[i / 6 % 7];
  const Tensor a = index_select(x, 1, index), b = gather(x, 1, repeated);
  CHECK(same_bits(a, b));
  CHECK(same_bits(grad({a}, {x}, {g})[0], grad({b}, {x}, {g})[0]));
}

TEST_CASE("index_select: bad indices are refused with value and place") {
  const Tensor x = zeros({2, 3});
  CHECK_THROWS_WITH_AS(index_select(x, 0, labels({0, 2})),
                       "index_select: index [2] contains 2 at [1], expected 0 to 1", Error);
  CHECK_THROWS_WITH_AS(index_select(x, 0, labels({-1})),
                       "index_select: index [1] contains -1 at [0], expected 0 to 1", Error);
  CHECK_THROWS_WITH_AS(index_select(x, 0, labels({{0}})), "index_select: index is [1, 1], expected [n]",
                       Error);
  CHECK_THROWS_WITH_AS(index_select(x, 0, zeros({1})), "index_select: index [1] is f32, expected i64", Error);
}

// --- one_hot --------------------------------------------------------------------------------------------------------------

TEST_CASE("one_hot: a row of zeros with a one for every label") {
  const Tensor y = one_hot(labels({2, 0}), 3);
  CHECK(y.dtype() == DType::f32);
  CHECK(y.shape() == Shape{2, 3});
  CHECK(values(y) == Values{0, 0, 1, 1, 0, 0});
}

TEST_CASE("one_hot: as many classes as there are, unless they are given") {
  CHECK(one_hot(labels({0, 3, 1})).shape() == Shape{3, 4});
  CHECK(one_hot(labels({0, 0})).shape() == Shape{2, 1});
}

TEST_CASE("one_hot: labels of any shape, and results of any dtype") {
  CHECK(one_hot(labels({{0, 1}, {1, 0}}), 2).shape() == Shape{2, 2, 2});
  CHECK(values(one_hot(full({}, 1, DType::i64), 2, DType::i64)) == Values{0, 1});
  CHECK(one_hot(labels({0}), 2, DType::f64).dtype() == DType::f64);
  CHECK(one_hot(labels({}), 3).shape() == Shape{0, 3});
}

TEST_CASE("one_hot: a label or a number of classes that no memory holds is refused") {
  CHECK_THROWS_WITH_AS(
      one_hot(labels({1, 1e15})),
      "one_hot: the result would be [2, 1000000000000001], expected fewer than 2^40 elements; "
      "check the labels and classes",
      Error);
  CHECK_THROWS_AS(one_hot(labels({1}), std::int64_t{1} << 40), Error);
  CHECK_THROWS_AS(one_hot(labels({1}), std::int64_t{1} << 62), Error);
}

TEST_CASE("one_hot: labels out of range, of another dtype, and no classes are refused") {
  CHECK_THROWS_WITH_AS(one_hot(labels({0, 3}), 3), "one_hot: labels [2] contains 3 at [1], expected 0 to 2",
                       Error);
  CHECK_THROWS_WITH_AS(one_hot(labels({1, -1})), "one_hot: labels [2] contains -1, expected 0 or more",
                       Error);
  CHECK_THROWS_WITH_AS(one_hot(labels({-1, -3})), "one_hot: labels [2] contains -3, expected 0 or more",
                       Error);
  CHECK_THROWS_WITH_AS(one_hot(labels({1, -1}), 2), "one_hot: labels [2] contains -1 at [1], expected 0 to 1",
                       Error);
  CHECK_THROWS_WITH_AS(one_hot(zeros({2})), "one_hot: labels [2] is f32, expected i64", Error);
  CHECK_THROWS_WITH_AS(one_hot(labels({0}), 0),
                       "one_hot: classes is 0, expected 1 or more, or -1 for as many as there are", Error);
  CHECK_THROWS_WITH_AS(one_hot(labels({})),
                       "one_hot: labels [0] has no elements, expected the number of classes", Error);
}

}  // namespace
