// Initialisers: names, moments and support of what they draw, orthogonality, gains, and variance through depth.
#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <string>

#include <rill/rill.hpp>

#include "gradcheck.hpp"
#include "thread_count.hpp"

using namespace rill;
namespace init = nn::init;

namespace {

constexpr double inf = std::numeric_limits<double>::infinity();

struct Moments {
  double mean = 0, variance = 0, low = inf, high = -inf;
};

Moments moments_of(const nn::Init& initialise, const Shape& shape = {400, 500}, std::uint64_t seed = 1) {
  Generator generator(seed);
  Tensor weight = empty(shape, DType::f64);
  initialise(weight, generator);
  Moments found;
  const auto values = weight.data<double>();
  const auto n = static_cast<double>(values.size());
  for (const double value : values) {
    found.mean += value / n;
    found.low = std::min(found.low, value);
    found.high = std::max(found.high, value);
  }
  for (const double value : values) found.variance += (value - found.mean) * (value - found.mean) / n;
  return found;
}

// Mean and variance within five deviations of their estimators, of which a normal's are the widest here.
void check_moments(const Moments& found, double mean, double variance, double n = 400 * 500) {
  CHECK(std::abs(found.mean - mean) <= 5 * std::sqrt(variance / n));
  CHECK(std::abs(found.variance / variance - 1) <= 5 * std::sqrt(2 / n));
}

// The largest |Σ_k a_ik a_jk - (i = j)| over rows, or columns.
double worst_product(const Tensor& w, bool rows) {
  const Tensor product = rows ? matmul(w, w, false, true) : matmul(w, w, true, false);
  double worst = 0;
  for (std::int64_t i = 0; i < product.shape()[0]; ++i)
    for (std::int64_t j = 0; j < product.shape()[0]; ++j)
      worst = std::max(worst, std::abs(product.at({i, j}) - (i == j)));
  return worst;
}

double phi(double x) { return std::erfc(-x / std::sqrt(2.0)) / 2; }
double density(double x) { return std::isinf(x) ? 0 : std::exp(-x * x / 2) / std::sqrt(2 * M_PI); }

// Mean and variance of a standard normal on [a, b]: the textbook formulas.
Moments truncated(double a, double b) {
  const double mass = phi(b) - phi(a), first = (density(a) - density(b)) / mass;
  const double at_a = std::isinf(a) ? 0 : a * density(a), at_b = std::isinf(b) ? 0 : b * density(b);
  return {first, 1 + (at_a - at_b) / mass - first * first, a, b};
}

// 1/√E[f(z)²] by Simpson's rule on each side of the kink.
double gain_by_quadrature(const std::function<double(double)>& f) {
  const auto integrand = [&](double z) { return f(z) * f(z) * std::exp(-z * z / 2) / std::sqrt(2 * M_PI); };
  const double step = 1.0 / 256;
  double sum = 0;
  for (double z = -12; z < 12; z += step)
    sum += step / 6 * (integrand(z) + 4 * integrand(z + step / 2) + integrand(z + step));
  return 1 / std::sqrt(sum);
}

}  // namespace

TEST_CASE("init: an initialiser knows its name and its options") {
  CHECK(init::kaiming_normal().name() == "kaiming_normal");
  const nn::Init trunc = init::truncated_normal(0, 0.5, -1, 1);
  CHECK(trunc.name() == "truncated_normal");
  REQUIRE(trunc.options().size() == 4);
  CHECK(trunc.options()[1].key == "std");
  CHECK(trunc.options()[1].value == 0.5);
  CHECK(init::kaiming_uniform(1, init::Fan::out).options()[1].key == "mode");
  CHECK(init::kaiming_uniform(1, init::Fan::out).options()[1].value == 1);
  CHECK(init::lecun_normal().options().empty());
}

TEST_CASE("init: any function is an initialiser named custom, and none is false") {
  const nn::Init half = [](Tensor& weight, Generator&) { weight.mutable_data<float>()[0] = 0.5f; };
  CHECK(half.name() == "custom");
  Generator generator(1);
  const nn::Dense dense(1, 1, generator, {.init = half});
  CHECK(dense.weight.item() == 0.5);
  CHECK_FALSE(nn::Init());
  CHECK_FALSE(nn::Init(nn::Init::Function()));
  Tensor weight = zeros({2, 2});
  CHECK_THROWS_WITH_AS(nn::Init()(weight, generator), "init: it is empty, expected an initialiser", Error);
}

TEST_CASE("init: moments are the documented ones") {
  check_moments(moments_of(init::lecun_normal()), 0, 1.0 / 500);
  check_moments(moments_of(init::lecun_uniform()), 0, 1.0 / 500);
  check_moments(moments_of(init::normal(2, 3)), 2, 9);
  check_moments(moments_of(init::uniform(-1, 3)), 1, 16.0 / 12);
  check_moments(moments_of(init::kaiming_normal(2, init::Fan::out)), 0, 4.0 / 400);
}

TEST_CASE("init: uniform draws fill their interval and do not leave it") {
  const double bound = std::sqrt(3.0 / 500);
  const Moments found = moments_of(init::lecun_uniform());
  CHECK(found.low >= -bound);
  CHECK(found.high <= bound);
  CHECK(found.high > 0.999 * bound);
  CHECK(moments_of(init::uniform(5, 5)).low == 5);
}

TEST_CASE("init: truncated_normal has the truncated distribution's moments and support") {
  const std::pair<double, double> intervals[] = {{-2, 2},  {-0.5, 1},    {-8, 8},    {2, 3},
                                                 {3, inf}, {-inf, -2.5}, {0.5, inf}, {-inf, inf}};
  for (const auto& interval : intervals) {
    const double low = interval.first, high = interval.second;
    CAPTURE(low);
    const Moments expected = truncated(low, high);
    const Moments found = moments_of(init::truncated_normal(0, 1, low, high));
    CHECK(found.low >= low);
    CHECK(found.high <= high);
    CHECK(std::abs(found.mean - expected.mean) <= 5 * std::sqrt(expected.variance / 200000));
    // An exponential tail's fourth moment is 9 σ⁴: the widest of these.
    CHECK(std::abs(found.variance / expected.variance - 1) <= 5 * std::sqrt(8.0 / 200000));
  }
}

TEST_CASE("init: truncated_normal draws from a window far out in the tail, and has its moments") {
  // Uniform draws would be taken once in 4 · start tries. Far out, z - start has mean 1/s - 2/s³ and variance 1/s² - 6/s⁴
  // (from the asymptotic series of the normal's hazard), up to the next power.
  for (const double start : {20.0, 1e2, 1e4, 1e5}) {
    CAPTURE(start);
    for (const double side : {1.0, -1.0}) {
      const Moments found = moments_of(
          init::truncated_normal(-side * start, 1, side > 0 ? 0 : -4, side > 0 ? 4 : 0));  // z - start
      const double square = start * start, mean = (1 - 2 / square) / start,
                   variance = (1 - 6 / square) / square;
      CHECK(std::abs(found.mean - side * mean) <= 5 * std::sqrt(variance / 200000) + 12 / std::pow(start, 5));
      CHECK(std::abs(found.variance / variance - 1) <= 5 * std::sqrt(8.0 / 200000) + 60 / (square * square));
      CHECK(found.low >= (side > 0 ? 0 : -4));
      CHECK(found.high <= (side > 0 ? 4 : 0));
    }
  }
  CHECK(moments_of(init::truncated_normal(0, 1, 1e200, inf), {2, 2}).mean == doctest::Approx(1e200));
}

TEST_CASE("init: truncated_normal's bounds are values, not deviations") {
  const Moments found = moments_of(init::truncated_normal(1, 0.5, 0, 1.5));
  CHECK(found.low >= 0);
  CHECK(found.high <= 1.5);
  CHECK(found.high > 1.49);
}

TEST_CASE("init: orthogonal gives orthonormal rows or columns, whichever are fewer") {
  Generator generator(3);
  for (const Shape& shape :
       {Shape{20, 50}, Shape{50, 20}, Shape{30, 30}, Shape{1, 7}, Shape{7, 1}, Shape{6, 2, 5}}) {
    Tensor weight = empty(shape, DType::f64);
    init::orthogonal()(weight, generator);
    const std::int64_t rows = shape[0], columns = weight.numel() / rows;
    CHECK(worst_product(weight.reshape({rows, columns}), rows <= columns) < 1e-12);
  }
}

TEST_CASE("init: orthogonal stays so over many blocks, with the same bits for any number of threads") {
  for (const Shape& shape : {Shape{300, 300}, Shape{129, 400}, Shape{400, 97}}) {
    const auto run = [&](int threads) {
      const test::ThreadCount count(threads);
      Generator generator(7);
      Tensor weight = empty(shape, DType::f64);
      init::orthogonal()(weight, generator);
      return weight;
    };
    const Tensor one = run(1);
    CHECK(worst_product(one, shape[0] <= shape[1]) < 1e-13);
    for (const int threads : {2, 5}) CHECK(test::same_bits(one, run(threads)));
  }
}

TEST_CASE("init: orthogonal over many blocks is the Q whose R has a positive diagonal and nothing below") {
  Generator generator(5), same(5);
  Tensor weight = empty({150, 100}, DType::f64), drawn = empty({150, 100}, DType::f64);
  init::orthogonal()(weight, generator);
  init::normal()(drawn, same);
  const Tensor r = matmul(weight, drawn, true, false);  // Qᵀ A
  double below = 0, least = inf;
  for (std::int64_t i = 0; i < 100; ++i) {
    least = std::min(least, r.at({i, i}));
    for (std::int64_t j = 0; j < i; ++j) below = std::max(below, std::abs(r.at({i, j})));
  }
  CHECK(least > 1);  // the distance of a vector from at most 99 others in 150 dimensions is about √51
  CHECK(below < 1e-12);
}

TEST_CASE("init: orthogonal is the Q whose R has a positive diagonal, of the normal draws in order") {
  Generator generator(5), same(5);
  Tensor weight = empty({3, 2}, DType::f64), drawn = empty({3, 2}, DType::f64);
  init::orthogonal(2)(weight, generator);
  init::normal()(drawn, same);
  const Tensor r = matmul(weight, drawn, true, false);  // 2 · Qᵀ A = 2 R
  CHECK(r.at({0, 0}) > 0);
  CHECK(r.at({1, 1}) > 0);
  CHECK(std::abs(r.at({1, 0})) < 1e-14);
}

TEST_CASE("init: zeros, ones and constant fill tensors of any shape") {
  Generator generator(1);
  Tensor line = empty({3});
  init::ones()(line, generator);
  CHECK(line.at({2}) == 1);
  init::zeros()(line, generator);
  CHECK(line.at({0}) == 0);
  init::constant(-0.5)(line, generator);
  CHECK(line.at({1}) == -0.5);
}

TEST_CASE("init: variance gains are those of the reference") {
  using init::variance_gain;
  const std::pair<const char*, double> expected[] = {
      {"relu", 1.414214}, {"leaky_relu", 1.414143}, {"prelu", 1.371989}, {"elu", 1.245198},
      {"gelu", 1.533529}, {"silu", 1.676532},       {"tanh", 1.592537},  {"selu", 1}};
  for (const auto& one : expected)
    CHECK_MESSAGE(variance_gain(one.first) == doctest::Approx(one.second).epsilon(1.5e-6), one.first);
  CHECK(variance_gain("leaky_relu", 0.3) == doctest::Approx(1.354571).epsilon(1e-6));
  CHECK(variance_gain("elu") == doctest::Approx(init::gain("elu")).epsilon(1e-12));
}

TEST_CASE("init: variance gains agree with a quadrature") {
  using init::variance_gain;
  const auto sigmoid = [](double z) { return 1 / (1 + std::exp(-z)); };
  const auto close = [](double got, const std::function<double(double)>& f) {
    CHECK(got == doctest::Approx(gain_by_quadrature(f)).epsilon(1e-9));
  };
  close(variance_gain("gelu"), [](double z) { return z * phi(z); });
  close(variance_gain("silu"), [&](double z) { return z * sigmoid(z); });
  close(variance_gain("tanh"), [](double z) { return std::tanh(z); });
  close(variance_gain("sigmoid"), sigmoid);
  close(variance_gain("softplus"), [](double z) { return std::log1p(std::exp(z)); });
  for (const double alpha : {0.02, 0.3, 1.0, 2.0}) {
    close(variance_gain("elu", alpha), [=](double z) { return z > 0 ? z : alpha * std::expm1(z); });
    close(variance_gain("celu", alpha), [=](double z) { return z > 0 ? z : alpha * std::expm1(z / alpha); });
  }
}

TEST_CASE("init: with the variance gain the second moment survives 30 layers") {
  const auto moment_after = [](double gain, auto activate) {
    double sum = 0;
    for (std::uint64_t seed = 1; seed <= 3; ++seed) {
      Generator generator(seed);
      Tensor h = randn({64, 256}, generator, DType::f64);
      for (int layer = 0; layer < 30; ++layer) {
        const nn::Dense dense(256, 256, generator, {.init = init::kaiming_normal(gain), .dtype = DType::f64});
        h = linear(activate(h), dense.weight).detach();
      }
      sum += (h * h).mean().item() / 3;
    }
    return sum;
  };
  // One layer of 256 units scatters log E[h²] by about √(5/256) = 0.14 with ReLU; 30 layers by 0.77, three seeds by 0.44.
  const auto preserved = [](double moment) { return std::abs(std::log(moment)) < 4 * 0.44; };
  CHECK(preserved(moment_after(init::variance_gain("relu"), [](const Tensor& x) { return x.relu(); })));
  CHECK(preserved(moment_after(init::variance_gain("elu"), [](const Tensor& x) { return x.elu(); })));
  CHECK(preserved(moment_after(init::variance_gain("tanh"), [](const Tensor& x) { return x.tanh(); })));
  // Without it ReLU halves the moment in every layer: 2^-30.
  CHECK(moment_after(1, [](const Tensor& x) { return x.relu(); }) < 1e-7);
}

TEST_CASE("init: a slope is refused where the function has none, and elu's gain is the variance's") {
  const auto refused = [](const char* text, auto call) { CHECK_THROWS_WITH_AS(call(), text, Error); };
  refused("init: slope is 2, expected none for elu", [] { init::gain("elu", 2); });
  refused("init: slope is 9, expected none for relu", [] { init::gain("relu", 9); });
  refused("init: slope is 0, expected none for tanh", [] { init::gain("tanh", 0); });
  CHECK(init::gain("prelu", 1) == 1);
  CHECK(init::gain("elu") == init::variance_gain("elu"));
  CHECK(init::gain("elu") == doctest::Approx(1.2451983007007932).epsilon(1e-12));
}

TEST_CASE("init: bad arguments are refused") {
  const auto refused = [](const char* text, auto call) { CHECK_THROWS_WITH_AS(call(), text, Error); };
  refused("init: std is 0, expected a finite number above 0", [] { init::truncated_normal(0, 0); });
  refused("init: low is 2 and high is 1, expected low below high",
          [] { init::truncated_normal(0, 1, 2, 1); });
  refused("init: mean is inf, expected a finite number", [] { init::truncated_normal(inf); });
  refused("init: mean is nan, expected a finite number", [] { init::normal(NAN); });
  refused("init: std is -1, expected a finite number, 0 or more", [] { init::normal(0, -1); });
  refused("init: high is 0, expected a finite number, 1 or more", [] { init::uniform(1, 0); });
  refused("init: gain is -1, expected a finite number, 0 or more", [] { init::orthogonal(-1); });
  refused("init: weight is [3], expected [out, in] with at least one element", [] {
    Generator generator(1);
    Tensor line = zeros({3});
    init::orthogonal()(line, generator);
  });
  refused(
      "init: unknown nonlinearity \"mish\", expected linear, relu, leaky_relu, prelu, elu, celu, selu, gelu, "
      "silu, "
      "tanh, sigmoid or softplus",
      [] { init::variance_gain("mish"); });
  refused("init: parameter is 2, expected none for gelu", [] { init::variance_gain("gelu", 2); });
  refused("init: parameter is -1, expected a finite number, 0 or more",
          [] { init::variance_gain("elu", -1); });
  refused("init: parameter is 0, expected an alpha above 0 for celu", [] { init::variance_gain("celu", 0); });
}

TEST_CASE("init: a tail too far from the mean to be drawn from is refused") {
  using namespace rill;
  CHECK_THROWS_AS(nn::init::truncated_normal(0, 1e-300, 1e30, 2e30), Error);
  CHECK_THROWS_AS(nn::init::truncated_normal(0, 1e-10, 1e300, 1e301), Error);
  Generator generator(1);
  const nn::Dense far(2, 2, generator, {.init = nn::init::truncated_normal(0, 1, 1e20, 2e20)});
  for (const float value : far.weight.data<float>()) CHECK(value == 1e20f);
}
