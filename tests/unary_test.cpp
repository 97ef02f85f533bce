// Functions of one tensor: mathematics at the edges of its domains, accuracy in f32 against a wider type, in-place
// forms, refusals.

#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <rill/core/op_list.hpp>

#include "gradcheck.hpp"

namespace {

using namespace rill;

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

using Values = std::vector<double>;
using Unary = std::function<Tensor(const Tensor&)>;

// Equal, with a NaN where one is expected.
void check_equal(const Tensor& got, const Values& expected) {
  REQUIRE(got.numel() == std::ssize(expected));
  for (std::size_t i = 0; i < expected.size(); ++i) {
    CAPTURE(i);
    const double value = got.data<double>()[i];
    if (std::isnan(expected[i])) {
      CHECK(std::isnan(value));
    } else {
      CHECK(value == expected[i]);
    }
  }
}

Tensor numbers(const Values& values) {
  return tensor(std::span<const double>(values), {std::ssize(values)}).requires_grad_();
}

void check_value_and_slope(const Unary& function, const Values& xs, const Values& ys, const Values& slopes) {
  const Tensor x = numbers(xs), y = function(x);
  y.backward(ones({std::ssize(xs)}, DType::f64));
  check_equal(y, ys);
  check_equal(x.grad(), slopes);
}

// --- edges: PyTorch's ------------------------------------------------------------------------------------------------

TEST_CASE("exp: infinite and NaN arguments") {
  check_value_and_slope([](const Tensor& x) { return x.exp(); }, {-inf, 0, 1000, inf, nan},
                        {0, 1, inf, inf, nan}, {0, 1, inf, inf, nan});
}

TEST_CASE("log: -inf at 0, NaN below, where the slope is still 1 / x") {
  check_value_and_slope([](const Tensor& x) { return x.log(); }, {0, -2, 1, inf, nan},
                        {-inf, nan, 0, inf, nan}, {inf, -.5, 1, 0, nan});
}

TEST_CASE("sqrt: NaN below 0, an infinite slope at 0") {
  check_value_and_slope([](const Tensor& x) { return x.sqrt(); }, {-1, 0, 4, inf, nan}, {nan, 0, 2, inf, nan},
                        {nan, inf, .25, 0, nan});
}

TEST_CASE("rsqrt: inf at 0, NaN below") {
  check_value_and_slope([](const Tensor& x) { return x.rsqrt(); }, {-1, 0, 4, inf, nan},
                        {nan, inf, .5, 0, nan}, {nan, -inf, -.0625, 0, nan});
}

TEST_CASE("reciprocal: inf at 0, 0 at inf") {
  check_value_and_slope([](const Tensor& x) { return x.reciprocal(); }, {0, -4, inf, -inf, nan},
                        {inf, -.25, 0, 0, nan}, {-inf, -.0625, 0, 0, nan});
}

TEST_CASE("abs: the slope at 0 is 0") {
  check_value_and_slope([](const Tensor& x) { return x.abs(); }, {-inf, -2, -0.0, 0, 3, inf},
                        {inf, 2, 0, 0, 3, inf}, {-1, -1, 0, 0, 1, 1});
  CHECK(std::isnan(full({}, nan).abs().item()));
}

TEST_CASE("sin and cos: NaN at infinities") {
  check_value_and_slope([](const Tensor& x) { return x.sin(); }, {0, inf, -inf, nan}, {0, nan, nan, nan},
                        {1, nan, nan, nan});
  check_value_and_slope([](const Tensor& x) { return x.cos(); }, {0, inf, -inf, nan}, {1, nan, nan, nan},
                        {0, nan, nan, nan});
}

TEST_CASE("square: values and slopes") {
  check_value_and_slope([](const Tensor& x) { return x.square(); }, {-3, 0, 1e200, -inf, nan},
                        {9, 0, inf, inf, nan}, {-6, 0, 2e200, -inf, nan});
}

TEST_CASE("neg: a sign, also of 0 and of NaN") {
  check_value_and_slope([](const Tensor& x) { return -x; }, {-3, 0, inf, nan}, {3, 0, -inf, nan},
                        {-1, -1, -1, -1});
  CHECK(std::signbit((-full({}, 0.0)).item()));
  CHECK_FALSE(std::signbit(full({}, -0.0).neg().item()));
}

TEST_CASE("neg: has gradients of every order, and saves nothing") {
  const Tensor x = numbers({2});
  Tensor y = -(x * x * x);
  y.relu_();  // would be refused afterwards if neg read its result
  CHECK_NOTHROW(y.sum().backward());
  Tensor slope = -(x * x * x);
  for (const double expected : {-12.0, -12.0, -6.0}) {
    slope = grad({slope.sum()}, {x}, {}, {.create_graph = true})[0];
    CHECK(slope.item() == expected);
  }
}

// --- clamp -----------------------------------------------------------------------------------------------------------

TEST_CASE("clamp: the slope is 1 at the bounds and between them") {
  check_value_and_slope([](const Tensor& x) { return x.clamp(-1, 2); }, {-inf, -1.5, -1, 0, 2, 2.5, inf},
                        {-1, -1, -1, 0, 2, 2, 2}, {0, 0, 1, 1, 1, 0, 0});
}

TEST_CASE("clamp: NaN goes through") { CHECK(std::isnan(full({}, nan).clamp(-1, 2).item())); }

TEST_CASE("clamp: max everywhere if min is above it, with slope 0") {
  check_value_and_slope([](const Tensor& x) { return x.clamp(2, -1); }, {-3, 0, 3}, {-1, -1, -1}, {0, 0, 0});
}

TEST_CASE("clamp: an infinite bound does not bound") {
  check_value_and_slope([](const Tensor& x) { return x.clamp(0, inf); }, {-3, 0, 1e300, inf},
                        {0, 0, 1e300, inf}, {0, 1, 1, 1});
  check_value_and_slope([](const Tensor& x) { return clamp(x, -inf, 0); }, {-inf, -3, 0, 3}, {-inf, -3, 0, 0},
                        {1, 1, 1, 0});
}

TEST_CASE("clamp: a bound beyond f32 does not bound an f32") {
  CHECK(full({}, 3e38).clamp(-1e300, 1e300).item() == double{3e38f});
  CHECK(full({}, inf).clamp(-1e300, 1e300).item() == inf);
}

TEST_CASE("clamp: a NaN bound is refused") {
  const Tensor x = ones({2});
  CHECK_THROWS_WITH_AS(x.clamp(nan, 1), "clamp: min is nan, expected a number", Error);
  CHECK_THROWS_WITH_AS(x.clamp(0, nan), "clamp: max is nan, expected a number", Error);
}

// --- attributes ------------------------------------------------------------------------------------------------------

TEST_CASE("celu: an alpha that is no finite number above 0 is refused") {
  Tensor x = ones({2});
  CHECK_THROWS_WITH_AS(x.celu(0), "celu: alpha is 0, expected a finite number above 0", Error);
  CHECK_THROWS_WITH_AS(x.celu(-1), "celu: alpha is -1, expected a finite number above 0", Error);
  CHECK_THROWS_WITH_AS(x.celu_(nan), "celu: alpha is nan, expected a finite number above 0", Error);
  CHECK_THROWS_WITH_AS(x.celu(inf), "celu: alpha is inf, expected a finite number above 0", Error);
  CHECK_THROWS_AS(x.celu(1e-300), Error);  // 0 in f32
  CHECK_NOTHROW(x.to(DType::f64).celu(1e-300));
}

TEST_CASE("softplus: a beta that is no finite number above 0, and a NaN threshold are refused") {
  const Tensor x = ones({2});
  CHECK_THROWS_WITH_AS(x.softplus(0), "softplus: beta is 0, expected a finite number above 0", Error);
  CHECK_THROWS_WITH_AS(x.softplus(nan), "softplus: beta is nan, expected a finite number above 0", Error);
  CHECK_THROWS_WITH_AS(softplus(x, 1, nan), "softplus: threshold is nan, expected a number", Error);
}

TEST_CASE("softplus: the identity above the threshold") {
  check_value_and_slope([](const Tensor& x) { return softplus(x, 2, 3); }, {1.6, 30, inf}, {1.6, 30, inf},
                        {1, 1, 1});
  CHECK(full({}, 1.5, DType::f64).softplus(2).item() == doctest::Approx(1.5 + std::log1p(std::exp(-3)) / 2));
  // At the threshold itself the formula still holds: 20 + log1p(exp(-20)).
  CHECK(tensor({20}, DType::f64).softplus().item() == 20.000000002061153);
}

TEST_CASE("softplus: an infinite threshold overflows nowhere") {
  check_value_and_slope([](const Tensor& x) { return softplus(x, 1, inf); }, {-inf, 0, 800, inf},
                        {0, std::log(2), 800, inf}, {0, .5, 1, 1});
}

// --- accuracy --------------------------------------------------------------------------------------------------------

using Exact = std::function<long double(long double)>;

struct Accuracy {
  const char* name;
  Unary apply;
  Exact value, slope;
  double value_bound, slope_bound;  // in ulp
};

long double logistic(long double x) { return 1 / (1 + std::exp(-x)); }
long double normal_below(long double x) { return std::erfc(-x / std::sqrt(2.0L)) / 2; }
long double gelu_exponent(long double x) {
  return 2 * std::sqrt(2 / std::acos(-1.0L)) * (x + 0.044715L * x * x * x);
}
long double gelu_exponent_slope(long double x) {
  return 2 * std::sqrt(2 / std::acos(-1.0L)) * (1 + 0.134145L * x * x);
}

constexpr long double selu_scale = 1.0507009873554804934193349852946L;
constexpr long double selu_steep = selu_scale * 1.6732632423543772848170429916717L;

// The bounds are 2 ulp for sigmoid and tanh, 1 for what is computed in double, or measured.
const std::vector<Accuracy> accuracies{
    {"exp", [](const Tensor& x) { return x.exp(); }, [](long double x) { return std::exp(x); },
     [](long double x) { return std::exp(x); }, 1, 1},
    {"sin", [](const Tensor& x) { return x.sin(); }, [](long double x) { return std::sin(x); },
     [](long double x) { return std::cos(x); }, 1, 1},
    {"cos", [](const Tensor& x) { return x.cos(); }, [](long double x) { return std::cos(x); },
     [](long double x) { return -std::sin(x); }, 1, 1},
    {"reciprocal", [](const Tensor& x) { return x.reciprocal(); }, [](long double x) { return 1 / x; },
     [](long double x) { return -1 / (x * x); }, 0.5, 2},
    {"sigmoid", [](const Tensor& x) { return x.sigmoid(); }, logistic,
     [](long double x) { return logistic(x) * logistic(-x); }, 2, 1},
    {"tanh", [](const Tensor& x) { return x.tanh(); }, [](long double x) { return std::tanh(x); },
     [](long double x) { return 4 * logistic(2 * x) * logistic(-2 * x); }, 1, 1},
    {"selu", [](const Tensor& x) { return x.selu(); },
     [](long double x) { return x > 0 ? selu_scale * x : selu_steep * std::expm1(x); },
     [](long double x) { return x > 0 ? selu_scale : selu_steep * std::exp(x); }, 2, 2},
    {"celu", [](const Tensor& x) { return x.celu(0.3); },
     [](long double x) { return x > 0 ? x : 0.3 * std::expm1(x / 0.3); },
     [](long double x) { return x > 0 ? 1 : std::exp(x / 0.3); }, 1, 1},
    {"silu", [](const Tensor& x) { return x.silu(); }, [](long double x) { return x * logistic(x); },
     [](long double x) { return logistic(x) * (1 + x * logistic(-x)); }, 1, 1},
    {"softplus", [](const Tensor& x) { return x.softplus(3); },
     [](long double x) { return 3 * x > 20 ? x : std::log1p(std::exp(3 * x)) / 3; },
     [](long double x) { return 3 * x > 20 ? 1 : logistic(3 * x); }, 1, 1},
    {"gelu", [](const Tensor& x) { return x.gelu(); }, [](long double x) { return x * normal_below(x); },
     [](long double x) {
       return normal_below(x) + x * std::exp(-x * x / 2) / std::sqrt(2 * std::acos(-1.0L));
     },
     1, 1},
    {"gelu by tanh", [](const Tensor& x) { return gelu(x, GeluApproximation::tanh); },
     [](long double x) { return x * logistic(gelu_exponent(x)); },
     [](long double x) {
       const long double v = gelu_exponent(x);
       return logistic(v) + x * logistic(v) * logistic(-v) * gelu_exponent_slope(x);
     },
     1, 1},
};

// f32 numbers of both signs and all magnitudes: every 80,021st bit pattern, denormals included, without infinities,
// NaN and what is so large that the formulas in long double multiply 0 by infinity.
std::vector<float> spread() {
  std::vector<float> xs{0.0f, -0.0f};
  for (std::uint64_t bits = 1; bits < (std::uint64_t{1} << 32); bits += 80021) {
    const float x = std::bit_cast<float>(static_cast<std::uint32_t>(bits));
    if (std::abs(x) < 1e4f) xs.push_back(x);
  }
  for (float x = -20; x < 20; x += 0.00731f) xs.push_back(x);
  return xs;
}

// The largest distance in units of the last place that f32 has at the exact value; infinite where one is no number.
double worst_ulp(std::span<const float> got, std::span<const float> xs, const Exact& exact) {
  double worst = 0;
  for (std::size_t i = 0; i < xs.size(); ++i) {
    const long double expected = exact(static_cast<long double>(xs[i]));
    const float near = std::abs(static_cast<float>(expected));
    if (std::isinf(near) && static_cast<float>(expected) == got[i]) continue;
    const long double unit = static_cast<long double>(std::nextafter(near, static_cast<float>(inf))) -
                             static_cast<long double>(near);
    const double error = static_cast<double>(std::abs(static_cast<long double>(got[i]) - expected) / unit);
    worst = std::max(worst, std::isnan(error) ? inf : error);
  }
  return worst;
}

TEST_CASE("unary: values and slopes in f32 are within a few ulp of those in a wider type") {
  const std::vector<float> xs = spread();
  for (const Accuracy& f : accuracies) {
    CAPTURE(f.name);
    const Tensor x = tensor(std::span<const float>(xs), {std::ssize(xs)}).requires_grad_();
    const Tensor y = f.apply(x);
    y.backward(ones(x.shape()));
    CHECK(worst_ulp(y.data<float>(), xs, f.value) <= f.value_bound);
    const Tensor slope = x.grad();
    CHECK(worst_ulp(slope.data<float>(), xs, f.slope) <= f.slope_bound);
  }
}

TEST_CASE("unary: log, sqrt and rsqrt in f32 are within 2 ulp of those in a wider type") {
  std::vector<float> xs;
  for (std::uint32_t bits = 1; bits < 0x7f800000; bits += 80021) xs.push_back(std::bit_cast<float>(bits));
  const auto within = [&](const char* name, const Tensor& y, const Exact& exact) {
    CAPTURE(name);
    CHECK(worst_ulp(y.data<float>(), xs, exact) <= 2);
  };
  const Tensor x = tensor(std::span<const float>(xs), {std::ssize(xs)});
  within("log", x.log(), [](long double t) { return std::log(t); });
  within("sqrt", x.sqrt(), [](long double t) { return std::sqrt(t); });
  within("rsqrt", x.rsqrt(), [](long double t) { return 1 / std::sqrt(t); });
}

TEST_CASE("gelu: the left tail keeps its digits") {
  // x · Φ(x) at -10, to 50 digits by another program
  CHECK(std::abs(full({}, -10, DType::f64).gelu().item() / -7.619853024160527e-23 - 1) < 1e-13);
  CHECK(full({}, -13).gelu().item() < 0);
}

// --- in place and higher order ---------------------------------------------------------------------------------------

struct Overwriting {
  const char* name;
  std::function<void(Tensor&)> apply;
  Unary plain;
};

const std::vector<Overwriting> overwriting{
    {"selu_", [](Tensor& x) { x.selu_(); }, [](const Tensor& x) { return x.selu(); }},
    {"celu_", [](Tensor& x) { x.celu_(0.5); }, [](const Tensor& x) { return x.celu(0.5); }},
    {"tanh_", [](Tensor& x) { x.tanh_(); }, [](const Tensor& x) { return x.tanh(); }},
    {"sigmoid_", [](Tensor& x) { x.sigmoid_(); }, [](const Tensor& x) { return x.sigmoid(); }},
};

TEST_CASE("unary: the in-place forms give the same bits as the plain ones") {
  Generator generator(3);
  for (const Overwriting& f : overwriting) {
    CAPTURE(f.name);
    Tensor x = randn({3, 41}, generator);
    const Tensor expected = f.plain(x);
    f.apply(x);
    CHECK(test::same_bits(x, expected));
  }
}

TEST_CASE("gradcheck: selu_, celu_, tanh_ and sigmoid_, first and second order") {
  Stream stream(31, Purpose::user);
  for (const Overwriting& f : overwriting) {
    const Tensor x = test::random_tensor({3, 5}, stream).requires_grad_();
    const test::Function function = [&](const test::Tensors& in) {
      Tensor y = in[0] * 1.0;
      f.apply(y);
      return test::Tensors{y};
    };
    for (const auto& result : {test::check_gradient(function, {x}, stream, f.name),
                               test::check_second_order(function, {x}, stream, f.name)})
      CHECK_MESSAGE(result.passed(), result.failure);
  }
}

TEST_CASE("unary: the third order of a curved function is refused") {
  const Tensor x = numbers({-1, 0.5});
  const std::vector<std::pair<std::string, Unary>> curved{
      {"selu", [](const Tensor& t) { return t.selu(); }},
      {"celu", [](const Tensor& t) { return t.celu(); }},
      {"gelu", [](const Tensor& t) { return t.gelu(); }},
      {"gelu_tanh", [](const Tensor& t) { return gelu(t, GeluApproximation::tanh); }},
      {"silu", [](const Tensor& t) { return t.silu(); }},
      {"softplus", [](const Tensor& t) { return t.softplus(); }},
      {"tanh", [](const Tensor& t) { return t.tanh(); }},
      {"sigmoid", [](const Tensor& t) { return t.sigmoid(); }}};
  for (const auto& [name, function] : curved) {
    const Tensor first = grad({function(x).sum()}, {x}, {}, {.create_graph = true})[0];
    const Tensor second = grad({first.sum()}, {x}, {}, {.create_graph = true})[0];
    CHECK_THROWS_WITH_AS(second.sum().backward(),
                         ("backward: " + name +
                          "_backward_backward has no gradient, expected first or second order; activations "
                          "are differentiable twice, not "
                          "three times")
                             .c_str(),
                         Error);
  }
}

TEST_CASE("unary: i64 is refused by name") {
  const Tensor count = tensor({1, 2}, DType::i64);
  CHECK_THROWS_WITH_AS(-count, "neg: x is i64, expected f32 or f64", Error);
  CHECK_THROWS_WITH_AS(count.exp(), "exp: x is i64, expected f32 or f64", Error);
  CHECK_THROWS_WITH_AS(count.clamp(0, 1), "clamp: x is i64, expected f32 or f64", Error);
  CHECK_THROWS_WITH_AS(count.gelu(), "gelu: x is i64, expected f32 or f64", Error);
}

}  // namespace
