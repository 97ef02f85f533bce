// In-place ops, and what backward does about values that were overwritten after they were saved.

#include <cmath>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <rill/core/create.hpp>
#include <rill/core/graph.hpp>
#include <rill/core/ops/cross_entropy.hpp>
#include <rill/core/ops/linear.hpp>
#include <rill/optim/adam.hpp>
#include <rill/optim/sgd.hpp>

namespace {

using namespace rill;
using Values = std::vector<double>;

Tensor leaf(std::initializer_list<NestedList> list) { return tensor(list, DType::f64).requires_grad_(); }

Values values(const Tensor& t) {
  const auto data = t.data<double>();
  return {data.begin(), data.end()};
}

std::uint32_t version_of(const Tensor& t) { return detail::Access::record(t).block->version.load(); }

// What backward says when `what` of `op` was overwritten once after it had been saved at `saved`.
std::string overwritten(const char* op, const char* what, const char* shape, std::uint32_t saved) {
  return detail::concat("backward: ", op, " needs its ", what, " ", shape,
                        ", which was overwritten in place (version ", saved + 1, ", saved at version ", saved,
                        "); use the form that is not in place");
}

// --- values and gradients ---------------------------------------------------------------------------------------------

TEST_CASE("in place: relu_ gives relu's values and gradient") {
  Tensor x = leaf({-2, 0, 3});
  Tensor y = x * 2.0;
  y.relu_();
  CHECK(values(y) == Values{0, 0, 6});
  (y * tensor({5, 6, 7}, DType::f64)).sum().backward();
  CHECK(values(x.grad()) == Values{0, 0, 14});
}

TEST_CASE("in place: leaky_relu_ gives leaky_relu's values and gradient") {
  Tensor x = leaf({-2, 0, 3});
  Tensor y = x * 2.0;
  y.leaky_relu_(0.25);
  CHECK(values(y) == Values{-1, 0, 6});
  (y * tensor({5, 6, 7}, DType::f64)).sum().backward();
  CHECK(values(x.grad()) == Values{2.5, 3, 14});
}

TEST_CASE("in place: elu_ gives elu's values and gradient") {
  Tensor x = leaf({-1, 0, 3});
  Tensor y = x * 2.0;
  y.elu_(0.5);
  CHECK(values(y) == Values{0.5 * std::expm1(-2.0), 0, 6});
  (y * tensor({5, 6, 7}, DType::f64)).sum().backward();
  const Values g = values(x.grad());
  CHECK(g[0] == doctest::Approx(10 * 0.5 * std::exp(-2.0)).epsilon(1e-15));
  CHECK(g[1] == 6);
  CHECK(g[2] == 14);
}

TEST_CASE("in place: elu_ can be differentiated twice") {
  Tensor x = leaf({-1, 3});
  Tensor y = x * 2.0;
  y.elu_();
  const Tensor g = grad({y.sum()}, {x}, {}, {.create_graph = true})[0];
  const Values second = values(grad({g.sum()}, {x})[0]);
  CHECK(second[0] == doctest::Approx(4 * std::exp(-2.0)).epsilon(1e-15));
  CHECK(second[1] == 0);
}

TEST_CASE("in place: the result is the tensor itself, on its own block") {
  Tensor y = tensor({-1, 2});
  const float* block = y.data<float>().data();
  Tensor& result = y.relu_().leaky_relu_().elu_();
  CHECK(&result == &y);
  CHECK(y.data<float>().data() == block);
}

TEST_CASE("in place: several in-place ops in a row give the gradient of their composition") {
  Tensor x = leaf({-2, 3});
  Tensor y = x * 1.0;
  y.leaky_relu_(0.5);
  Tensor z = y * 3.0;
  z.relu_();
  z.sum().backward();
  CHECK(values(x.grad()) == Values{0, 3});
}

TEST_CASE("in place: an op after another in-place op on the same tensor is refused by the walk") {
  Tensor x = leaf({-2, 3});
  Tensor y = x * 1.0;
  y.leaky_relu_(0.5);
  const std::uint32_t saved = version_of(y);
  y.elu_();
  CHECK_THROWS_WITH_AS(y.sum().backward(), overwritten("leaky_relu", "output 0", "[2]", saved).c_str(),
                       Error);
}

TEST_CASE("in place: an undefined tensor is refused") {
  Tensor nothing;
  CHECK_THROWS_AS(nothing.relu_(), Error);
}

TEST_CASE("in place: bad attributes and i64 are refused before anything is written") {
  Tensor y = tensor({-1, 2});
  CHECK_THROWS_AS(y.leaky_relu_(-0.5), Error);
  CHECK_THROWS_AS(y.elu_(NAN), Error);
  CHECK(y.data<float>()[0] == -1);
  Tensor labels = tensor({-1, 2}, DType::i64);
  CHECK_THROWS_AS(labels.relu_(), Error);
  CHECK(labels.data<std::int64_t>()[0] == -1);
}

// --- what may not be overwritten --------------------------------------------------------------------------------------

TEST_CASE("in place: a leaf that requires a gradient is refused") {
  Tensor x = leaf({-1, 2});
  CHECK_THROWS_WITH_AS(
      x.relu_(),
      "relu_: the tensor [2] is a leaf that requires a gradient, expected a computed one; use relu()", Error);
  CHECK_THROWS_WITH_AS(x.leaky_relu_(),
                       "leaky_relu_: the tensor [2] is a leaf that requires a gradient, expected a computed "
                       "one; use leaky_relu()",
                       Error);
  CHECK_THROWS_WITH_AS(
      x.elu_(), "elu_: the tensor [2] is a leaf that requires a gradient, expected a computed one; use elu()",
      Error);
  CHECK(values(x) == Values{-1, 2});
}

TEST_CASE("in place: a leaf that requires a gradient is allowed under NoGrad, and stays one") {
  Tensor x = leaf({-1, 2});
  {
    const NoGrad guard;
    x.relu_();
  }
  CHECK(values(x) == Values{0, 2});
  CHECK(x.is_leaf());
  CHECK(x.requires_grad());
}

TEST_CASE("in place: a view on a leaf's block is refused") {
  Tensor x = leaf({-1, 2});
  Tensor y = x.reshape({2, 1});
  CHECK_THROWS_WITH_AS(
      y.relu_(),
      "relu_: the block of the tensor [2, 1] is shared with 1 other tensor(s) of a graph, whose "
      "gradients would be wrong; use relu()",
      Error);
  CHECK(values(x) == Values{-1, 2});
  x.sum().backward();
  CHECK(values(x.grad()) == Values{1, 1});
}

TEST_CASE("in place: a view on a computed tensor's block is refused, as is the tensor itself") {
  Tensor x = leaf({-1, 2});
  Tensor h = x * 2.0, view = h.reshape({1, 2}), third = view.reshape({2, 1});
  CHECK_THROWS_WITH_AS(
      view.elu_(),
      "elu_: the block of the tensor [1, 2] is shared with 2 other tensor(s) of a graph, whose "
      "gradients would be wrong; use elu()",
      Error);
  CHECK_THROWS_AS(h.relu_(), Error);
  CHECK(values(h) == Values{-2, 4});
}

TEST_CASE("in place: a detached alias of a tensor in a graph is refused") {
  Tensor x = leaf({-1, 2});
  Tensor alias = x.detach();
  CHECK_THROWS_WITH_AS(
      alias.relu_(),
      "relu_: the block of the tensor [2] is shared with 1 other tensor(s) of a graph, whose "
      "gradients would be wrong; use relu()",
      Error);
  Tensor h = x * 2.0, of_computed = h.detach();
  CHECK_THROWS_AS(of_computed.leaky_relu_(), Error);
  CHECK(values(x) == Values{-1, 2});
  CHECK(values(h) == Values{-2, 4});
}

TEST_CASE("in place: a tensor is free again when the other handles on its block are gone") {
  Tensor x = leaf({-1, 2});
  Tensor h = x * 2.0;
  { const Tensor view = h.reshape({1, 2}); }
  CHECK_NOTHROW(h.relu_());
  h.sum().backward();
  CHECK(values(x.grad()) == Values{0, 2});
}

TEST_CASE("in place: a view is allowed when the tensor that it was made from is gone") {
  Tensor x = leaf({-1, 2});
  Tensor view = (x * 2.0).reshape({1, 2});
  CHECK_NOTHROW(view.relu_());
  view.sum().backward();
  CHECK(values(x.grad()) == Values{0, 2});
}

TEST_CASE("in place: a leaf counts as part of a graph until requires_grad_(false)") {
  Tensor x = leaf({-1, 2});
  Tensor alias = x.detach();
  x.requires_grad_(false);
  CHECK_NOTHROW(alias.relu_());
  CHECK(values(x) == Values{0, 2});
}

TEST_CASE("in place: copies of one handle count once") {
  Tensor x = leaf({-1, 2});
  Tensor h = x * 2.0, copy = h;
  CHECK_NOTHROW(h.relu_());
  copy.sum().backward();
  CHECK(values(x.grad()) == Values{0, 2});
}

TEST_CASE("in place: data outside of graphs may be overwritten through any of its handles") {
  Tensor x = tensor({-1, 2});
  Tensor view = x.reshape({2, 1}), alias = x.detach();
  view.relu_();
  CHECK(alias.data<float>()[0] == 0);
  CHECK_NOTHROW(alias.elu_());
  CHECK_NOTHROW(x.leaky_relu_());
}

TEST_CASE("in place: a refused op leaves the version, the elements and the graph as they were") {
  Tensor x = leaf({-1, 2});
  Tensor h = x * 2.0, square = h * h, view = h.reshape({1, 2});
  const std::uint32_t version = version_of(h);
  CHECK_THROWS_AS(view.relu_(), Error);
  CHECK(version_of(h) == version);
  square.sum().backward();
  CHECK(values(x.grad()) == Values{-8, 16});
}

// --- overwritten values -----------------------------------------------------------------------------------------------

TEST_CASE("in place: overwriting a saved input makes backward refuse") {
  Tensor x = leaf({-1, 2});
  Tensor h = x * 2.0, square = h * h;
  const std::uint32_t saved = version_of(h);
  h.relu_();
  CHECK_THROWS_WITH_AS(square.sum().backward(), overwritten("mul", "input 1", "[2]", saved).c_str(), Error);
  CHECK_FALSE(x.grad().defined());
}

TEST_CASE("in place: overwriting a saved output makes backward refuse") {
  Tensor x = leaf({-1, 2});
  Tensor h = x * 2.0, y = h.relu();
  const std::uint32_t saved = version_of(y);
  y.elu_();
  CHECK_THROWS_WITH_AS(y.sum().backward(), overwritten("relu", "output 0", "[2]", saved).c_str(), Error);
}

TEST_CASE("in place: overwriting what no gradient reads is allowed") {
  Tensor x = leaf({-1, 2});
  Tensor h = x + 1.0, y = h + 5.0;
  h.relu_();
  (y.sum() + h.sum()).backward();
  CHECK(values(x.grad()) == Values{1, 2});
}

TEST_CASE("in place: mutable_data between forward and backward makes backward refuse") {
  Tensor x = leaf({-1, 2});
  const Tensor y = x * x;
  const std::uint32_t saved = version_of(x);
  x.mutable_data<double>()[0] = 5;
  CHECK_THROWS_WITH_AS(y.sum().backward(), overwritten("mul", "input 1", "[2]", saved).c_str(), Error);
  CHECK_FALSE(x.grad().defined());
}

TEST_CASE("in place: mutable_data through a view counts as well") {
  Tensor x = leaf({-1, 2});
  const Tensor y = x.elu();
  const std::uint32_t saved = version_of(x);
  x.detach().reshape({1, 2}).mutable_data<double>()[0] = 5;
  CHECK_THROWS_WITH_AS(y.sum().backward(), overwritten("elu", "input 0", "[2]", saved).c_str(), Error);
}

TEST_CASE("in place: reading with data() overwrites nothing") {
  Tensor x = leaf({-1, 2});
  const Tensor y = x * x;
  CHECK(x.data<double>()[0] == -1);
  CHECK_NOTHROW(y.sum().backward());
}

TEST_CASE("in place: an optimizer step between forward and backward makes backward refuse") {
  for (const bool adam : {true, false}) {
    Tensor x = leaf({{1, 2}}), w = leaf({{3, 4}});
    std::unique_ptr<optim::Optimizer> optimizer;
    if (adam) {
      optimizer = std::make_unique<optim::Adam>(std::vector{w});
    } else {
      optimizer = std::make_unique<optim::SGD>(std::vector{w}, optim::SGDOptions{.lr = 0.1});
    }
    linear(x, w).sum().backward();
    const Tensor y = linear(x, w);
    const Values x_grad = values(x.grad()), w_grad = values(w.grad());
    const std::uint32_t saved = version_of(w);
    optimizer->step();
    CHECK_THROWS_WITH_AS(y.sum().backward(), overwritten("linear", "input 1", "[1, 2]", saved).c_str(),
                         Error);
    CHECK(values(x.grad()) == x_grad);
    CHECK(values(w.grad()) == w_grad);
    CHECK_NOTHROW(linear(x, w).sum().backward());
  }
}

TEST_CASE("in place: a refused backward leaves every gradient as it was") {
  Tensor a = leaf({1, 2}), b = leaf({3, 4});
  (a * 7.0).sum().backward();
  Tensor c = b * 1.0;
  const Tensor square = c * c, newer = (a * b).sum();
  c.mutable_data<double>()[0] = 9;
  // The product of a and b is newer, so both have their gradients when the square is refused.
  const Tensor loss = newer + square.sum();
  CHECK_THROWS_AS(loss.backward(), Error);
  CHECK(values(a.grad()) == Values{7, 7});
  CHECK_FALSE(b.grad().defined());
  (a * b).sum().backward();
  CHECK(values(a.grad()) == Values{10, 11});
  CHECK(values(b.grad()) == Values{1, 2});
}

TEST_CASE("in place: grad() refuses overwritten values under the same text") {
  Tensor x = leaf({-1, 2});
  const Tensor y = x * x;
  x.mutable_data<double>()[0] = 5;
  CHECK_THROWS_AS(grad({y.sum()}, {x}), Error);
}

TEST_CASE("in place: an overwritten value that only an unneeded gradient reads is no obstacle") {
  Tensor x = leaf({-1, 2}), c = leaf({3, 4});
  const Tensor y = x * c;
  x.mutable_data<double>()[0] = 5;  // read by c's gradient alone
  CHECK(values(grad({y.sum()}, {x})[0]) == Values{3, 4});
}

TEST_CASE("in place: accumulation does not overwrite a gradient that a graph has saved") {
  Tensor x = leaf({2}), c = leaf({5});
  (x * x).sum().backward();
  const Tensor y = (x.grad() * c).sum();  // saves the gradient
  (x * 1.0).sum().backward();             // the sum is another tensor
  CHECK(values(x.grad()) == Values{5});
  y.backward();
  CHECK(values(c.grad()) == Values{4});
}

}  // namespace
