// Defects that were found by use and review; each test case names one and failed before its mend.
#include <doctest/doctest.h>

#include <atomic>
#include <cmath>
#include <vector>

#include <rill/rill.hpp>

using namespace rill;

namespace {

std::vector<float> values(const Tensor& x) { return {x.data<float>().begin(), x.data<float>().end()}; }

Tensor leaf(std::initializer_list<NestedList> list) { return tensor(list).requires_grad_(); }

}  // namespace

TEST_CASE("regression: a hook may drop the last handle of what is being walked") {
  Tensor x = leaf({1, 2});
  Tensor top = (x * 2.0).sum() * 3.0;
  top.register_hook([&](const Tensor&) {
    top = Tensor();
    return Tensor();
  });
  top.backward();
  CHECK(values(x.grad()) == std::vector<float>{6, 6});
}

TEST_CASE("regression: a hook keeps its state from one walk to the next") {
  Tensor x = leaf({1});
  int last = 0;
  x.register_hook([n = 0, &last](const Tensor&) mutable {
    last = ++n;
    return Tensor();
  });
  for (int i = 0; i < 3; ++i) (x * 2.0).sum().backward();
  CHECK(last == 3);
}

TEST_CASE("regression: sums over axes apart do not overflow in between") {
  const Tensor mean = full({2, 3, 4}, 3e38).mean({0, 2});
  for (const float value : mean.data<float>()) CHECK(value == doctest::Approx(3e38));
}

TEST_CASE("regression: a learning rate that was forgotten is refused") {
  Tensor w = leaf({1});
  CHECK_THROWS_WITH_AS(optim::SGD({w}, {}), "SGD: lr is nan, expected a finite number, 0 or more", Error);
  optim::SGD optimizer({w}, {.lr = 1});
  CHECK_THROWS_WITH_AS(optim::OneCycleLR(optimizer, {.total_steps = 5}),
                       "OneCycleLR: max_lr is nan, expected a finite number, 0 or more", Error);
}

TEST_CASE("regression: a grad() inside a hook leaves what the outer one asks for") {
  Tensor x = leaf({1, 2});
  Tensor y = x * 2.0, z = y * 3.0;
  Tensor w = leaf({4});
  const Tensor other = (w * 5.0).sum();
  z.register_hook([&](const Tensor&) {
    grad({other}, {w, y}, {}, {.allow_unused = true});
    return Tensor();
  });
  CHECK(values(grad({z.sum()}, {y})[0]) == std::vector<float>{3, 3});
}

TEST_CASE("regression: a leaf's hook may add to another leaf's gradient, with create_graph too") {
  for (const bool create_graph : {false, true}) {
    Tensor u = leaf({1}), v = leaf({1});
    v.set_grad(zeros({1}));
    u.register_hook([&](const Tensor&) {
      const GradMode record(true);
      (v * 10.0).sum().backward();
      return Tensor();
    });
    (v * 2.0 + u).sum().backward({.create_graph = create_graph});
    CHECK(v.grad().item() == 12);
    v.zero_grad();
    u.zero_grad();
  }
}

TEST_CASE("regression: accumulation never writes into a tensor that somebody else holds") {
  Tensor a = leaf({1}), b = leaf({1});
  const Tensor shared = ones({1});
  a.set_grad(shared);
  b.set_grad(shared);
  (a.sum() + b.sum()).backward();
  CHECK(a.grad().item() == 2);
  CHECK(b.grad().item() == 2);
  CHECK(shared.item() == 1);
  CHECK_THROWS_WITH_AS(a.set_grad(a),
                       "set_grad: the gradient is the tensor itself, expected another; use clone()", Error);
}

TEST_CASE("regression: what grad() returns is the caller's alone") {
  Tensor a = leaf({1}), b = leaf({1});
  const Tensor seed = ones({1});
  auto grads = grad({a + b}, {a, b}, {seed});
  grads[0].mutable_data<float>()[0] = 99;
  CHECK(grads[1].item() == 1);
  CHECK(seed.item() == 1);
}

TEST_CASE("regression: integers are kept exactly or refused") {
  CHECK_THROWS_WITH_AS(
      tensor({9007199254740993LL}, DType::i64),
      "tensor: the number 9007199254740993 is beyond 2^53, expected a smaller one; pass a span of "
      "std::int64_t",
      Error);
  CHECK_THROWS_WITH_AS(tensor({0.5}, DType::i64),
                       "tensor: value 0.5 for i64, expected an integer from -2^63 to 2^63 - 1", Error);
}

TEST_CASE("regression: a dimension that is not there is refused") {
  CHECK_THROWS_WITH_AS(
      static_cast<void>(ones({2, 3}).shape()[-1]),
      "shape: axis -1 of [2, 3], expected 0 or more and less than 2; at() counts from the end, too", Error);
}

TEST_CASE("regression: an op names the input that is undefined") {
  const Tensor nothing, x = ones({2, 2});
  CHECK_THROWS_WITH_AS(cross_entropy(x, nothing),
                       "cross_entropy: input 1 is undefined, expected a tensor with elements", Error);
  CHECK_THROWS_WITH_AS(x.matmul(nothing), "matmul: input 1 is undefined, expected a tensor with elements",
                       Error);
}

TEST_CASE("regression: empty functions are refused") {
  Tensor x = leaf({1});
  CHECK_THROWS_WITH_AS(x.register_hook(nullptr), "register_hook: the hook is empty, expected a function",
                       Error);
  Generator generator(1);
  CHECK_THROWS_WITH_AS(nn::Dense(1, 1, generator, {.init = nullptr}),
                       "Dense: init is empty, expected an initialiser", Error);
}

TEST_CASE("regression: few rows are shared among the threads, too") {
  const int before = num_threads();
  set_num_threads(2);
  std::atomic<int> ranges{0};
  parallel_for(
      16, [&](std::int64_t, std::int64_t) { ++ranges; }, 1);
  set_num_threads(before);
  CHECK(ranges == 2);
}

TEST_CASE("regression: a frozen layer is left out of what a module's optimizer trains") {
  Generator generator(1);
  nn::Dense frozen(2, 2, generator), trained(2, 2, generator);
  frozen.weight.requires_grad_(false);
  frozen.bias.requires_grad_(false);
  const std::vector<float> before = values(frozen.weight), moving = values(trained.weight);
  nn::Sequential model{std::move(frozen), std::move(trained)};
  optim::Adam optimizer(model);
  model(tensor({{1, 2}})).sum().backward();
  optimizer.step();
  CHECK(values(model.named_parameters()[0].value) == before);
  CHECK(values(model.named_parameters()[2].value) != moving);
}

TEST_CASE("regression: a momentum that a schedule takes to 0 comes back") {
  Tensor w = leaf({1});
  optim::SGD optimizer({w}, {.lr = 1, .momentum = 0.9});
  optim::OneCycleLR schedule(optimizer, {.max_lr = 1, .total_steps = 10, .base_momentum = 0});
  for (int i = 0; i < 9; ++i) schedule.step();
  CHECK(*optimizer.momentum() == doctest::Approx(0.95));
}

TEST_CASE("regression: leaves whose grads share a block get each its own sum") {
  Tensor a = ones({1}).requires_grad_(), b = ones({1}).requires_grad_();
  {
    const Tensor g = ones({1});
    a.set_grad(g);
    b.set_grad(g);
  }
  (a + b).sum().backward();
  CHECK(a.grad().item() == 2);
  CHECK(b.grad().item() == 2);
}

namespace {
struct Ranked {
  static constexpr std::string_view name = "ranked";
  static constexpr int outputs = 2;
  std::array<Meta, 2> infer(const Tensor& x) const {
    return {{{x.shape(), DType::i64}, {x.shape(), x.dtype()}}};
  }
  void forward(const Tensor& x, Tensor& index, Tensor& y) const {
    for (std::size_t i = 0; i < x.data<float>().size(); ++i) {
      index.mutable_data<std::int64_t>()[i] = static_cast<std::int64_t>(i);
      y.mutable_data<float>()[i] = 2 * x.data<float>()[i];
    }
  }
  Tensor gradient(const Incoming& g) const { return g[1] * 2.0; }
};
}  // namespace

TEST_CASE("regression: an op whose first result is of indices passes the gradient of its second on") {
  const Tensor x = ones({2}).requires_grad_();
  const auto results = apply(Ranked{}, x);
  CHECK(!results[0].requires_grad());
  results[1].sum().backward();
  REQUIRE(x.grad().defined());
  CHECK(x.grad().to_vector<float>()[1] == 2);
}

namespace {
struct Careless {
  static constexpr std::string_view name = "careless";
  static constexpr int outputs = 2;
  std::array<Meta, 2> infer(const Tensor& x) const {
    return {{{x.shape(), x.dtype()}, {x.shape(), x.dtype()}}};
  }
  void forward(const Tensor& x, Tensor& y, Tensor& z) const {
    for (std::size_t i = 0; i < x.data<double>().size(); ++i) {
      y.mutable_data<double>()[i] = 2 * x.data<double>()[i];
      z.mutable_data<double>()[i] = 3 * x.data<double>()[i];
    }
  }
  Tensor gradient(const Incoming& g) const {
    if (!g[1].defined()) return g[0] * 200.0;
    return g[0].defined() ? g[0] * 2.0 + g[1] * 3.0 : g[1] * 3.0;
  }
};
}  // namespace

TEST_CASE("regression: gradcheck sees a gradient that is wrong where only one of two outputs is used") {
  const TensorFunction careless = [](const std::vector<Tensor>& in) {
    const auto results = apply(Careless{}, in[0]);
    return std::vector<Tensor>(results.begin(), results.end());
  };
  const GradcheckResult result =
      gradcheck(careless, {ones({2}, DType::f64).requires_grad_()}, {.label = "careless"});
  CHECK(result.failure.starts_with("careless, output 0, input 0 [2], element 0: gradient "));
}

namespace {
struct Lopsided {
  static constexpr std::string_view name = "lopsided";
  Meta infer(const Tensor& x) const { return {x.shape(), x.dtype()}; }
  void forward(const Tensor& x, Tensor& y) const {
    y.mutable_data<double>()[0] = 1e4 * x.data<double>()[0];
    y.mutable_data<double>()[1] = x.data<double>()[1];
  }
  Tensor gradient(const Incoming& g) const { return g[0] * tensor({1e4, 1 + 1e-6}, DType::f64); }
};
}  // namespace

TEST_CASE("regression: gradcheck holds small gradients beside large ones to their own tolerance") {
  const TensorFunction lopsided = [](const std::vector<Tensor>& in) {
    return std::vector<Tensor>{apply(Lopsided{}, in[0])};
  };
  CHECK(!gradcheck(lopsided, {ones({2}, DType::f64).requires_grad_()}).passed());
}
