// core/graph and core/walk: what a walk computes, what it leaves alone, and what it refuses.

#include <cmath>
#include <functional>
#include <stdexcept>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <rill/core/create.hpp>
#include <rill/core/elementwise.hpp>
#include <rill/core/graph.hpp>
#include <rill/core/memory.hpp>
#include <rill/core/ops/expand.hpp>
#include <rill/core/ops/relu.hpp>

namespace {

using namespace rill;
using Values = std::vector<double>;

Tensor leaf(std::initializer_list<NestedList> list) { return tensor(list, DType::f64).requires_grad_(); }
Tensor scalar_leaf(double value) { return full({}, value, DType::f64).requires_grad_(); }

Values values(const Tensor& t) {
  const auto data = t.data<double>();
  return {data.begin(), data.end()};
}

const void* block_of(const Tensor& t) { return t.data<double>().data(); }

void copy_elements(const Tensor& x, Tensor& y) {
  std::ranges::copy(x.data<double>(), y.mutable_data<double>().begin());
}

// y = x; tells of every gradient that it computes.
struct Probe {
  static constexpr std::string_view name = "probe";
  std::function<Tensor(const Tensor& g)>* told;
  Meta infer(const Tensor& x) const { return {x.shape(), x.dtype()}; }
  void forward(const Tensor& x, Tensor& y) const { copy_elements(x, y); }
  Tensor gradient(const Incoming& g) const { return (*told)(g[0]); }
};

// y = x; counts its gradients.
struct Counted {
  static constexpr std::string_view name = "counted";
  int* runs;
  Meta infer(const Tensor& x) const { return {x.shape(), x.dtype()}; }
  void forward(const Tensor& x, Tensor& y) const { copy_elements(x, y); }
  Tensor gradient(const Incoming& g) const {
    ++*runs;
    return g[0];
  }
};

// (sin x, cos x).
struct SinCos {
  static constexpr std::string_view name = "sincos";
  static constexpr int outputs = 2;
  std::array<Meta, 2> infer(const Tensor& x) const {
    return {{{x.shape(), x.dtype()}, {x.shape(), x.dtype()}}};
  }
  void forward(const Tensor& x, Tensor& sine, Tensor& cosine) const {
    for (std::size_t i = 0; i < x.data<double>().size(); ++i) {
      sine.mutable_data<double>()[i] = std::sin(x.data<double>()[i]);
      cosine.mutable_data<double>()[i] = std::cos(x.data<double>()[i]);
    }
  }
  Tensor gradient(const Incoming& g, Output<0> sine, Output<1> cosine) const {
    Tensor to_x;
    if (g[0].defined()) to_x = g[0] * cosine();
    if (g[1].defined()) to_x = to_x.defined() ? to_x - g[1] * sine() : -(g[1] * sine());
    return to_x;
  }
};

// y = x, with nothing to go back by.
struct OneWay {
  static constexpr std::string_view name = "one_way";
  Meta infer(const Tensor& x) const { return {x.shape(), x.dtype()}; }
  void forward(const Tensor& x, Tensor& y) const { copy_elements(x, y); }
};

// y = a + b, whose gradient runs only as far as a's.
struct HalfSum {
  static constexpr std::string_view name = "half_sum";
  bool* needed_b;
  Meta infer(const Tensor& a, const Tensor&) const { return {a.shape(), a.dtype()}; }
  void forward(const Tensor& a, const Tensor&, Tensor& y) const { copy_elements(a, y); }
  std::array<Tensor, 2> gradient(const Incoming& g) const {
    *needed_b = g.needs(1);
    return {g[0], Tensor()};
  }
};

// --- values ----------------------------------------------------------------------------------------------------------

TEST_CASE("graph: a shared subexpression sends its gradient back once, as a sum") {
  Tensor x = leaf({2, 3});
  int runs = 0;
  Tensor h = apply(Counted{&runs}, x * x);
  (h * 3.0 + h * h).sum().backward();
  CHECK(values(x.grad()) == Values{(3 + 2 * 4) * 4, (3 + 2 * 9) * 6});
  CHECK(runs == 1);
}

TEST_CASE("graph: both inputs of an op may be the same tensor") {
  Tensor x = leaf({2, -5});
  (x + x).sum().backward();
  CHECK(values(x.grad()) == Values{2, 2});
  x.zero_grad();
  (x * x * x).sum().backward();
  CHECK(values(x.grad()) == Values{12, 75});
}

TEST_CASE("graph: gradients of two leaves that got the same one do not share a block") {
  Tensor a = leaf({1, 2}), b = leaf({3, 4});
  (a.sum() + (a + b).sum()).backward();
  CHECK(values(a.grad()) == Values{2, 2});
  CHECK(values(b.grad()) == Values{1, 1});
  CHECK(block_of(a.grad()) != block_of(b.grad()));
}

TEST_CASE("graph: gradients of a plain sum's two leaves do not share a block") {
  Tensor a = leaf({1, 2}), b = leaf({3, 4});
  (a + b).sum().backward();
  CHECK(block_of(a.grad()) != block_of(b.grad()));
  (a + b).sum().backward();
  CHECK(values(a.grad()) == Values{2, 2});
  CHECK(values(b.grad()) == Values{2, 2});
}

TEST_CASE("graph: gradients do not share a block after backward with create_graph") {
  Tensor a = leaf({1, 2}), b = leaf({3, 4});
  (a + b).sum().backward({.create_graph = true});
  CHECK(block_of(a.grad()) != block_of(b.grad()));
  (a + b).sum().backward();
  CHECK(values(a.grad()) == Values{2, 2});
  CHECK(values(b.grad()) == Values{2, 2});
}

TEST_CASE("graph: with create_graph, the gradient of a leaf is not the tensor that the caller gave") {
  Tensor x = leaf({1, 2});
  const Tensor seed = tensor({5, 7}, DType::f64);
  x.backward(seed, {.create_graph = true});
  x.backward(seed);
  CHECK(values(x.grad()) == Values{10, 14});
  CHECK(values(seed) == Values{5, 7});
}

TEST_CASE("graph: a second backward adds to the gradient of the first") {
  Tensor x = leaf({1, 2});
  (x * 3.0).sum().backward();
  (x * x).sum().backward();
  CHECK(values(x.grad()) == Values{5, 7});
}

TEST_CASE("graph: a gradient with no other owner is moved into the leaf") {
  Tensor x = leaf({1, 2});
  const void* block = nullptr;
  std::function<Tensor(const Tensor&)> told = [&](const Tensor& g) {
    Tensor fresh = g.clone();
    block = block_of(fresh);
    return fresh;
  };
  apply(Probe{&told}, x).sum().backward();
  CHECK(block_of(x.grad()) == block);
}

TEST_CASE("graph: a gradient that somebody else holds is copied into the leaf") {
  Tensor x = leaf({1, 2});
  Tensor held;
  std::function<Tensor(const Tensor&)> told = [&](const Tensor& g) { return held = g.clone(); };
  apply(Probe{&told}, x).sum().backward();
  CHECK(block_of(x.grad()) != block_of(held));
  apply(Probe{&told}, x).sum().backward();
  CHECK(values(held) == Values{1, 1});
  CHECK(values(x.grad()) == Values{2, 2});
}

TEST_CASE("graph: a gradient that is a view on somebody's block is copied into the leaf") {
  Tensor x = leaf({1, 2});
  const Tensor held = tensor({{5}, {6}}, DType::f64);
  std::function<Tensor(const Tensor&)> told = [&](const Tensor&) { return held.reshape({2}); };
  apply(Probe{&told}, x).sum().backward();
  CHECK(values(x.grad()) == Values{5, 6});
  CHECK(block_of(x.grad()) != block_of(held));
}

TEST_CASE("graph: the caller's grad_output stays as it was") {
  Tensor x = leaf({1, 2});
  const Tensor seed = tensor({5, 7}, DType::f64);
  for (int i = 0; i < 2; ++i) x.backward(seed);
  CHECK(values(x.grad()) == Values{10, 14});
  CHECK(values(seed) == Values{5, 7});
}

TEST_CASE("graph: sums that arrive at a node never write into what a probe holds") {
  Tensor x = leaf({1, 2});
  Tensor first, second;
  std::function<Tensor(const Tensor&)> keep_first = [&](const Tensor& g) { return first = g * 2.0; };
  std::function<Tensor(const Tensor&)> keep_second = [&](const Tensor& g) { return second = g * 3.0; };
  Tensor h = x * 1.0;
  (apply(Probe{&keep_first}, h) + apply(Probe{&keep_second}, h)).sum().backward();
  CHECK(values(first) == Values{2, 2});
  CHECK(values(second) == Values{3, 3});
  CHECK(values(x.grad()) == Values{5, 5});
}

TEST_CASE("graph: backward with a grad_output is the product with the Jacobian") {
  Tensor x = leaf({1, 2, 3});
  (x * x).backward(tensor({1, 10, 100}, DType::f64));
  CHECK(values(x.grad()) == Values{2, 40, 600});
}

TEST_CASE("graph: backward from a leaf gives it the gradient one") {
  Tensor x = scalar_leaf(3);
  x.backward();
  CHECK(x.grad().item() == 1);
}

TEST_CASE("graph: only tensors that require a gradient get one") {
  Tensor x = leaf({1, 2});
  const Tensor c = tensor({3, 4}, DType::f64);
  Tensor h = x * c;
  h.sum().backward();
  CHECK_FALSE(c.grad().defined());
  CHECK_FALSE(h.grad().defined());
  CHECK(values(x.grad()) == Values{3, 4});
}

TEST_CASE("graph: a result of leaves without gradients is outside of the graph") {
  const Tensor y = tensor({1, 2}) * 2.0;
  CHECK_FALSE(y.requires_grad());
  CHECK(y.is_leaf());
  const Tensor z = tensor({1, 2}).requires_grad_() * 2.0;
  CHECK(z.requires_grad());
  CHECK_FALSE(z.is_leaf());
}

TEST_CASE("graph: needs() says whether an input's gradient is wanted") {
  Tensor a = leaf({1}), b = leaf({2});
  bool needed = false;
  apply(HalfSum{&needed}, a, b).sum().backward();
  CHECK(needed);
  CHECK(values(a.grad()) == Values{1});
  CHECK_FALSE(b.grad().defined());
  apply(HalfSum{&needed}, a, b.detach()).sum().backward();
  CHECK_FALSE(needed);
  grad({apply(HalfSum{&needed}, a, b).sum()}, {a});
  CHECK_FALSE(needed);
}

// --- several results -------------------------------------------------------------------------------------------------

TEST_CASE("graph: an op with two results gets both gradients in one call") {
  Tensor x = leaf({0.5});
  const auto [sine, cosine] = apply(SinCos{}, x);
  (sine * 3.0 + cosine * 5.0).sum().backward();
  CHECK(x.grad().item() == doctest::Approx(3 * std::cos(0.5) - 5 * std::sin(0.5)).epsilon(1e-15));
}

TEST_CASE("graph: a result that nothing uses has an undefined gradient") {
  for (const std::size_t used : {0u, 1u}) {
    Tensor x = leaf({0.5});
    apply(SinCos{}, x)[used].sum().backward();
    CHECK(x.grad().item() == doctest::Approx(used == 0 ? std::cos(0.5) : -std::sin(0.5)).epsilon(1e-15));
  }
}

TEST_CASE("graph: grad tells the results of one op apart") {
  Tensor x = leaf({0.5});
  const auto [sine, cosine] = apply(SinCos{}, x);
  const auto found = grad({(sine * 3.0 + cosine * 5.0).sum()}, {cosine, sine, x});
  CHECK(values(found[0]) == Values{5});
  CHECK(values(found[1]) == Values{3});
  CHECK(found[2].item() == doctest::Approx(3 * std::cos(0.5) - 5 * std::sin(0.5)).epsilon(1e-15));
}

TEST_CASE("graph: an op with two results can be differentiated twice") {
  Tensor x = leaf({0.5});
  const Tensor first = grad({apply(SinCos{}, x)[0].sum()}, {x}, {}, {.create_graph = true})[0];
  CHECK(grad({first.sum()}, {x})[0].item() == doctest::Approx(-std::sin(0.5)).epsilon(1e-15));
}

// --- hooks -----------------------------------------------------------------------------------------------------------

TEST_CASE("graph: a hook on a computed tensor sees the whole gradient and may replace it") {
  Tensor x = leaf({1, 2}), h = x * 2.0;
  Values seen;
  h.register_hook([&](const Tensor& g) {
    seen = values(g);
    return g * 10.0;
  });
  (h * 3.0 + h).sum().backward();
  CHECK(seen == Values{4, 4});
  CHECK(values(x.grad()) == Values{80, 80});
}

TEST_CASE("graph: a hook that returns nothing leaves the gradient alone") {
  Tensor x = leaf({1, 2});
  x.register_hook([](const Tensor&) { return Tensor(); });
  (x * 2.0).sum().backward();
  CHECK(values(x.grad()) == Values{2, 2});
}

TEST_CASE("graph: a hook on a leaf replaces what is added to its gradient") {
  Tensor x = leaf({1, 2});
  x.sum().backward();
  int calls = 0;
  x.register_hook([&](const Tensor& g) {
    ++calls;
    return g * 10.0;
  });
  (x + x * 2.0).sum().backward();
  CHECK(values(x.grad()) == Values{31, 31});
  CHECK(calls == 1);
}

TEST_CASE("graph: hooks run in the order of their registration, each on what the last one returned") {
  Tensor x = leaf({1}), h = x * 1.0;
  for (Tensor* on : {&h, &x}) {
    on->register_hook([](const Tensor& g) { return g + 1.0; });
    on->register_hook([](const Tensor& g) { return g * 10.0; });
  }
  h.sum().backward();
  CHECK(values(x.grad()) == Values{((1 + 1) * 10 + 1) * 10});
}

TEST_CASE("graph: a removed hook is not called") {
  Tensor x = leaf({1});
  HookHandle ten = x.register_hook([](const Tensor& g) { return g * 10.0; });
  x.register_hook([](const Tensor& g) { return g + 1.0; });
  ten.remove();
  ten.remove();
  x.sum().backward();
  CHECK(values(x.grad()) == Values{2});
}

TEST_CASE("graph: dropping a hook's handle keeps the hook, and the handle may outlive the tensor") {
  HookHandle handle;
  {
    Tensor x = leaf({1});
    {
      const HookHandle dropped = x.register_hook([](const Tensor& g) { return g * 10.0; });
    }
    handle = x.register_hook([](const Tensor& g) { return g + 1.0; });
    x.sum().backward();
    CHECK(values(x.grad()) == Values{11});
  }
  handle.remove();
}

TEST_CASE("graph: a hook may remove itself") {
  Tensor x = leaf({1});
  HookHandle once;
  once = x.register_hook([&](const Tensor& g) {
    once.remove();
    return g * 10.0;
  });
  x.sum().backward();
  x.sum().backward();
  CHECK(values(x.grad()) == Values{11});
}

TEST_CASE("graph: a hook that returns another shape or dtype is refused") {
  Tensor x = leaf({1, 2});
  HookHandle handle = x.register_hook([](const Tensor&) { return ones({3}, DType::f64); });
  CHECK_THROWS_WITH_AS(x.sum().backward(),
                       "register_hook: the hook returned f64 [3], expected the gradient's f64 [2]", Error);
  handle.remove();
  x.register_hook([](const Tensor&) { return ones({2}); });
  CHECK_THROWS_WITH_AS(x.sum().backward(),
                       "register_hook: the hook returned f32 [2], expected the gradient's f64 [2]", Error);
  CHECK_FALSE(x.grad().defined());
}

TEST_CASE("graph: a hook on a tensor that requires no gradient is refused") {
  Tensor x = ones({2});
  CHECK_THROWS_WITH_AS(x.register_hook([](const Tensor& g) { return g; }),
                       "register_hook: the tensor [2] requires no gradient, expected one that does", Error);
}

TEST_CASE("graph: a hook that throws leaves every gradient as it was") {
  Tensor a = leaf({1, 2}), b = leaf({3, 4}), c = leaf({5, 6});
  (a * 7.0).sum().backward();
  const void* block = block_of(a.grad());
  HookHandle thrower;
  SUBCASE("on the first leaf") {
    thrower = a.register_hook([](const Tensor&) -> Tensor { throw std::runtime_error("from the hook"); });
  }
  SUBCASE("on the last leaf") {
    thrower = c.register_hook([](const Tensor&) -> Tensor { throw std::runtime_error("from the hook"); });
  }
  CHECK_THROWS_WITH_AS((a * b * c).sum().backward(), "from the hook", std::runtime_error);
  CHECK(values(a.grad()) == Values{7, 7});
  CHECK(block_of(a.grad()) == block);
  CHECK_FALSE(b.grad().defined());
  CHECK_FALSE(c.grad().defined());
  thrower.remove();
  (a * b * c).sum().backward();
  CHECK(values(a.grad()) == Values{22, 31});
  CHECK(values(b.grad()) == Values{5, 12});
  CHECK(values(c.grad()) == Values{3, 8});
}

TEST_CASE("graph: hooks record a graph only in a walk with create_graph") {
  for (const bool create_graph : {false, true}) {
    Tensor x = leaf({1}), h = x * 2.0;
    bool recorded = !create_graph;
    for (Tensor* on : {&h, &x}) {
      on->register_hook([&](const Tensor&) {
        CHECK(grad_enabled() == create_graph);
        recorded = grad_enabled();
        return Tensor();
      });
    }
    h.sum().backward({.create_graph = create_graph});
    CHECK(recorded == create_graph);
  }
}

TEST_CASE("graph: a retained graph can be walked again after a walk that failed on the way") {
  Tensor x = leaf({1, 2});
  std::function<Tensor(const Tensor&)> told = [](const Tensor&) -> Tensor { throw std::runtime_error("op"); };
  const Tensor h = apply(Probe{&told}, x * 2.0), y = (h * 3.0 + h).sum();
  CHECK_THROWS_AS(y.backward({.retain_graph = true}), std::runtime_error);
  told = [](const Tensor& g) { return g; };
  y.backward();
  CHECK(values(x.grad()) == Values{8, 8});
}

TEST_CASE("graph: a hook may walk another graph") {
  Tensor x = leaf({1, 2}), h = x * 2.0, other = leaf({3});
  h.register_hook([&](const Tensor& g) {
    const GradMode recording(true);
    (other * other).sum().backward();
    return g * other.grad();
  });
  h.sum().backward();
  CHECK(values(other.grad()) == Values{6});
  CHECK(values(x.grad()) == Values{12, 12});
}

TEST_CASE("graph: a hook's own backward adds to a leaf that both graphs share") {
  Tensor x = leaf({1, 2}), h = x * 2.0;
  h.register_hook([&](const Tensor&) {
    const GradMode recording(true);
    (x * 5.0).sum().backward();
    return Tensor();
  });
  // The newest node sends its gradient to x before the hook runs.
  Tensor loss = h.sum() + (x * 100.0).sum();
  loss.backward();
  CHECK(values(x.grad()) == Values{107, 107});
}

TEST_CASE("graph: a hook's own grad() counts nothing of the walk around it") {
  Tensor x = leaf({1, 2}), h = x * 2.0;
  Values inner;
  h.register_hook([&](const Tensor&) {
    const GradMode recording(true);
    inner = values(grad({(x * 5.0).sum()}, {x})[0]);
    return Tensor();
  });
  Tensor loss = h.sum() + (x * 100.0).sum();
  loss.backward();
  CHECK(inner == Values{5, 5});
  CHECK(values(x.grad()) == Values{102, 102});
}

// --- recording -------------------------------------------------------------------------------------------------------

TEST_CASE("graph: nothing is recorded under NoGrad") {
  Tensor x = leaf({1});
  const NoGrad guard;
  CHECK_FALSE(grad_enabled());
  CHECK_FALSE((x * 2.0).requires_grad());
  CHECK(x.requires_grad());
}

TEST_CASE("graph: NoGrad nests, and may switch recording on again") {
  Tensor x = leaf({1});
  {
    const NoGrad outer;
    { const NoGrad inner; }
    CHECK_FALSE(grad_enabled());
    {
      const GradMode on(true);
      CHECK((x * 2.0).requires_grad());
    }
    CHECK_FALSE(grad_enabled());
  }
  CHECK(grad_enabled());
}

TEST_CASE("graph: recording is as before after an exception under NoGrad") {
  try {
    const NoGrad guard;
    throw std::runtime_error("x");
  } catch (const std::runtime_error&) {
  }
  CHECK(grad_enabled());
}

TEST_CASE("graph: recording is as before after a walk that failed") {
  Tensor x = leaf({1});
  CHECK_THROWS_AS(apply(OneWay{}, x).sum().backward(), Error);
  CHECK(grad_enabled());
  CHECK_THROWS_AS(grad({apply(OneWay{}, x).sum()}, {x}, {}, {.create_graph = true}), Error);
  CHECK(grad_enabled());
}

TEST_CASE("graph: NoGrad of one thread does not reach another") {
  const NoGrad guard;
  bool enabled = false;
  std::thread([&] { enabled = grad_enabled(); }).join();
  CHECK(enabled);
}

TEST_CASE("graph: backward inside NoGrad walks a graph that was recorded before") {
  Tensor x = leaf({3});
  const Tensor y = (x * x).sum();
  const NoGrad guard;
  y.backward();
  CHECK(values(x.grad()) == Values{6});
  CHECK_FALSE(grad_enabled());
}

TEST_CASE("graph: a gradient has no graph unless asked for") {
  Tensor x = leaf({3});
  (x * x).sum().backward();
  CHECK_FALSE(x.grad().requires_grad());
  CHECK_FALSE(grad({(x * x).sum()}, {x})[0].requires_grad());
}

TEST_CASE("graph: detach cuts the graph and shares the elements") {
  Tensor x = leaf({2, 3}), h = x * x;
  const Tensor cut = h.detach();
  CHECK_FALSE(cut.requires_grad());
  CHECK(block_of(cut) == block_of(h));
  (cut * x).sum().backward();
  CHECK(values(x.grad()) == Values{4, 9});
}

TEST_CASE("graph: requires_grad_ is refused on computed tensors and on i64") {
  Tensor x = leaf({1, 2}), h = x * 2.0;
  CHECK_THROWS_WITH_AS(
      h.requires_grad_(),
      "requires_grad_: the tensor [2] was computed by an op, expected a leaf; use detach() first", Error);
  Tensor labels = zeros({2}, DType::i64);
  CHECK_THROWS_WITH_AS(labels.requires_grad_(), "requires_grad_: dtype is i64, expected f32 or f64", Error);
  CHECK_FALSE(labels.requires_grad_(false).requires_grad());
}

TEST_CASE("graph: requires_grad_(false) takes a leaf out of graphs to come") {
  Tensor x = leaf({1});
  x.requires_grad_(false);
  CHECK_FALSE((x * 2.0).requires_grad());
}

TEST_CASE("graph: a leaf that is frozen after it was used gets no gradient") {
  Tensor a = tensor({2}).requires_grad_(), b = tensor({3}).requires_grad_();
  const Tensor y = (a * b).sum();
  a.requires_grad_(false);
  y.backward();
  CHECK_FALSE(a.grad().defined());
  CHECK(b.grad().item() == 2);
}

TEST_CASE("graph: set_grad replaces the gradient, and refuses another shape or dtype") {
  Tensor x = leaf({1, 2});
  x.set_grad(tensor({5, 6}, DType::f64));
  (x * 1.0).sum().backward();
  CHECK(values(x.grad()) == Values{6, 7});
  CHECK_THROWS_WITH_AS(x.set_grad(ones({3}, DType::f64)),
                       "set_grad: the gradient is f64 [3], expected the tensor's f64 [2]", Error);
  CHECK_THROWS_WITH_AS(x.set_grad(ones({2})),
                       "set_grad: the gradient is f32 [2], expected the tensor's f64 [2]", Error);
  CHECK(values(x.grad()) == Values{6, 7});
  x.zero_grad();
  CHECK_FALSE(x.grad().defined());
}

// --- grad() ----------------------------------------------------------------------------------------------------------

TEST_CASE("graph: grad returns gradients of leaves and of computed tensors, in the order of the inputs") {
  Tensor x = leaf({2, 3}), c = leaf({5, 7}), h = x * x;
  const auto found = grad({(h * c).sum()}, {h, x, c});
  CHECK(values(found[0]) == Values{5, 7});
  CHECK(values(found[1]) == Values{20, 42});
  CHECK(values(found[2]) == Values{4, 9});
}

TEST_CASE("graph: grad touches no grad") {
  Tensor x = leaf({2, 3}), c = leaf({5, 7});
  x.set_grad(tensor({1, 1}, DType::f64));
  grad({(x * c).sum()}, {x, c});
  CHECK(values(x.grad()) == Values{1, 1});
  CHECK_FALSE(c.grad().defined());
  (x * c).sum().backward();
  CHECK(values(x.grad()) == Values{6, 8});
}

TEST_CASE("graph: grad of an output with respect to itself is what came in") {
  Tensor x = leaf({2, 3}), h = x * 2.0;
  CHECK(values(grad({h}, {h}, {tensor({4, 5}, DType::f64)})[0]) == Values{4, 5});
}

TEST_CASE("graph: grad gives every input its gradient, also where one depends on the other") {
  Tensor x = leaf({2}), h = x * 3.0, y = h * h;
  const auto found = grad({y.sum()}, {x, h, y});
  CHECK(values(found[0]) == Values{36});
  CHECK(values(found[1]) == Values{12});
  CHECK(values(found[2]) == Values{1});
}

TEST_CASE("graph: grad sums over several outputs and their grad_outputs") {
  Tensor x = leaf({2, 3});
  const Tensor first = x * 2.0, second = (x * x).sum();
  const auto found = grad({first, second}, {x}, {tensor({10, 100}, DType::f64), Tensor()});
  CHECK(values(found[0]) == Values{24, 206});
}

TEST_CASE("graph: grad asks for the same input twice") {
  Tensor x = leaf({2}), h = x * x;
  int calls = 0;
  x.register_hook([&](const Tensor& g) {
    ++calls;
    return g * 10.0;
  });
  const auto found = grad({h.sum()}, {x, x, h, h});
  CHECK(values(found[0]) == Values{40});
  CHECK(values(found[1]) == Values{40});
  CHECK(values(found[2]) == Values{1});
  CHECK(values(found[3]) == Values{1});
  CHECK(calls == 1);
}

TEST_CASE("graph: hooks change what grad returns") {
  Tensor x = leaf({2}), h = x * 3.0;
  h.register_hook([](const Tensor& g) { return g * 10.0; });
  x.register_hook([](const Tensor& g) { return g + 1.0; });
  const auto found = grad({h.sum()}, {h, x});
  CHECK(values(found[0]) == Values{10});
  CHECK(values(found[1]) == Values{31});
}

TEST_CASE("graph: grad refuses an input that no output depends on") {
  Tensor x = leaf({2}), other = leaf({1, 2, 3});
  CHECK_THROWS_WITH_AS(
      grad({(x * x).sum()}, {x, other}),
      "grad: no output depends on input 1 [3]; pass allow_unused to get an undefined gradient", Error);
}

TEST_CASE("graph: with allow_unused, grad returns an undefined tensor for it") {
  Tensor x = leaf({2}), other = leaf({1}), computed = other * 2.0;
  const auto found = grad({(x * x).sum()}, {other, x, computed}, {}, {.allow_unused = true});
  CHECK_FALSE(found[0].defined());
  CHECK(values(found[1]) == Values{4});
  CHECK_FALSE(found[2].defined());
}

TEST_CASE("graph: grad refuses an input that requires no gradient") {
  Tensor x = leaf({2});
  CHECK_THROWS_WITH_AS(grad({(x * x).sum()}, {x, ones({3})}),
                       "grad: input 1 [3] requires no gradient; call requires_grad_() before it is used",
                       Error);
}

TEST_CASE("graph: grad refuses empty lists, and grad_outputs that do not fit") {
  Tensor x = leaf({2, 3});
  const Tensor y = x * 2.0;
  CHECK_THROWS_WITH_AS(grad({}, {x}), "grad: 0 outputs and 1 inputs, expected at least one of each", Error);
  CHECK_THROWS_WITH_AS(grad({y}, {}), "grad: 1 outputs and 0 inputs, expected at least one of each", Error);
  CHECK_THROWS_WITH_AS(grad({y}, {x}, {y, y}), "grad: 2 gradients for 1 outputs, expected one each or none",
                       Error);
  CHECK_THROWS_WITH_AS(grad({y}, {x}, {ones({3}, DType::f64)}),
                       "grad: the gradient of the output is f64 [3], expected the output's f64 [2]", Error);
  CHECK_THROWS_WITH_AS(grad({y}, {x}),
                       "grad: an output must be a scalar, got [2]; reduce it with mean() or sum()", Error);
}

TEST_CASE("graph: grad runs only the nodes on the way to its inputs") {
  Tensor x = leaf({2}), other = leaf({3});
  int wanted = 0, unwanted = 0;
  const Tensor h = apply(Counted{&wanted}, x), k = apply(Counted{&unwanted}, other);
  const Tensor y = (h * k).sum();
  CHECK(values(grad({y}, {x}, {}, {.retain_graph = true})[0]) == Values{3});
  CHECK(wanted == 1);
  CHECK(unwanted == 0);
  // What h itself was computed from is not on the way to h.
  CHECK(values(grad({y}, {h})[0]) == Values{3});
  CHECK(wanted == 1);
}

TEST_CASE("graph: a walk forgets what it was asked for, also where nothing depended on it") {
  Tensor x = leaf({2}), other = leaf({3});
  int runs = 0;
  const Tensor side = other * 2.0, kept = apply(Counted{&runs}, side);
  grad({(x * x).sum()}, {side}, {}, {.allow_unused = true});
  grad({(x * kept).sum()}, {x});
  CHECK(runs == 0);
}

TEST_CASE("graph: backward after grad on a retained graph reaches every leaf") {
  Tensor x = leaf({2}), c = leaf({3});
  const Tensor y = (x * c).sum();
  grad({y}, {x}, {}, {.retain_graph = true});
  y.backward();
  CHECK(values(x.grad()) == Values{3});
  CHECK(values(c.grad()) == Values{2});
}

// --- graphs of gradients ---------------------------------------------------------------------------------------------

TEST_CASE("graph: grad with create_graph can be differentiated again and again") {
  Tensor x = leaf({2, 3});
  Tensor y = (x * x * x * x).sum();
  const Values expected[] = {{32, 108}, {48, 108}, {48, 72}, {24, 24}};
  for (const Values& order : expected) {
    const Tensor g = grad({y}, {x}, {}, {.create_graph = true})[0];
    CHECK(values(g) == order);
    y = g.sum();
  }
}

TEST_CASE("graph: backward with create_graph leaves a gradient that can be differentiated") {
  Tensor x = leaf({2, 3});
  (x * x * x).sum().backward({.create_graph = true});
  const Tensor g = x.grad();
  CHECK(g.requires_grad());
  CHECK(values(g) == Values{12, 27});
  x.zero_grad();
  g.sum().backward();
  CHECK(values(x.grad()) == Values{12, 18});
}

TEST_CASE("graph: accumulation under create_graph keeps the graph, and leaves the old gradient as it was") {
  Tensor x = leaf({2});
  (x * x).sum().backward();
  const Tensor old = x.grad();
  (x * x * x).sum().backward({.create_graph = true});
  const Tensor g = x.grad();
  x.zero_grad();
  CHECK(values(old) == Values{4});
  CHECK(values(g) == Values{16});
  g.sum().backward();
  CHECK(values(x.grad()) == Values{12});
}

TEST_CASE("graph: a backward without create_graph does not write into a gradient that has a graph") {
  Tensor x = leaf({2});
  (x * x * x).sum().backward({.create_graph = true});
  const Tensor g = x.grad();
  (x * 5.0).sum().backward();
  const Tensor sum = x.grad();
  x.zero_grad();
  CHECK(values(g) == Values{12});
  CHECK(values(sum) == Values{17});
}

TEST_CASE("graph: create_graph retains the graph") {
  Tensor x = leaf({2});
  const Tensor y = (x * x).sum();
  grad({y}, {x}, {}, {.create_graph = true});
  CHECK_NOTHROW(y.backward());
}

// --- graphs that were walked -----------------------------------------------------------------------------------------

TEST_CASE("graph: a second backward is refused") {
  Tensor x = leaf({1, 2});
  const Tensor y = (x * x).sum();
  y.backward();
  CHECK_THROWS_WITH_AS(
      y.backward(),
      "backward: the graph of sum [] was freed by an earlier walk; pass retain_graph to the first "
      "one to walk it again",
      Error);
  CHECK(values(x.grad()) == Values{2, 4});
}

TEST_CASE("graph: retain_graph allows a second backward") {
  Tensor x = leaf({1, 2});
  const Tensor y = (x * x).sum();
  y.backward({.retain_graph = true});
  y.backward();
  CHECK(values(x.grad()) == Values{4, 8});
  CHECK_THROWS_AS(y.backward(), Error);
}

TEST_CASE("graph: a new expression on a freed part is refused, naming that part") {
  Tensor x = leaf({1, 2}), h = x * x;
  h.sum().backward();
  CHECK_THROWS_WITH_AS(
      (h * 3.0).sum().backward(),
      "backward: the graph of mul [2] was freed by an earlier walk; pass retain_graph to the first "
      "one to walk it again",
      Error);
  CHECK_THROWS_WITH_AS(
      grad({(h * 3.0).sum()}, {x}),
      "grad: the graph of mul [2] was freed by an earlier walk; pass retain_graph to the first one "
      "to walk it again",
      Error);
  CHECK(values(x.grad()) == Values{2, 4});
}

TEST_CASE("graph: a refused walk leaves the rest of the graph whole") {
  Tensor x = leaf({1, 2}), z = leaf({5, 6}), h = x * x;
  h.sum().backward();
  Tensor k = z * z;
  CHECK_THROWS_AS((h * k).sum().backward(), Error);
  k.sum().backward();
  CHECK(values(z.grad()) == Values{10, 12});
}

TEST_CASE("graph: an error of grad's inputs leaves the graph whole") {
  Tensor x = leaf({2}), other = leaf({1});
  const Tensor y = (x * x).sum();
  CHECK_THROWS_AS(grad({y}, {other}), Error);
  CHECK_THROWS_AS(grad({y}, {x, other}), Error);
  CHECK_NOTHROW(y.backward());
}

TEST_CASE("graph: a walk frees what a gradient had saved") {
  Tensor x = ones({1 << 20}, DType::f64).requires_grad_();
  memory::trim();
  const Tensor y = (x * 2.0 * (x * 3.0)).sum();
  y.backward();
  x.zero_grad();
  memory::trim();
  const auto after = memory::stats().bytes_held;
  Tensor fresh = ones({1 << 20}, DType::f64);
  CHECK(memory::stats().bytes_held > after);  // nothing large was left in the pool
  CHECK(after < std::int64_t{2} * 8 * (1 << 20) + (std::int64_t{64} << 20));
}

// --- what backward refuses -------------------------------------------------------------------------------------------

TEST_CASE("graph: a loss with several elements is refused") {
  Tensor x = leaf({{1, 2}, {3, 4}});
  CHECK_THROWS_WITH_AS((x * x).backward(),
                       "backward: loss must be a scalar, got [2, 2]; reduce it with mean() or sum()", Error);
}

TEST_CASE("graph: a loss of one element counts as a scalar whatever its rank") {
  Tensor x = leaf({3});
  (x * x).reshape({1, 1}).backward();
  CHECK(values(x.grad()) == Values{6});
}

TEST_CASE("graph: a loss that requires no gradient is refused") {
  CHECK_THROWS_WITH_AS(
      ones({}).backward(),
      "backward: loss [] requires no gradient; call requires_grad_() on a leaf that it is computed "
      "from, outside of NoGrad",
      Error);
}

TEST_CASE("graph: a grad_output of another shape or dtype is refused") {
  Tensor x = leaf({1, 2});
  CHECK_THROWS_WITH_AS((x * x).backward(ones({2, 1}, DType::f64)),
                       "backward: the gradient of the output is f64 [2, 1], expected the output's f64 [2]",
                       Error);
  CHECK_THROWS_WITH_AS((x * x).backward(ones({2})),
                       "backward: the gradient of the output is f32 [2], expected the output's f64 [2]",
                       Error);
  CHECK_FALSE(x.grad().defined());
}

TEST_CASE("graph: a gradient of another shape or dtype than its input is refused, naming the op") {
  Tensor x = leaf({1, 2});
  std::function<Tensor(const Tensor&)> wrong = [](const Tensor&) { return ones({3}, DType::f64); };
  CHECK_THROWS_WITH_AS(apply(Probe{&wrong}, x).sum().backward(),
                       "backward: the gradient of probe for input 0 is f64 [3], expected f64 [2]", Error);
  CHECK_THROWS_WITH_AS(apply(Probe{&wrong}, x * 2.0).sum().backward(),
                       "backward: the gradient of probe for input 0 is f64 [3], expected f64 [2]", Error);
  wrong = [](const Tensor&) { return ones({2}); };
  CHECK_THROWS_WITH_AS(grad({apply(Probe{&wrong}, x).sum()}, {x}),
                       "grad: the gradient of probe for input 0 is f32 [2], expected f64 [2]", Error);
  CHECK_FALSE(x.grad().defined());
}

TEST_CASE("graph: an op without a gradient is refused when a walk reaches it") {
  Tensor x = leaf({1, 2});
  CHECK_THROWS_WITH_AS(apply(OneWay{}, x).sum().backward(),
                       "backward: one_way has no gradient, expected an op with one", Error);
}

TEST_CASE("graph: an exception from an op's gradient leaves every grad as it was") {
  Tensor a = leaf({1, 2}), b = leaf({3, 4});
  (a * 7.0).sum().backward();
  std::function<Tensor(const Tensor&)> thrower = [](const Tensor&) -> Tensor {
    throw std::runtime_error("op");
  };
  // The newer product has already sent its gradients to a and b when the probe throws.
  const Tensor failing = apply(Probe{&thrower}, b).sum();
  CHECK_THROWS_WITH_AS(((a * b).sum() + failing).backward(), "op", std::runtime_error);
  CHECK(values(a.grad()) == Values{7, 7});
  CHECK_FALSE(b.grad().defined());
  (a * b).sum().backward();
  CHECK(values(a.grad()) == Values{10, 11});
  CHECK(values(b.grad()) == Values{1, 2});
}

TEST_CASE("graph: an undefined tensor is refused") {
  const Tensor nothing;
  CHECK_THROWS_WITH_AS(nothing.backward(), "tensor: the tensor is undefined, expected one with elements",
                       Error);
  CHECK_THROWS_AS(nothing * 2.0, Error);
}

// --- length and threads ----------------------------------------------------------------------------------------------

TEST_CASE("graph: a chain of a million nodes is built, walked and dropped without recursion") {
  Tensor x = scalar_leaf(2);
  int runs = 0;
  {
    Tensor y = x;
    for (int i = 0; i < 1'000'000; ++i) y = apply(Counted{&runs}, y);
    y.backward();
  }
  CHECK(runs == 1'000'000);
  CHECK(x.grad().item() == 1);
  {
    Tensor y = x;
    for (int i = 0; i < 1'000'000; ++i) y = apply(Counted{&runs}, y);
  }
  CHECK(runs == 1'000'000);
  memory::trim();
}

TEST_CASE("graph: a long graph of gradients is dropped without recursion") {
  Tensor x = scalar_leaf(2);
  constexpr int length = 200'000;
  {
    Tensor y = x;
    for (int i = 0; i < length; ++i) y = y.relu();
    y.backward({.create_graph = true});
    CHECK(x.grad().requires_grad());
    CHECK(x.grad().item() == 1);
    x.zero_grad();
  }
  memory::trim();
}

TEST_CASE("graph: a graph begun on one thread and continued on another keeps a valid order") {
  Tensor x = leaf({2, 3});
  Tensor h = x * x;
  for (int i = 0; i < 1000; ++i) h = h * 1.0;  // numbers that a new thread is far below
  std::thread([&] {
    const Tensor k = h * h;
    (k.sum() + h.sum()).backward();
  }).join();
  CHECK(values(x.grad()) == Values{4 * 8 + 4, 4 * 27 + 6});
}

TEST_CASE("graph: inputs from two threads give their node the larger number") {
  Tensor x = leaf({2}), old = x * 1.0;
  for (int i = 0; i < 1000; ++i) old = old * 1.0;
  std::thread([&] {
    const Tensor young = x * 3.0;
    (young * old).sum().backward();
  }).join();
  CHECK(values(x.grad()) == Values{12});
}

}  // namespace
