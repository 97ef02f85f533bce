// Every error of core (but its files), nn and optim, with its whole text; and that a refused call leaves its arguments
// as they were.

#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <locale>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <rill/core/blas.hpp>
#include <rill/core/io/safetensors.hpp>
#include <rill/core/op_list.hpp>
#include <rill/nn/layers.hpp>
#include <rill/nn/metrics.hpp>
#include <rill/optim/adam.hpp>
#include <rill/optim/one_cycle.hpp>
#include <rill/optim/sgd.hpp>

#include "gradcheck.hpp"
#include "temp_dir.hpp"

namespace {

using namespace rill;
using test::same_bits;

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

// What a refused call must not change.
struct Snapshot {
  Tensor tensor, data, grad;
  bool requires_grad;

  explicit Snapshot(const Tensor& of)
      : tensor(of),
        data(of.detach().clone()),
        grad(of.grad().defined() ? of.grad().detach().clone() : Tensor()),
        requires_grad(of.requires_grad()) {}
  bool unchanged() const {
    return same_bits(tensor, data) && same_bits(tensor.grad(), grad) &&
           tensor.requires_grad() == requires_grad;
  }
};

// The call throws Error with this text, twice, and neither changes `arguments` nor holds on to memory.
void refused(const std::string& text, const std::vector<Tensor>& arguments,
             const std::function<void()>& call) {
  CAPTURE(text);
  std::vector<Snapshot> snapshots;
  for (const Tensor& argument : arguments) snapshots.emplace_back(argument);
  CHECK_THROWS_WITH_AS(call(), text.c_str(), Error);
  const std::int64_t held = memory::stats().bytes_held;
  CHECK_THROWS_WITH_AS(call(), text.c_str(), Error);
  CHECK(memory::stats().bytes_held == held);
  for (const Snapshot& snapshot : snapshots) CHECK(snapshot.unchanged());
}

// An op refuses before it allocates anything at all.
void op_refuses(const std::string& text, const std::vector<Tensor>& arguments,
                const std::function<void()>& call) {
  refused(text, arguments, call);
  memory::trim();
  const std::uint64_t allocations = memory::stats().system_allocations;
  CHECK_THROWS_AS(call(), Error);
  CHECK(memory::stats().system_allocations == allocations);
}

// A leaf with a gradient, so that a change of it is seen.
Tensor leaf(const Shape& shape, DType dtype = DType::f32) {
  Tensor x = full(shape, 0.5, dtype).requires_grad_();
  x.set_grad(full(shape, 2, dtype));
  return x;
}
Tensor labels(const Shape& shape, double value = 0) { return full(shape, value, DType::i64); }

// --- shape.cpp -------------------------------------------------------------------------------------------------------

TEST_CASE("errors: a message is one line, whatever the names in it are") {
  const test::TempDir folder;
  nn::Sequential model{nn::ReLU()};
  io::save_safetensors(folder.file("x"), {.tensors = {{"a\x1b[2J\x7f\n", zeros({1})}}, .metadata = {}});
  try {
    nn::load_weights(model, folder.file("x"));
    FAIL("accepted");
  } catch (const Error& error) {
    CHECK(error.what() == folder.file("x") +
                              ": tensor \"a?[2J??\" [1] is not a parameter of the model, expected "
                              "those of its layers alone");
  }
}

TEST_CASE("errors: texts, also those of files, are the same in a program with a locale of its own") {
  struct Grouping : std::numpunct<char> {
    char do_decimal_point() const override { return ','; }
    char do_thousands_sep() const override { return '.'; }
    std::string do_grouping() const override { return "\3"; }
  };
  struct Restore {
    std::locale before = std::locale();
    ~Restore() { std::locale::global(before); }
  };
  const test::TempDir folder;
  const Tensor x = zeros({50, 40});
  io::save_safetensors(folder.file("plain"), {.tensors = {{"x", x}}, .metadata = {}, .checksum = true});
  {
    const Restore restore;
    std::locale::global(std::locale(std::locale::classic(), new Grouping));
    CHECK(rill::detail::concat(12345, " ", 0.5) == "12345 0.5");
    io::save_safetensors(folder.file("grouped"), {.tensors = {{"x", x}}, .metadata = {}, .checksum = true});
  }
  CHECK(folder.read("grouped") == folder.read("plain"));
  CHECK(io::load_safetensors(folder.file("grouped")).tensors.size() == 1);
}

TEST_CASE("errors: shapes") {
  refused("shape: 9 dimensions, expected at most 8", {}, [] { Shape{1, 1, 1, 1, 1, 1, 1, 1, 1}; });
  refused("shape: size -1 at dimension 1, expected 0 or more", {}, [] { Shape{2, -1}; });
  refused("shape: [4611686018427387904, 4] has too many elements, expected fewer than 2^60", {}, [] {
    Shape{std::int64_t{1} << 62, 4};
  });
  refused("shape: [1152921504606846976] has too many elements, expected fewer than 2^60", {},
          [] { Shape{std::int64_t{1} << 60}; });
  refused("shape: axis 2 is out of range for shape [2, 3], expected -2 to 1", {}, [] {
    Shape({2, 3}).at(2);
  });
  refused("shape: axis -3 is out of range for shape [2, 3], expected -2 to 1", {}, [] {
    Shape({2, 3}).at(-3);
  });
  refused("shape: axis 0 is out of range for shape [], expected none, the tensor is a scalar", {},
          [] { Shape().at(0); });
  refused("here: axis 1 is out of range for shape [5], expected -1 to 0", {},
          [] { normalize_axis(1, {5}, "here"); });
  refused("here: shapes [3, 4] and [3] do not broadcast, expected equal sizes or 1 at dimension -1 (4 and 3)",
          {}, [] {
            broadcast_shapes({3, 4}, {3}, "here");
          });
  refused(
      "here: shapes [2, 3] and [4, 1] do not broadcast, expected equal sizes or 1 at dimension -2 (2 and 4)",
      {}, [] {
        broadcast_shapes({2, 3}, {4, 1}, "here");
      });
}

TEST_CASE("shape: the largest number of elements is 2^60 - 1") {
  CHECK(Shape{(std::int64_t{1} << 60) - 1}.numel() == (std::int64_t{1} << 60) - 1);
}

// --- tensor.cpp ------------------------------------------------------------------------------------------------------

TEST_CASE("errors: every use of an undefined tensor") {
  const std::string text = "tensor: the tensor is undefined, expected one with elements";
  Tensor none;
  const Tensor x = leaf({2});
  const std::vector<std::function<void()>> uses{
      [&] { none.shape(); },
      [&] { none.dtype(); },
      [&] { none.dim(); },
      [&] { none.size(0); },
      [&] { none.numel(); },
      [&] { none.data<float>(); },
      [&] { none.item(); },
      [&] { none.requires_grad(); },
      [&] { none.is_leaf(); },
      [&] { none.requires_grad_(); },
      [&] { none.grad(); },
      [&] { none.set_grad(Tensor()); },
      [&] { none.backward(); },
      [&] { none.detach(); },
      [&] { none.clone(); },
      [&] { none + 1.0; },
      [&] { linear(none, x); },
      [&] { linear(x, none); },
      [&] { none.sum(); },
      [&] { grad({none}, {x}); },
      [&] { nn::count_correct(none, x); },
      [&] { none.mutable_data<float>(); },
      [&] { none.register_hook([](const Tensor& g) { return g; }); }};
  for (const auto& use : uses) refused(text, {x}, use);
  const std::vector<std::pair<std::string, std::function<void()>>> ops{
      {"relu: input 0", [&] { none.relu(); }},
      {"relu: input 0", [&] { none.relu_(); }},
      {"add: input 0", [&] { none + x; }},
      {"add: input 1", [&] { x + none; }},
      {"matmul: input 1", [&] { matmul(x, none); }},
      {"softmax: input 0", [&] { softmax(none); }},
      {"reshape: input 0", [&] { none.reshape({1}); }},
      {"cross_entropy: input 0", [&] { cross_entropy(none, x); }},
      {"prelu: input 1", [&] { prelu(x, none); }}};
  for (const auto& [where, use] : ops)
    refused(where + " is undefined, expected a tensor with elements", {x}, use);
  CHECK_FALSE(none.defined());
}

TEST_CASE("errors: elements, items and lists") {
  Tensor x = leaf({3});
  refused("tensor: elements read as f64, the tensor [3] holds f32", {x}, [&] { x.data<double>(); });
  refused("tensor: elements read as i64, the tensor [3] holds f32", {x},
          [&] { x.mutable_data<std::int64_t>(); });
  refused("item: the tensor is [3], expected one element", {x}, [&] { x.item(); });
  refused("item: the tensor is [0], expected one element", {}, [] { zeros({0}).item(); });
  const std::vector<float> values{1, 2, 3};
  refused("tensor: 3 values for shape [2, 2], expected 4", {}, [&] {
    tensor(std::span<const float>(values), {2, 2});
  });
  refused("tensor: the list is ragged, one part is [2] and another [1], expected equal shapes", {}, [] {
    tensor({{1, 2}, {3}});
  });
  refused("tensor: the list is ragged, one part is [] and another [2], expected equal shapes", {}, [] {
    tensor({NestedList(1), NestedList{2, 3}});
  });
  Generator generator(1);
  refused("rand: dtype is i64, expected f32 or f64", {}, [&] { rand({2}, generator, DType::i64); });
  refused("randn: dtype is i64, expected f32 or f64", {}, [&] { randn({2}, generator, DType::i64); });
}

TEST_CASE("errors: numbers that i64 cannot hold") {
  CHECK_THROWS_AS(tensor({nan}, DType::i64), Error);
  CHECK_THROWS_AS(tensor({1e30}, DType::i64), Error);
  CHECK_THROWS_AS(full({1}, nan, DType::i64), Error);
}

TEST_CASE("errors: requires_grad_, set_grad and register_hook") {
  Tensor x = leaf({2});
  Tensor y = x * 2.0, count = labels({2});
  refused("requires_grad_: dtype is i64, expected f32 or f64", {count}, [&] { count.requires_grad_(); });
  refused("requires_grad_: the tensor [2] was computed by an op, expected a leaf; use detach() first", {y},
          [&] { y.requires_grad_(); });
  refused("requires_grad_: the tensor [2] was computed by an op, expected a leaf; use detach() first", {y},
          [&] { y.requires_grad_(false); });
  refused("set_grad: the gradient is f32 [3], expected the tensor's f32 [2]", {x},
          [&] { x.set_grad(ones({3})); });
  refused("set_grad: the gradient is f64 [2], expected the tensor's f32 [2]", {x},
          [&] { x.set_grad(ones({2}, DType::f64)); });
  Tensor plain = ones({2});
  refused("register_hook: the tensor [2] requires no gradient, expected one that does", {plain},
          [&] { plain.register_hook([](const Tensor& g) { return g; }); });
}

// --- graph.cpp and walk.cpp ------------------------------------------------------------------------------------------

TEST_CASE("errors: in place on a leaf that requires a gradient") {
  Tensor x = leaf({2});
  op_refuses("relu_: the tensor [2] is a leaf that requires a gradient, expected a computed one; use relu()",
             {x}, [&] { x.relu_(); });
  op_refuses(
      "leaky_relu_: the tensor [2] is a leaf that requires a gradient, expected a computed one; "
      "use leaky_relu()",
      {x}, [&] { x.leaky_relu_(); });
  op_refuses("elu_: the tensor [2] is a leaf that requires a gradient, expected a computed one; use elu()",
             {x}, [&] { x.elu_(); });
}

TEST_CASE("errors: in place on a block that another tensor of a graph shares") {
  Tensor x = leaf({2, 3});
  Tensor computed = x * 1.0;
  const Tensor view = computed.reshape({6});
  op_refuses(
      "relu_: the block of the tensor [2, 3] is shared with 1 other tensor(s) of a graph, whose gradients "
      "would "
      "be wrong; use relu()",
      {x, computed, view}, [&] { computed.relu_(); });
  Tensor outside = x.detach();
  op_refuses(
      "elu_: the block of the tensor [2, 3] is shared with 1 other tensor(s) of a graph, whose gradients "
      "would "
      "be wrong; use elu()",
      {x, outside}, [&] { outside.elu_(); });
}

TEST_CASE("errors: in place with a bad attribute or dtype") {
  Tensor x = leaf({2}), y = x * 1.0, count = labels({2}, -1);
  op_refuses("leaky_relu: negative_slope is -0.1, expected a finite number, 0 or more", {x, y},
             [&] { y.leaky_relu_(-0.1); });
  op_refuses("elu: alpha is nan, expected a finite number, 0 or more", {x, y}, [&] { y.elu_(nan); });
  op_refuses("relu: x is i64, expected f32 or f64", {count}, [&] { count.relu_(); });
}

TEST_CASE("errors: a walk that needs an overwritten value") {
  Tensor x = leaf({2}), b = full({2}, 3);
  const Tensor y = (x * b).sum();
  b.mutable_data<float>()[0] = 7;
  refused(
      "backward: mul needs its input 1 [2], which was overwritten in place (version 2, saved at version 1); "
      "use the "
      "form that is not in place",
      {x}, [&] { y.backward({.retain_graph = true}); });

  Tensor s = softmax(x);
  const Tensor after = s.sum();
  s.relu_();
  refused(
      "backward: softmax needs its output 0 [2], which was overwritten in place (version 2, saved at version "
      "1); "
      "use the form that is not in place",
      {x}, [&] { after.backward({.retain_graph = true}); });
}

TEST_CASE("errors: gradients of a third order") {
  const Tensor x = leaf({2});
  const Tensor first = grad({x.elu().sum()}, {x}, {}, {.create_graph = true})[0];
  const Tensor second = grad({first.sum()}, {x}, {}, {.create_graph = true})[0];
  refused(
      "backward: elu_backward_backward has no gradient, expected first or second order; activations are "
      "differentiable twice, not three "
      "times",
      {x}, [&] { second.sum().backward({.retain_graph = true}); });
}

TEST_CASE("errors: backward") {
  Tensor x = leaf({2});
  const Tensor y = x * 2.0, plain = ones({});
  refused("backward: loss must be a scalar, got [2]; reduce it with mean() or sum()", {x},
          [&] { y.backward(); });
  refused(
      "backward: loss [] requires no gradient; call requires_grad_() on a leaf that it is computed from, "
      "outside of "
      "NoGrad",
      {x}, [&] { plain.backward(); });
  refused(
      "backward: the output [] requires no gradient; call requires_grad_() on a leaf that it is computed "
      "from, "
      "outside of NoGrad",
      {x}, [&] { plain.backward(plain); });
  refused("backward: the gradient of the output is f32 [3], expected the output's f32 [2]", {x},
          [&] { y.backward(ones({3})); });
  refused("backward: the gradient of the output is f64 [2], expected the output's f32 [2]", {x},
          [&] { y.backward(ones({2}, DType::f64)); });

  const Tensor loss = y.sum();
  loss.backward();
  refused(
      "backward: the graph of sum [] was freed by an earlier walk; pass retain_graph to the first one to "
      "walk it "
      "again",
      {x}, [&] { loss.backward(); });
}

TEST_CASE("errors: a hook that returns another shape") {
  Tensor x = leaf({2});
  const Tensor loss = (x * 2.0).sum();
  HookHandle handle = x.register_hook([](const Tensor&) { return ones({3}); });
  refused("register_hook: the hook returned f32 [3], expected the gradient's f32 [2]", {x},
          [&] { loss.backward({.retain_graph = true}); });
  handle.remove();
  Tensor y = x * 1.0;
  y.register_hook([](const Tensor&) { return ones({2}, DType::f64); });
  refused("register_hook: the hook returned f64 [2], expected the gradient's f32 [2]", {x},
          [&] { (y + 1.0).sum().backward({.retain_graph = true}); });
}

TEST_CASE("errors: a walk that is refused for an unused input leaves the graph as it was") {
  Tensor x = leaf({2});
  const Tensor unused = leaf({2}), loss = (x * 2.0).sum();
  const std::string text =
      "grad: no output depends on input 1 [2]; pass allow_unused to get an undefined gradient";
  refused(text, {x, unused}, [&] { grad({loss}, {x, unused}); });
  CHECK_NOTHROW(loss.backward());
}

TEST_CASE("errors: a hook that returns another shape leaves the gradients as they were") {
  Tensor x = leaf({2});
  x.register_hook([](const Tensor&) { return ones({3}); });
  refused("register_hook: the hook returned f32 [3], expected the gradient's f32 [2]", {x},
          [&] { (x * 2.0).sum().backward(); });
}

// An op of a user's whose gradient has the wrong shape.
struct Crooked {
  static constexpr std::string_view name = "crooked";
  Meta infer(const Tensor& x) const { return {x.shape(), x.dtype()}; }
  void forward(const Tensor& x, Tensor& y) const {
    std::ranges::copy(x.data<float>(), y.mutable_data<float>().begin());
  }
  Tensor gradient(const Incoming&) const { return ones({3}, DType::f64); }
};

TEST_CASE("errors: a gradient of another shape than its input") {
  const Tensor x = leaf({2}), other = leaf({2});
  const Tensor loss = (apply(Crooked{}, x) * other).sum();
  refused("backward: the gradient of crooked for input 0 is f64 [3], expected f32 [2]", {x, other},
          [&] { loss.backward({.retain_graph = true}); });
}

TEST_CASE("errors: grad") {
  const Tensor x = leaf({2}), unused = leaf({2}), plain = ones({2});
  const Tensor y = x * 2.0, loss = y.sum();
  refused("grad: 0 outputs and 1 inputs, expected at least one of each", {x}, [&] { grad({}, {x}); });
  refused("grad: 1 outputs and 0 inputs, expected at least one of each", {x}, [&] { grad({loss}, {}); });
  refused("grad: 2 gradients for 1 outputs, expected one each or none", {x}, [&] {
    grad({loss}, {x}, {ones({}), ones({})});
  });
  refused("grad: an output must be a scalar, got [2]; reduce it with mean() or sum()", {x},
          [&] { grad({y}, {x}); });
  refused("grad: the gradient of the output is f32 [3], expected the output's f32 [2]", {x},
          [&] { grad({y}, {x}, {ones({3})}); });
  refused(
      "grad: an output [2] requires no gradient; call requires_grad_() on a leaf that it is computed from, "
      "outside "
      "of NoGrad",
      {x}, [&] { grad({plain}, {x}); });
  refused("grad: input 1 [2] requires no gradient; call requires_grad_() before it is used", {x, plain}, [&] {
    grad({loss}, {x, plain});
  });
  refused("grad: no output depends on input 1 [2]; pass allow_unused to get an undefined gradient",
          {x, unused}, [&] {
            grad({loss}, {x, unused}, {}, {.retain_graph = true});
          });
  grad({loss}, {x});
  refused(
      "grad: the graph of sum [] was freed by an earlier walk; pass retain_graph to the first one to walk it "
      "again",
      {x}, [&] { grad({loss}, {x}); });
}

// --- blas.cpp ----------------------------------------------------------------------------------------------------------

TEST_CASE("errors: products that BLAS cannot count") {
  const float none = 0;
  float result = 0;
  refused("gemm: sizes 2147483648, 1, 1, expected at most 2147483647", {},
          [&] { blas::gemm<float>(false, false, std::int64_t{1} << 31, 1, 1, &none, &none, &result); });
  CHECK(result == 0);
}

// --- ops ---------------------------------------------------------------------------------------------------------------

TEST_CASE("errors: add, sub, mul and div") {
  const Tensor x = leaf({3, 4}), wide = leaf({3, 4}, DType::f64), row = leaf({3}), count = labels({3, 4});
  op_refuses("add: dtypes are f32 and f64, expected equal ones; convert one with to()", {x, wide},
             [&] { x + wide; });
  op_refuses("sub: dtypes are f32 and i64, expected equal ones; convert one with to()", {x, count},
             [&] { x - count; });
  op_refuses("mul: dtype is i64, expected f32 or f64", {count}, [&] { count* count; });
  op_refuses(
      "div: shapes [3, 4] and [3] do not broadcast, expected equal sizes or 1 at dimension -1 (4 and 3)",
      {x, row}, [&] { x / row; });
}

TEST_CASE("errors: to") {
  op_refuses("to: x [3] contains nan, expected numbers in the range of i64", {},
             [x = tensor({1, nan, 2})] { to(x, DType::i64); });
  op_refuses("to: x [2] contains 1e+30, expected numbers in the range of i64", {},
             [x = tensor({0, 1e30}, DType::f64)] { x.to(DType::i64); });
  op_refuses("to: x [1] contains -inf, expected numbers in the range of i64", {},
             [x = tensor({-inf})] { x.to(DType::i64); });
}

TEST_CASE("errors: activations") {
  const Tensor x = leaf({2, 3}), count = labels({2, 3});
  op_refuses("relu: x is i64, expected f32 or f64", {count}, [&] { relu(count); });
  op_refuses("leaky_relu: x is i64, expected f32 or f64", {count}, [&] { leaky_relu(count); });
  op_refuses("elu: x is i64, expected f32 or f64", {count}, [&] { elu(count); });
  op_refuses("leaky_relu: negative_slope is -0.01, expected a finite number, 0 or more", {x},
             [&] { x.leaky_relu(-0.01); });
  op_refuses("leaky_relu: negative_slope is nan, expected a finite number, 0 or more", {x},
             [&] { x.leaky_relu(nan); });
  op_refuses("leaky_relu: negative_slope is inf, expected a finite number, 0 or more", {x},
             [&] { x.leaky_relu(inf); });
  op_refuses("elu: alpha is -1, expected a finite number, 0 or more", {x}, [&] { x.elu(-1); });
  op_refuses("elu: alpha is nan, expected a finite number, 0 or more", {x}, [&] { x.elu(nan); });
  op_refuses("elu: alpha is inf, expected a finite number, 0 or more", {x}, [&] { x.elu(inf); });
}

TEST_CASE("errors: prelu") {
  const Tensor x = leaf({2, 3}), w = leaf({4}), wide = leaf({3}, DType::f64), matrix = leaf({1, 3});
  const Tensor count = labels({2, 3}), one = labels({1}), line = leaf({3}), three = leaf({3});
  op_refuses("prelu: dtypes are x f32 and weight f64, expected equal ones; convert one with to()", {x, wide},
             [&] { x.prelu(wide); });
  op_refuses("prelu: dtype is i64, expected f32 or f64", {count, one}, [&] { count.prelu(one); });
  op_refuses("prelu: weight is [4], expected [1] or [3] (x [2, 3])", {x, w}, [&] { x.prelu(w); });
  op_refuses("prelu: weight is [1, 3], expected [1] or [3] (x [2, 3])", {x, matrix},
             [&] { x.prelu(matrix); });
  op_refuses("prelu: weight is [3], expected [1] (x [3])", {line, three}, [&] { line.prelu(three); });
}

TEST_CASE("errors: linear") {
  const Tensor x = leaf({32, 780}), w = leaf({128, 784}), fits = leaf({128, 780}), b = leaf({100});
  const Tensor wide = leaf({128, 780}, DType::f64), line = leaf({5}), count = labels({2, 2});
  op_refuses("linear: x has 780 features, weight expects 784 (x [32, 780], weight [128, 784])", {x, w},
             [&] { linear(x, w); });
  op_refuses("linear: x has 5 features, weight expects 780 (x [5], weight [128, 780])", {line, fits},
             [&] { linear(line, fits); });
  op_refuses("linear: weight is [100], expected [out, in]", {x, b}, [&] { linear(x, b); });
  op_refuses("linear: bias is [100], expected [128] (weight [128, 780])", {x, fits, b},
             [&] { linear(x, fits, b); });
  op_refuses("linear: dtypes are x f32, weight f64, expected equal ones; convert with to()", {x, wide},
             [&] { linear(x, wide); });
  op_refuses("linear: dtypes are x f32, weight f32, bias i64, expected equal ones; convert with to()",
             {x, fits}, [&, bias = labels({128})] { linear(x, fits, bias); });
  op_refuses("linear: dtype is i64, expected f32 or f64", {count}, [&] { linear(count, count); });
}

TEST_CASE("errors: a scalar has no features for linear") {
  const Tensor scalar = leaf({}), w = leaf({2, 1});
  op_refuses("linear: x is a scalar, expected [..., 1] (weight [2, 1])", {scalar, w},
             [&] { linear(scalar, w); });
}

TEST_CASE("errors: matmul") {
  const Tensor a = leaf({2, 3}), b = leaf({2, 4}), wide = leaf({3, 2}, DType::f64), stack = leaf({2, 3, 4});
  const Tensor count = labels({2, 2});
  op_refuses("matmul: dtypes are f32 and f64, expected equal ones; convert one with to()", {a, wide},
             [&] { matmul(a, wide); });
  op_refuses("matmul: dtype is i64, expected f32 or f64", {count}, [&] { matmul(count, count); });
  op_refuses("matmul: a [2, 3, 4] has 4 columns, b [2, 4] has 2 rows, expected as many", {stack, b},
             [&] { matmul(stack, b); });
  op_refuses("matmul: a [2, 3] has 3 columns, b [2, 4] has 2 rows, expected as many", {a, b},
             [&] { a.matmul(b); });
  op_refuses("matmul: a [2, 3] transposed has 2 columns, b [2, 4] transposed has 4 rows, expected as many",
             {a, b}, [&] { matmul(a, b, true, true); });
}

TEST_CASE("errors: sum and mean") {
  const Tensor x = leaf({2, 3}), count = labels({2});
  op_refuses("sum: x is i64, expected f32 or f64", {count}, [&] { count.sum(); });
  op_refuses("mean: x is i64, expected f32 or f64", {count}, [&] { count.mean(); });
  op_refuses("sum: axis 2 is out of range for shape [2, 3], expected -2 to 1", {x}, [&] { x.sum({2}); });
  op_refuses("mean: axis -1 is named twice, expected distinct axes", {x}, [&] { x.mean({1, -1}); });
}

TEST_CASE("errors: expand and reshape") {
  const Tensor x = leaf({2, 3});
  op_refuses("expand: x is [2, 3], expected a shape that broadcasts to [3]", {x}, [&] { expand(x, {3}); });
  op_refuses(
      "expand: shapes [2, 3] and [2, 4] do not broadcast, expected equal sizes or 1 at dimension -1 (3 and "
      "4)",
      {x}, [&] {
        expand(x, {2, 4});
      });
  op_refuses("reshape: x [2, 3] has 6 elements, shape [4] has 4, expected as many", {x},
             [&] { x.reshape({4}); });
  op_refuses("reshape: more than one size is -1, expected at most one", {x}, [&] { x.reshape({-1, -1}); });
  op_refuses("reshape: 9 dimensions, expected at most 8", {x}, [&] {
    x.reshape({-1, 1, 1, 1, 1, 1, 1, 1, 1});
  });
  op_refuses("reshape: x [2, 3] has 6 elements, expected a multiple of 4 for a shape with -1", {x}, [&] {
    x.reshape({-1, 4});
  });
  op_refuses("reshape: x [2, 3] has 6 elements, expected a multiple of 0 for a shape with -1", {x}, [&] {
    x.reshape({-1, 0});
  });
}

TEST_CASE("errors: softmax") {
  const Tensor scalar = leaf({}), count = labels({2});
  op_refuses("softmax: x is i64, expected f32 or f64", {count}, [&] { softmax(count); });
  op_refuses("softmax: x is a scalar, expected at least one axis", {scalar}, [&] { softmax(scalar); });
}

TEST_CASE("errors: cross_entropy") {
  const Tensor x = leaf({2, 3}), line = leaf({3}), target = labels({2}), weight = full({3}, 1);
  const auto loss = [](const Tensor& logits, const Tensor& of, double smoothing = 0,
                       const Tensor& weights = {}) {
    return [=] { cross_entropy(logits, of, {.label_smoothing = smoothing}, weights); };
  };
  op_refuses("cross_entropy: logits are i64, expected f32 or f64", {}, loss(labels({2, 3}), target));
  op_refuses("cross_entropy: logits are [3], expected [n, classes]", {line}, loss(line, target));
  op_refuses("cross_entropy: logits are [2, 0], expected [n, classes]", {}, loss(zeros({2, 0}), target));
  op_refuses("cross_entropy: target is f32, expected i64 labels", {x}, loss(x, ones({2})));
  op_refuses("cross_entropy: target is [3], expected [2] (logits [2, 3])", {x}, loss(x, labels({3})));
  op_refuses("cross_entropy: weight is f32 [2], expected f32 [3]", {x}, loss(x, target, 0, ones({2})));
  op_refuses("cross_entropy: weight is f64 [3], expected f32 [3]", {x},
             loss(x, target, 0, ones({3}, DType::f64)));
  op_refuses("cross_entropy: weight requires a gradient, expected constants; use detach()", {x, line},
             loss(x, target, 0, line));
  op_refuses("cross_entropy: label_smoothing is 1.5, expected 0 to 1", {x}, loss(x, target, 1.5));
  op_refuses("cross_entropy: label_smoothing is -0.1, expected 0 to 1", {x}, loss(x, target, -0.1));
  op_refuses("cross_entropy: label_smoothing is nan, expected 0 to 1", {x}, loss(x, target, nan));
  op_refuses("cross_entropy: label 3 in row 1 is out of range, expected 0 to 2", {x},
             loss(x, tensor({0, 3}, DType::i64)));
  op_refuses("cross_entropy: label -1 in row 0 is out of range, expected 0 to 2", {x},
             loss(x, tensor({-1, 0}, DType::i64)));
}

// --- nn ----------------------------------------------------------------------------------------------------------------

TEST_CASE("errors: initialisers") {
  Generator generator(1);
  Tensor line = ones({3}), empty_matrix = zeros({0, 3}), count = labels({2, 2});
  refused("init: weight is [3], expected [out, in] with at least one element", {line},
          [&] { nn::init::kaiming_normal()(line, generator); });
  refused("init: weight is [0, 3], expected [out, in] with at least one element", {empty_matrix},
          [&] { nn::init::xavier_uniform()(empty_matrix, generator); });
  refused("init: dtype is i64, expected f32 or f64", {count},
          [&] { nn::init::kaiming_uniform()(count, generator); });
  refused("init: dtype is i64, expected f32 or f64", {count},
          [&] { nn::init::constant(1)(count, generator); });
  refused("init: gain is -1, expected a finite number, 0 or more", {}, [] { nn::init::kaiming_normal(-1); });
  refused("init: gain is nan, expected a finite number, 0 or more", {},
          [] { nn::init::kaiming_uniform(nan); });
  refused("init: gain is inf, expected a finite number, 0 or more", {}, [] { nn::init::xavier_normal(inf); });
  refused("init: gain is -2, expected a finite number, 0 or more", {}, [] { nn::init::xavier_uniform(-2); });
  refused("init: slope is -0.5, expected a finite number, 0 or more", {},
          [] { nn::init::gain("leaky_relu", -0.5); });
  refused(
      "init: unknown nonlinearity \"gelu\", expected linear, sigmoid, tanh, relu, leaky_relu, prelu, selu or "
      "elu",
      {}, [] { nn::init::gain("gelu"); });
}

TEST_CASE("errors: layers") {
  Generator generator(1);
  refused("Dense: in is 0 and out is 3, expected 1 or more", {}, [&] { nn::Dense(0, 3, generator); });
  refused("Dense: in is 3 and out is -1, expected 1 or more", {}, [&] { nn::Dense(3, -1, generator); });
  refused("LeakyReLU: negative_slope is -0.3, expected a finite number, 0 or more", {},
          [] { nn::LeakyReLU(-0.3); });
  refused("LeakyReLU: negative_slope is nan, expected a finite number, 0 or more", {},
          [] { nn::LeakyReLU layer(nan); });
  refused("ELU: alpha is inf, expected a finite number, 0 or more", {}, [] { nn::ELU layer(inf); });
  refused("PReLU: num_parameters is 0, expected 1 or more", {}, [] { nn::PReLU(0); });
  refused("PReLU: initial_slope is nan, expected a finite number", {}, [] { nn::PReLU(1, nan); });
  const Tensor scalar = leaf({}), x = leaf({2, 3});
  refused("Flatten: x is a scalar, expected [n, ...]", {scalar}, [&] { nn::Flatten()(scalar); });
  nn::Sequential model(nn::Dense(4, 2, generator), nn::ReLU());
  refused("linear: x has 3 features, weight expects 4 (x [2, 3], weight [2, 4])", {x}, [&] { model(x); });
  refused("Sequential: the module is null, expected one", {},
          [&] { model.add(std::unique_ptr<nn::Module>()); });
  CHECK(model.size() == 2);
  refused("Sequential: there is no module 2, expected 0 to 1", {}, [&] { model[2]; });
}

TEST_CASE("errors: layers of i64") {
  Generator generator(1);
  refused("Dense: dtype is i64, expected f32 or f64", {},
          [&] { nn::Dense(2, 2, generator, {.dtype = DType::i64}); });
  refused("PReLU: dtype is i64, expected f32 or f64", {}, [] { nn::PReLU(1, 0.25, DType::i64); });
}

TEST_CASE("errors: no module in an empty Sequential") {
  nn::Sequential none;
  refused("Sequential: there is no module 0, expected a model with at least one", {}, [&] { none[0]; });
}

TEST_CASE("errors: a parameter that is undefined") {
  struct Hollow final : nn::Module {
    Tensor weight;
    Tensor forward(const Tensor& x) override { return x; }
    void visit(nn::Visitor& visitor) override { visitor.parameter("weight", weight); }
  };
  nn::Sequential model;
  model.add(std::unique_ptr<nn::Module>(std::make_unique<Hollow>()));
  refused("visit: tensor \"0.weight\" is undefined, expected one with elements", {},
          [&] { model.parameters(); });
}

TEST_CASE("errors: weights that are not the model's") {
  const test::TempDir folder;
  const std::string path = folder.path() + "/weights.safetensors";
  Generator generator(1);
  nn::Dense model(2, 3, generator);
  for (Tensor& parameter : model.parameters()) parameter.set_grad(ones(parameter.shape()));
  const auto load = [&] { nn::load_weights(model, path); };
  const auto save = [&](const std::vector<std::pair<std::string, Tensor>>& tensors) {
    io::save_safetensors(path, {tensors, {}});
  };
  save({{"weight", zeros({3, 2})}});
  refused(path + ": parameter \"bias\" is missing, model expects f32 [3]", model.parameters(), load);
  save({{"weight", zeros({2, 3})}, {"bias", zeros({3})}});
  refused(path + ": parameter \"weight\" is [2, 3], model expects [3, 2]", model.parameters(), load);
  save({{"weight", zeros({3, 2})}, {"bias", zeros({3}, DType::f64)}});
  refused(path + ": parameter \"bias\" is f64, model expects f32", model.parameters(), load);
  save({{"weight", zeros({3, 2})}, {"bias", zeros({3})}, {"scale", zeros({4})}});
  refused(path + ": tensor \"scale\" [4] is not a parameter of the model, expected those of its layers alone",
          model.parameters(), load);
}

TEST_CASE("errors: count_correct") {
  const Tensor x = leaf({2, 3}), line = leaf({3});
  refused("count_correct: logits are [3], expected [n, classes]", {line},
          [&] { nn::count_correct(line, labels({3})); });
  refused("count_correct: logits are [2, 0], expected [n, classes]", {}, [] {
    nn::count_correct(zeros({2, 0}), labels({2}));
  });
  refused("count_correct: labels are i64 [3], expected i64 [2]", {x},
          [&] { nn::count_correct(x, labels({3})); });
  refused("count_correct: labels are f32 [2], expected i64 [2]", {x},
          [&] { nn::count_correct(x, ones({2})); });
  refused("count_correct: dtype is i64, expected f32 or f64", {}, [] {
    nn::count_correct(labels({2, 3}), labels({2}));
  });
}

// --- optim -------------------------------------------------------------------------------------------------------------

TEST_CASE("errors: the parameters of an optimizer") {
  const Tensor x = leaf({2}), plain = ones({2}), computed = x * 1.0;
  const auto make = [](std::vector<Tensor> params) { return [params] { optim::SGD(params, {.lr = 0.1}); }; };
  refused("SGD: there are no parameters that require a gradient, expected at least one", {}, make({}));
  refused("SGD: a parameter is undefined, expected a tensor", {x}, make({x, Tensor()}));
  refused("SGD: a parameter [2] is no leaf that requires a gradient, expected one; call requires_grad_()",
          {x, plain}, make({x, plain}));
  refused("SGD: a parameter [2] is no leaf that requires a gradient, expected one; call requires_grad_()",
          {x, computed}, make({computed}));
  refused("SGD: a parameter [2] appears twice, expected each once", {x}, make({x, x}));
  refused("AdamW: a parameter [2] appears twice, expected each once", {x}, [&] {
    optim::AdamW({optim::Group{{x}, {}, {}}, optim::Group{{x}, {}, {}}});
  });
  nn::ReLU empty_model;
  refused("Adam: there are no parameters that require a gradient, expected at least one", {},
          [&] { optim::Adam adam(empty_model); });
}

TEST_CASE("errors: the numbers of an optimizer") {
  const Tensor x = leaf({2});
  const std::vector<Tensor> params{x};
  const auto sgd = [&](const optim::SGDOptions& options) { return [=] { optim::SGD(params, options); }; };
  const auto adam = [&](const optim::AdamOptions& options) { return [=] { optim::Adam(params, options); }; };
  refused("SGD: lr is -0.1, expected a finite number, 0 or more", {x}, sgd({.lr = -0.1}));
  refused("SGD: lr is nan, expected a finite number, 0 or more", {x}, sgd({.lr = nan}));
  refused("SGD: lr is inf, expected a finite number, 0 or more", {x}, sgd({.lr = inf}));
  refused("SGD: momentum is -1, expected a finite number, 0 or more", {x}, sgd({.lr = 1, .momentum = -1}));
  refused("SGD: dampening is nan, expected a finite number, 0 or more", {x},
          sgd({.lr = 1, .dampening = nan}));
  refused("SGD: weight_decay is -1, expected a finite number, 0 or more", {x},
          sgd({.lr = 1, .weight_decay = -1}));
  refused("SGD: nesterov with momentum 0 and dampening 0, expected a momentum and no dampening", {x},
          sgd({.lr = 1, .nesterov = true}));
  refused("SGD: nesterov with momentum 0.9 and dampening 0.1, expected a momentum and no dampening", {x},
          sgd({.lr = 1, .momentum = 0.9, .dampening = 0.1, .nesterov = true}));
  refused("Adam: lr is -1, expected a finite number, 0 or more", {x}, adam({.lr = -1}));
  refused("Adam: beta1 is 1, expected 0 or more and less than 1", {x}, adam({.beta1 = 1}));
  refused("Adam: beta2 is -0.5, expected 0 or more and less than 1", {x}, adam({.beta2 = -0.5}));
  refused("Adam: eps is nan, expected a finite number, 0 or more", {x}, adam({.eps = nan}));
  refused("Adam: weight_decay is inf, expected a finite number, 0 or more", {x}, adam({.weight_decay = inf}));
  refused("AdamW: beta1 is nan, expected 0 or more and less than 1", {x},
          [&] { optim::AdamW(params, optim::AdamWOptions{.beta1 = nan}); });
  refused("Adam: lr is -2, expected a finite number, 0 or more", {x}, [&] {
    optim::Adam({optim::Group{params, -2.0, {}}});
  });
}

TEST_CASE("errors: changing an optimizer") {
  const Tensor x = leaf({2});
  optim::SGD sgd({x}, {.lr = 0.1}), rolling({x}, {.lr = 0.1, .momentum = 0.9});
  optim::Adam adam({x}, {.lr = 0.1});
  refused("SGD: lr is -1, expected a finite number, 0 or more", {x}, [&] { sgd.set_lr(-1); });
  refused("SGD: there is no group 1, expected 0 to 0", {x}, [&] { sgd.set_lr(1, 0.5); });
  refused("SGD: there is no group 1, expected 0 to 0", {x}, [&] { sgd.lr(1); });
  CHECK(sgd.lr() == 0.1);
  refused("SGD: there is no momentum to set, expected one above 0 from the start", {x},
          [&] { sgd.set_momentum(0.9); });
  refused("SGD: momentum is -1, expected a finite number, 0 or more", {x}, [&] { rolling.set_momentum(-1); });
  CHECK(rolling.momentum() == 0.9);
  refused("Adam: beta1 is 1, expected 0 or more and less than 1", {x}, [&] { adam.set_momentum(1); });
  CHECK(adam.momentum() == 0.9);
}

TEST_CASE("errors: an optimizer without a momentum") {
  struct Plain final : optim::Optimizer {
    explicit Plain(const Tensor& x) : Optimizer("Plain", optim::detail::one_group({x}), 0.1, 0) {}
    void update(Slot&, const Tensor&, double, double) override {}
  };
  Plain optimizer(leaf({2}));
  refused("Plain: there is no momentum to set, expected an optimizer that has one", {},
          [&] { optimizer.set_momentum(0.9); });
}

TEST_CASE("errors: one cycle") {
  optim::SGD sgd({leaf({2})}, {.lr = 0.1, .momentum = 0.9});
  const auto make = [&](const optim::OneCycleLROptions& options) {
    return [&, options] { optim::OneCycleLR(sgd, options); };
  };
  refused("OneCycleLR: total_steps is 0, expected 1 or more", {}, make({.max_lr = 1, .total_steps = 0}));
  refused("OneCycleLR: pct_start is 0, expected more than 0 and less than 1", {},
          make({.max_lr = 1, .total_steps = 9, .pct_start = 0}));
  refused("OneCycleLR: pct_start is nan, expected more than 0 and less than 1", {},
          make({.max_lr = 1, .total_steps = 9, .pct_start = nan}));
  refused("OneCycleLR: max_lr is -1, expected a finite number, 0 or more", {},
          make({.max_lr = -1, .total_steps = 9}));
  refused("OneCycleLR: div_factor is 0.5, expected a finite number, 1 or more", {},
          make({.max_lr = 1, .total_steps = 9, .div_factor = 0.5}));
  refused("OneCycleLR: final_div_factor is inf, expected a finite number, 1 or more", {},
          make({.max_lr = 1, .total_steps = 9, .final_div_factor = inf}));
  refused("OneCycleLR: base_momentum is 1, expected 0 or more and less than 1", {},
          make({.max_lr = 1, .total_steps = 9, .base_momentum = 1}));
  refused("OneCycleLR: max_momentum is -1, expected 0 or more and less than 1", {},
          make({.max_lr = 1, .total_steps = 9, .max_momentum = -1}));
  CHECK(sgd.lr() == 0.1);
  CHECK(sgd.momentum() == 0.9);

  optim::OneCycleLR schedule(sgd, {.max_lr = 1, .total_steps = 2});
  refused("OneCycleLR: step 3, expected 0 to 2", {}, [&] { schedule.lr_at(3); });
  refused("OneCycleLR: step -1, expected 0 or more", {}, [&] { schedule.lr_at(-1); });
  schedule.step();
  schedule.step();
  const double last = sgd.lr();
  refused("OneCycleLR: step 3 of 2, expected at most that many", {}, [&] { schedule.step(); });
  CHECK(sgd.lr() == last);
}

}  // namespace
