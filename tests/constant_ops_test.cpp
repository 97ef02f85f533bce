// Every op whose results require no gradient: comparisons, argmax, argmin and one_hot.

#include <array>
#include <string>
#include <utility>

#include <doctest/doctest.h>

#include <rill/core/op_list.hpp>

#include "gradcheck.hpp"
#include "thread_count.hpp"

namespace {

using namespace rill;
using test::Tensors;

template <class Infer>
struct ArityOf;
template <class Op, class... Inputs>
struct ArityOf<Meta (Op::*)(Inputs...) const> : std::integral_constant<std::size_t, sizeof...(Inputs)> {};

template <class Op>
Tensor run(const Op& op, const Tensors& inputs) {
  const NoGrad no_grad;
  return [&]<std::size_t... I>(std::index_sequence<I...>) { return apply(op, inputs[I]...); }
  (std::make_index_sequence<ArityOf<decltype(&Op::infer)>::value>());
}

// Calls body(op, inputs) for every sample; floating inputs are f64.
template <class Op, class Body>
void for_samples(Body body) {
  std::uint32_t index = 0;
  for (const auto& sample : Op::samples()) {
    CAPTURE(index);
    Stream stream(1, Purpose::user, 0, index);
    Tensors inputs;
    for (const SampleInput& input : sample.inputs) inputs.push_back(test::draw(input, stream));
    body(sample.op, inputs);
    ++index;
  }
  CHECK(index > 0);
}

TEST_CASE_TEMPLATE_DEFINE("constant ops: f32 and f64 give the same numbers", Op, constant_dtypes) {
  for_samples<Op>([](const Op& op, const Tensors& wide) {
    Tensors narrow = wide;
    for (Tensor& input : narrow) {
      if (is_floating(input.dtype())) input = input.to(DType::f32);
    }
    CHECK(test::same_bits(run(op, wide).to(DType::f64), run(op, narrow).to(DType::f64)));
  });
}
TEST_CASE_TEMPLATE_APPLY(constant_dtypes, ops::ConstantOpList);

TEST_CASE_TEMPLATE_DEFINE("constant ops: one and three threads give the same bits", Op, constant_threads) {
  for_samples<Op>([](const Op& op, const Tensors& inputs) {
    const auto with = [&](int threads) {
      const test::ThreadCount guard(threads);
      return run(op, inputs);
    };
    CHECK(test::same_bits(with(1), with(3)));
  });
}
TEST_CASE_TEMPLATE_APPLY(constant_threads, ops::ConstantOpList);

TEST_CASE_TEMPLATE_DEFINE("constant ops: an op has no gradient to be recorded", Op, constant_gradients) {
  constexpr bool recorded = requires { &Op::gradient; };
  CHECK_FALSE(recorded);
}
TEST_CASE_TEMPLATE_APPLY(constant_gradients, ops::ConstantOpList);

TEST_CASE("constant ops: results require no gradient where the operands do") {
  const Tensor x = tensor({{1, 2}, {3, 0}}).requires_grad_(), y = tensor({1, 1}).requires_grad_();
  for (const Tensor& result : {x == y, x != y, x<y, x <= y, x> y, x >= y, x == 1.0, x != 1.0,
                               x<1.0, x <= 1.0, x> 1.0, x >= 1.0, argmax(x), argmin(x), one_hot(argmax(x))}) {
    CHECK_FALSE(result.requires_grad());
  }
}

TEST_CASE("constant ops: tensors of several threads' work have the same bits for one thread") {
  Generator generator(2);
  const Tensor x = randn({300, 700}, generator), y = randn({700}, generator);
  const auto all = [&](int threads) {
    const test::ThreadCount guard(threads);
    return Tensors{x < y, x >= y, argmax(x, 0), argmin(x, 1), one_hot(argmax(x, 1))};
  };
  const Tensors one = all(1), three = all(3);
  for (std::size_t i = 0; i < one.size(); ++i) CHECK(test::same_bits(one[i], three[i]));
}

}  // namespace
