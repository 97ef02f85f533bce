// Gradients of every op, first and second order, against differences; and the checker itself against planted errors. Random
// arguments, and errors planted in every op, are tried by tests/trust/gradients.cpp.

#include <array>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "listed_ops.hpp"

namespace {

using namespace rill;
using test::Function;
using test::function_of;
using test::Tensors;

// --- an op's samples ------------------------------------------------------------------------------------------------------

template <class Op>
Tensors inputs_of(const Sample<Op>& sample, Stream& stream) {
  Tensors inputs;
  for (const SampleInput& input : sample.inputs) {
    inputs.push_back(test::draw(input, stream));
    if (test::differentiable<Op>(inputs.size() - 1, inputs.back())) inputs.back().requires_grad_();
  }
  return inputs;
}

template <class Op>
std::string label_of(std::size_t sample) {
  return std::string(Op::name) + ", sample " + std::to_string(sample);
}

// --- planted errors --------------------------------------------------------------------------------------------------

constexpr double planted_factor = 1 + 1e-6;

// Right in value and slope, wrong by a millionth in its curvature.
struct WrongCurvature {
  static constexpr std::string_view name = "wrong_curvature";
  template <class T>
  T value(T x) const {
    return x * x * x;
  }
  template <class T>
  T slope_from_input(T x) const {
    return 3 * x * x;
  }
  template <class T>
  T curvature_from_input(T x) const {
    return 6 * x * static_cast<T>(planted_factor);
  }
};

// An op of its own whose gradient is too large by a millionth.
struct WrongSquare {
  static constexpr std::string_view name = "wrong_square";
  Meta infer(const Tensor& x) const { return {x.shape(), x.dtype()}; }
  void forward(const Tensor& x, Tensor& y) const {
    const auto in = x.data<double>();
    const auto out = y.mutable_data<double>();
    for (std::size_t i = 0; i < in.size(); ++i) out[i] = in[i] * in[i];
  }
  Tensor gradient(const Incoming& g, Input<0> x) const { return g[0] * x() * (2 * planted_factor); }
};

double largest_of(const Tensor& x) {
  double largest = 0;
  for (const double value : x.data<double>()) largest = std::max(largest, std::abs(value));
  return largest;
}

void check(const GradcheckResult& result) { CHECK_MESSAGE(result.passed(), result.failure); }

// --- every op ----------------------------------------------------------------------------------------------------------

TEST_CASE_TEMPLATE_DEFINE("gradcheck: the gradients of an op agree with differences", Op, op_gradients) {
  std::uint32_t index = 0;
  for (const auto& sample : Op::samples()) {
    Stream stream(1, Purpose::user, 0, index);
    const Tensors inputs = inputs_of(sample, stream);
    check(test::check_gradient(function_of<Op>(sample.op), inputs, stream, label_of<Op>(index)));
    ++index;
  }
  CHECK(index > 0);
}
TEST_CASE_TEMPLATE_APPLY(op_gradients, ops::OpList);

TEST_CASE_TEMPLATE_DEFINE("gradcheck: the gradients of an op have right gradients", Op, op_second_order) {
  std::uint32_t index = 0;
  for (const auto& sample : Op::samples()) {
    Stream stream(2, Purpose::user, 0, index);
    const Tensors inputs = inputs_of(sample, stream);
    check(test::check_second_order(function_of<Op>(sample.op), inputs, stream, label_of<Op>(index)));
    ++index;
  }
  CHECK(index > 0);
}
TEST_CASE_TEMPLATE_APPLY(op_second_order, ops::OpList);

// --- the checker -------------------------------------------------------------------------------------------------------

TEST_CASE("gradcheck: a wrong gradient is refused, with op, sample, input and element") {
  Stream stream(4, Purpose::user);
  const Tensor x = tensor({0.5, -1.25, 0.75}, DType::f64).requires_grad_();
  const auto square = function_of<WrongSquare>(WrongSquare{});
  const GradcheckResult result = test::check_gradient(square, {x}, stream, "wrong_square, sample 0");
  REQUIRE_FALSE(result.passed());
  CHECK(result.failure.starts_with("wrong_square, sample 0, input 0 [3], element "));
  CHECK(result.worst == doctest::Approx(1e-6).epsilon(0.01));
}

TEST_CASE("gradcheck: a wrong curvature passes the first order and is refused by the second") {
  Stream stream(5, Purpose::user);
  const Tensor x = test::random_tensor({7}, stream).requires_grad_();
  const Function cube = [](const Tensors& in) { return Tensors{elementwise(WrongCurvature{}, in[0])}; };
  check(test::check_gradient(cube, {x}, stream, "wrong_curvature"));
  const GradcheckResult result = test::check_second_order(cube, {x}, stream, "wrong_curvature");
  REQUIRE_FALSE(result.passed());
  CHECK(result.failure.starts_with("wrong_curvature, second order, input 0 [7], element "));
}

TEST_CASE("gradcheck: a NaN is refused") {
  Stream stream(6, Purpose::user);
  const Tensor x = tensor({0.0, 1.0}, DType::f64).requires_grad_();
  const Function quotient = [](const Tensors& in) { return Tensors{in[0] / in[0]}; };
  CHECK_FALSE(test::check_gradient(quotient, {x}, stream, "div").passed());
}

TEST_CASE("gradcheck: a check of nothing, and one of f32, is refused") {
  const Function same = [](const Tensors& in) { return in; };
  CHECK_THROWS_WITH(gradcheck(same, {ones({2}, DType::f64)}),
                    "gradcheck: no input requires a gradient, expected at least one");
  CHECK_THROWS_WITH(gradcheck(same, {ones({2}).requires_grad_()}),
                    "gradcheck: input 0 [2] is f32, expected f64; convert it with to()");
  CHECK_THROWS_WITH(gradgradcheck(same, {ones({2}).requires_grad_()}),
                    "gradgradcheck: input 0 [2] is f32, expected f64; convert it with to()");
  const Function narrow = [](const Tensors& in) { return Tensors{in[0].to(DType::f32)}; };
  CHECK_THROWS_WITH(gradcheck(narrow, {ones({2}, DType::f64).requires_grad_()}),
                    "gradcheck: output 0 [2] is f32, expected f64; convert it with to()");
  CHECK_THROWS_WITH(gradcheck(Function(), {}), "gradcheck: the function is empty, expected one");
}

TEST_CASE("gradcheck: a function that remembers its calls is refused") {
  Stream stream(8, Purpose::user);
  const Tensor x = tensor({0.5, 1.0}, DType::f64).requires_grad_(), y = tensor({1, 2}, DType::f64);
  int calls = 0;
  const Function drifting = [&](const Tensors& in) { return Tensors{in[0] * in[1] * (1.0 + 0.1 * ++calls)}; };
  CHECK_FALSE(test::check_gradient(drifting, {x, y}, stream, "drifting").passed());
}

// --- uses of ops beyond their samples --------------------------------------------------------------------------------

void check_both_orders(const Function& function, const Tensors& inputs, Stream stream,
                       const std::string& label) {
  check(test::check_gradient(function, inputs, stream, label));
  check(test::check_second_order(function, inputs, stream, label));
}

TEST_CASE_TEMPLATE("gradcheck: one tensor as both inputs of a binary op", Op, ops::Add, ops::Sub, ops::Mul,
                   ops::Div) {
  Stream stream(9, Purpose::user);
  const Tensor x = test::random_tensor({3, 4}, stream).requires_grad_();
  check_both_orders([](const Tensors& in) { return Tensors{apply(Op{}, in[0], in[0])}; }, {x}, stream,
                    std::string(Op::name) + " of x and x");
}

TEST_CASE("gradcheck: one tensor as several inputs of matmul, linear and prelu") {
  Stream stream(10, Purpose::user);
  const Tensor x = test::random_tensor({4, 4}, stream).requires_grad_();
  const Tensor w = test::random_tensor({1}, stream).requires_grad_();
  check_both_orders([](const Tensors& in) { return Tensors{matmul(in[0], in[0])}; }, {x}, stream, "x x");
  check_both_orders([](const Tensors& in) { return Tensors{matmul(in[0], in[0], true, false)}; }, {x}, stream,
                    "xT x");
  check_both_orders([](const Tensors& in) { return Tensors{linear(in[0], in[0])}; }, {x}, stream,
                    "linear of x and x");
  check_both_orders([](const Tensors& in) { return Tensors{prelu(in[0], in[0])}; }, {w}, stream,
                    "prelu of w and w");
}

TEST_CASE("gradcheck: linear with leading dimensions") {
  Stream stream(11, Purpose::user);
  for (const Shape& shape : {Shape{2, 3, 4}, Shape{4}, Shape{2, 1, 2, 4}, Shape{0, 2, 4}}) {
    const Tensor x = test::random_tensor(shape, stream).requires_grad_();
    const Tensor w = test::random_tensor({5, 4}, stream).requires_grad_();
    const Tensor b = test::random_tensor({5}, stream).requires_grad_();
    check_both_orders([](const Tensors& in) { return Tensors{linear(in[0], in[1], in[2])}; }, {x, w, b},
                      stream, "linear");
  }
}

TEST_CASE("gradcheck: the in-place forms") {
  Stream stream(12, Purpose::user);
  const auto check_inplace = [&](const std::string& label, auto overwrite) {
    for (const Shape& shape : {Shape{7}, Shape{3, 5}, Shape{}, Shape{0}}) {
      const Tensor x = test::random_tensor(shape, stream).requires_grad_();
      const Function function = [&](const Tensors& in) {
        Tensor y = in[0] * 1.0;
        overwrite(y);
        return Tensors{y};
      };
      check_both_orders(function, {x}, stream, label);
      // and in the middle of a graph
      check_both_orders([&](const Tensors& in) { return Tensors{function(in)[0] * in[0]}; }, {x}, stream,
                        label + " times x");
    }
  };
  check_inplace("relu_", [](Tensor& y) { y.relu_(); });
  for (const double slope : {0.0, 0.01, 0.3, 1.0, 1.5})
    check_inplace("leaky_relu_", [=](Tensor& y) { y.leaky_relu_(slope); });
  for (const double alpha : {0.0, 0.5, 1.0, 2.0}) check_inplace("elu_", [=](Tensor& y) { y.elu_(alpha); });
}

TEST_CASE("gradcheck: two in-place forms, one after the other") {
  Stream stream(13, Purpose::user);
  const Tensor x = test::random_tensor({6}, stream).requires_grad_();
  const Function function = [](const Tensors& in) {
    Tensor y = in[0] * 1.0;
    y.leaky_relu_(0.3);
    y = y + 0.02;
    y.elu_(0.5);
    return Tensors{y};
  };
  check_both_orders(function, {x}, stream, "leaky_relu_ then elu_");
}

TEST_CASE("gradcheck: cross_entropy of a model's logits") {
  Stream stream(14, Purpose::user);
  const Tensor x = test::random_tensor({5, 3}, stream).requires_grad_();
  const Tensor w = test::random_tensor({4, 3}, stream).requires_grad_();
  const Tensor labels = tensor({0, 3, 1, 1, 2}, DType::i64);
  for (const Reduction reduction : {Reduction::mean, Reduction::sum, Reduction::none}) {
    const CrossEntropyOptions options{reduction, 0.1, 1};
    check_both_orders(
        [&](const Tensors& in) { return Tensors{cross_entropy(linear(in[0], in[1]), labels, options)}; },
        {x, w}, stream, "cross_entropy of linear");
  }
}

// --- random graphs -----------------------------------------------------------------------------------------------------

// A random program over tensors [3, 4]; built at one point, it keeps activations away from their kinks and sizes
// moderate there by constants that the later runs reuse.
class RandomGraph {
 public:
  RandomGraph(Stream& stream, const Tensors& inputs) {
    const NoGrad no_grad;
    Tensors values{inputs[0]};
    for (int i = 0; i < 8; ++i) {
      Step step{static_cast<int>(stream.below(kinds)), pick(stream, values), pick(stream, values), 1,
                Tensor()};
      const Tensor& a = values[step.a];
      step.offset = empty(a.shape(), DType::f64);
      const auto at = a.data<double>();
      const auto offsets = step.offset.mutable_data<double>();
      for (std::size_t j = 0; j < offsets.size(); ++j) offsets[j] = at[j] > 0 ? 0.25 : -0.25;
      const double largest = largest_of(run(step, values, inputs));
      if (largest > 1.5) step.factor = 1.5 / largest;
      values.push_back(run(step, values, inputs));
      steps_.push_back(step);
    }
  }

  static Tensors inputs(Stream& stream) {
    Tensors all;
    for (const Shape& shape : {Shape{3, 4}, Shape{4}, Shape{3, 1}, Shape{}, Shape{4, 4}})
      all.push_back(test::random_tensor(shape, stream).requires_grad_());
    return all;
  }

  // Every step's value reaches the result, so no part of the graph is dead.
  Tensors operator()(const Tensors& inputs) const {
    Tensors values{inputs[0]};
    for (const Step& step : steps_) values.push_back(run(step, values, inputs));
    Tensor total = values[0];
    for (std::size_t i = 1; i < values.size(); ++i)
      total = total + values[i] * (1.0 / static_cast<double>(i));
    for (std::size_t i = 1; i < inputs.size() - 1; ++i) total = total * inputs[i];
    return {values.back(), (total * inputs[4].sum()).mean({1})};
  }

 private:
  static constexpr int kinds = 20;
  struct Step {
    int kind;
    std::size_t a, b;
    double factor;
    Tensor offset;
  };

  static std::size_t pick(Stream& stream, const Tensors& values) {
    return static_cast<std::size_t>(stream.below(values.size()));
  }

  static Tensor run(const Step& step, const Tensors& values, const Tensors& in) {
    return value_of(step, values[step.a], values[step.b], in) * step.factor;
  }

  static Tensor value_of(const Step& step, const Tensor& a, const Tensor& b, const Tensors& in) {
    const Tensor &row = in[1], &column = in[2], &scalar = in[3], &square = in[4];
    switch (step.kind) {
      case 0:
        return a + b * row;
      case 1:
        return column * a - b;
      case 2:
        return a * b * scalar;
      case 3:
        return a / (softmax(b) + 1.0);
      case 4:
        return linear(a, square, row);
      case 5:
        return matmul(matmul(a, b.reshape({4, -1})), a);
      case 6:
        return a - b.mean({1}, true);
      case 7:
        return expand(row, {3, 4}) * a.sum({0}, true);
      case 8:
        return linear(a.reshape({3, 1, 4}), square).reshape({3, 4}) + b;
      case 9:
        return (a + step.offset).relu() * b;
      case 10:
        return (a + step.offset).leaky_relu(0.1) + b;
      case 11:
        return (a + step.offset).elu(0.7) * row;
      case 12:
        return prelu(a + step.offset, row);
      case 13:
        return concat({a.slice(0, 1, 3), b[0].unsqueeze(0)});
      case 14:
        return stack({a.select(1, 3), b.select(1, 0), a.select(1, 1), column.flatten()}, 1);
      case 15:
        return transpose(concat({a.t(), b.t(), a.t()}, 1).slice(1, 2, 5), 0, 1) * row;
      case 16:
        return matmul(stack({a, b}), stack({square, square.t()})).sum({0});
      case 17:
        return a.index_select(0, tensor({2, 0, 2}, DType::i64)) - b;
      case 18:
        return matmul(a.unsqueeze(1).permute({1, 0, 2}), square).reshape({3, 4}) +
               matmul(b, row).unsqueeze(1);
      default:
        return softmax(a) * b.sum();
    }
  }

  std::vector<Step> steps_;
};

TEST_CASE("gradcheck: random graphs of several ops") {
  for (std::uint32_t graph = 0; graph < 50; ++graph) {
    Stream stream(15, Purpose::user, 0, graph);
    const Tensors inputs = RandomGraph::inputs(stream);
    check_both_orders(RandomGraph(stream, inputs), inputs, stream, "graph " + std::to_string(graph));
  }
}

// --- third order -------------------------------------------------------------------------------------------------------

// Σ of the second-order gradients of f with regard to its inputs, with a graph of its own.
template <class F>
Tensor second_order_sum(F f, const Tensors& inputs) {
  const Tensors first = grad({f(inputs).sum()}, inputs, {}, {.create_graph = true});
  Tensor sum = first[0].sum();
  for (std::size_t i = 1; i < first.size(); ++i) sum = sum + first[i].sum();
  Tensor total;
  for (const Tensor& second : grad({sum}, inputs, {}, {.create_graph = true, .allow_unused = true}))
    if (second.defined()) total = total.defined() ? total + second.sum() : second.sum();
  return total;
}

TEST_CASE("gradcheck: the third order of elu and prelu is refused") {
  const Tensor x = tensor({-1.0, 0.5}, DType::f64).requires_grad_();
  const Tensor w = tensor({0.25}, DType::f64).requires_grad_();
  const Tensor elu = second_order_sum([](const Tensors& in) { return in[0].elu(); }, {x});
  CHECK_THROWS_WITH_AS(
      elu.backward(),
      "backward: elu_backward_backward has no gradient, expected first or second order; activations are "
      "differentiable twice, not three times",
      Error);
  const Tensor prelu = second_order_sum([](const Tensors& in) { return in[0].prelu(in[1]); }, {x, w});
  CHECK_THROWS_WITH_AS(
      prelu.backward(),
      "backward: prelu_backward_backward has no gradient, expected first or second order; activations are "
      "differentiable twice, not three times",
      Error);
  const auto overwritten = [](const Tensors& in) {
    Tensor y = in[0] * in[0];
    y.elu_();
    return y;
  };
  CHECK_THROWS_WITH_AS(
      second_order_sum(overwritten, {x}).backward(),
      "backward: elu_backward_backward has no gradient, expected first or second order; activations are "
      "differentiable twice, not three times",
      Error);
  CHECK_FALSE(x.grad().defined());
  CHECK_FALSE(w.grad().defined());
}

TEST_CASE("gradcheck: the third order of relu and leaky_relu is zero") {
  const Tensor x = tensor({-1.0, 0.5}, DType::f64).requires_grad_();
  second_order_sum([](const Tensors& in) { return in[0].relu(); }, {x}).backward();
  CHECK(test::same_bits(x.grad(), zeros({2}, DType::f64)));
  Tensor(x).zero_grad();
  second_order_sum([](const Tensors& in) { return in[0].leaky_relu(0.3); }, {x}).backward();
  CHECK(test::same_bits(x.grad(), zeros({2}, DType::f64)));
}

}  // namespace
