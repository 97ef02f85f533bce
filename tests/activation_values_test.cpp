// The values and slopes of activations at kinks and tails, the pages that rill follows, and tensors as text.

#include <cmath>
#include <functional>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <rill/core/op_list.hpp>
#include <rill/nn/layers.hpp>

namespace {

using namespace rill;

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

// --- kinks and tails -------------------------------------------------------------------------------------------------

struct Point {
  double x, y, slope;  // a NaN slope is not specified
};

// What all of them have in common: the identity above 0, and NaN goes through.
std::vector<Point> with_positive(std::vector<Point> points) {
  for (const double x : {1e-8, 1.0, 100.0, 1e30, inf}) points.push_back({x, x, 1});
  points.push_back({nan, nan, nan});
  return points;
}

struct Activation {
  std::string name;
  std::function<Tensor(const Tensor&)> apply;
  std::function<void(Tensor&)> overwrite;  // the in-place form, where there is one
  std::vector<Point> points;
};

Tensor slopes(double value, const Tensor& like) { return full({1}, value, like.dtype()); }

const std::vector<Point> relu_points = with_positive(
    {{-inf, 0, 0}, {-1e30, 0, 0}, {-100, 0, 0}, {-1, 0, 0}, {-1e-8, 0, 0}, {-0.0, 0, 0}, {0, 0, 0}});

const std::vector<Activation> activations{
    {"relu", [](const Tensor& x) { return x.relu(); }, [](Tensor& x) { x.relu_(); }, relu_points},
    {"leaky_relu of slope 0", [](const Tensor& x) { return x.leaky_relu(0); },
     [](Tensor& x) { x.leaky_relu_(0); }, relu_points},
    {"bounded_relu without options", [](const Tensor& x) { return bounded_relu(x); }, nullptr, relu_points},
    {"bounded_relu of slope 0.1, ceiling 1.5 and threshold 0.5",
     [](const Tensor& x) {
       return bounded_relu(x, {.negative_slope = 0.1, .max_value = 1.5, .threshold = 0.5});
     },
     nullptr,
     {{-inf, -inf, .1},
      {-100, -10.05, .1},
      {-2, -.25, .1},
      {-1, -.15, .1},
      {0, -.05, .1},
      {.5, 0, .1},
      {1, 1, 1},
      {1.5, 1.5, 0},
      {2, 1.5, 0},
      {1e30, 1.5, 0},
      {inf, 1.5, 0},
      {nan, nan, nan}}},
    {"prelu of slope 0", [](const Tensor& x) { return x.prelu(slopes(0, x)); }, nullptr, relu_points},
    {"leaky_relu of slope 0.01", [](const Tensor& x) { return x.leaky_relu(); },
     [](Tensor& x) { x.leaky_relu_(); },
     with_positive({{-inf, -inf, .01},
                    {-1e30, -1e28, .01},
                    {-100, -1, .01},
                    {-1, -.01, .01},
                    {-1e-8, -1e-10, .01},
                    {-0.0, 0, .01},
                    {0, 0, .01}})},
    {"leaky_relu of slope 0.3", [](const Tensor& x) { return x.leaky_relu(0.3); },
     [](Tensor& x) { x.leaky_relu_(0.3); },
     with_positive({{-inf, -inf, .3},
                    {-1e30, -3e29, .3},
                    {-100, -30, .3},
                    {-1, -.3, .3},
                    {-1e-8, -3e-9, .3},
                    {-0.0, 0, .3},
                    {0, 0, .3}})},
    {"leaky_relu of slope 1", [](const Tensor& x) { return x.leaky_relu(1); },
     [](Tensor& x) { x.leaky_relu_(1); },
     with_positive({{-inf, -inf, 1},
                    {-1e30, -1e30, 1},
                    {-100, -100, 1},
                    {-1, -1, 1},
                    {-1e-8, -1e-8, 1},
                    {-0.0, 0, 1},
                    {0, 0, 1}})},
    {"prelu of slope 0.25", [](const Tensor& x) { return x.prelu(slopes(.25, x)); }, nullptr,
     with_positive({{-inf, -inf, .25},
                    {-1e30, -2.5e29, .25},
                    {-100, -25, .25},
                    {-1, -.25, .25},
                    {-1e-8, -2.5e-9, .25},
                    {-0.0, 0, .25},
                    {0, 0, .25}})},
    {"elu of alpha 1", [](const Tensor& x) { return x.elu(); }, [](Tensor& x) { x.elu_(); },
     with_positive({{-inf, -1, 0},
                    {-1e30, -1, 0},
                    {-100, -1, 3.720075976020836e-44},
                    {-1, -.6321205588285577, .36787944117144233},
                    {-1e-8, -9.99999995e-9, .99999999},
                    {-0.0, 0, 1},
                    {0, 0, 1}})},
    {"elu of alpha 0.5", [](const Tensor& x) { return x.elu(0.5); }, [](Tensor& x) { x.elu_(0.5); },
     with_positive({{-inf, -.5, 0},
                    {-1e30, -.5, 0},
                    {-100, -.5, 1.860037988010418e-44},
                    {-1, -.31606027941427883, .18393972058572117},
                    {-1e-8, -4.999999975e-9, .499999995},
                    {-0.0, 0, .5},
                    {0, 0, .5}})},
    {"selu",
     [](const Tensor& x) { return x.selu(); },
     [](Tensor& x) { x.selu_(); },
     {{-inf, -1.7580993408473768, 0},
      {-1e30, -1.7580993408473768, 0},
      {-100, -1.7580993408473768, 6.540263121344394e-44},
      {-2, -1.520166468595695, .23793287225168183},
      {-1, -1.1113307378125628, .6467686030348141},
      {-1e-8, -1.7580993320568802e-08, 1.7580993232663835},
      {-0.0, 0, 1.7580993408473768},
      {0, 0, 1.7580993408473768},
      {1e-8, 1.0507009873554805e-08, 1.0507009873554805},
      {1, 1.0507009873554805, 1.0507009873554805},
      {30, 31.521029620664414, 1.0507009873554805},
      {1e30, 1.0507009873554804e+30, 1.0507009873554805},
      {inf, inf, 1.0507009873554805},
      {nan, nan, nan}}},
    {"celu of alpha 1",
     [](const Tensor& x) { return x.celu(); },
     [](Tensor& x) { x.celu_(); },
     {{-inf, -1, 0},
      {-1e30, -1, 0},
      {-100, -1, 3.720075976020836e-44},
      {-2, -.8646647167633873, .1353352832366127},
      {-1, -.6321205588285577, .36787944117144233},
      {-1e-8, -9.99999995e-09, .9999999900000001},
      {-0.0, 0, 1},
      {0, 0, 1},
      {1e-8, 1e-08, 1},
      {1, 1, 1},
      {30, 30, 1},
      {1e30, 1e+30, 1},
      {inf, inf, 1},
      {nan, nan, nan}}},
    {"celu of alpha 0.5",
     [](const Tensor& x) { return x.celu(0.5); },
     [](Tensor& x) { x.celu_(0.5); },
     {{-inf, -.5, 0},
      {-1e30, -.5, 0},
      {-100, -.5, 1.3838965267367376e-87},
      {-2, -.4908421805556329, .01831563888873418},
      {-1, -.43233235838169365, .1353352832366127},
      {-1e-8, -9.9999999e-09, .9999999800000002},
      {-0.0, 0, 1},
      {0, 0, 1},
      {1e-8, 1e-08, 1},
      {1, 1, 1},
      {30, 30, 1},
      {1e30, 1e+30, 1},
      {inf, inf, 1},
      {nan, nan, nan}}},
    {"gelu",
     [](const Tensor& x) { return x.gelu(); },
     nullptr,
     {{-inf, 0, 0},
      {-1e30, 0, 0},
      {-100, 0, 0},
      {-2, -.04550026389635842, -.0852318010781969},
      {-1, -.15865525393145705, -.0833154705876863},
      {-1e-8, -4.999999960105772e-09, .4999999920211544},
      {-0.0, 0, .5},
      {0, 0, .5},
      {1e-8, 5.000000039894228e-09, .5000000079788456},
      {1, .8413447460685429, 1.0833154705876864},
      {30, 30, 1},
      {1e30, 1e+30, 1},
      {inf, inf, 1},
      {nan, nan, nan}}},
    {"gelu by tanh",
     [](const Tensor& x) { return gelu(x, GeluApproximation::tanh); },
     nullptr,
     {{-inf, 0, 0},
      {-1e30, 0, 0},
      {-100, 0, 0},
      {-2, -.04540230591222498, -.08609925662361838},
      {-1, -.1588080093917233, -.08296408384578255},
      {-1e-8, -4.999999960105772e-09, .4999999920211544},
      {-0.0, 0, .5},
      {0, 0, .5},
      {1e-8, 5.000000039894228e-09, .5000000079788456},
      {1, .8411919906082767, 1.0829640838457826},
      {30, 30, 1},
      {1e30, 1e+30, 1},
      {inf, inf, 1},
      {nan, nan, nan}}},
    {"silu",
     [](const Tensor& x) { return x.silu(); },
     nullptr,
     {{-inf, 0, 0},
      {-1e30, 0, 0},
      {-100, -3.720075976020836e-42, -3.682875216260628e-42},
      {-2, -.23840584404423512, -.09078424878489548},
      {-1, -.2689414213699951, .07232948812851327},
      {-1e-8, -4.999999975e-09, .499999995},
      {-0.0, 0, .5},
      {0, 0, .5},
      {1e-8, 5.000000025e-09, .500000005},
      {1, .7310585786300049, .9276705118714867},
      {30, 29.999999999997193, 1.0000000000027136},
      {1e30, 1e+30, 1},
      {inf, inf, 1},
      {nan, nan, nan}}},
    {"softplus of beta 1",
     [](const Tensor& x) { return x.softplus(); },
     nullptr,
     {{-inf, 0, 0},
      {-1e30, 0, 0},
      {-100, 3.720075976020836e-44, 3.720075976020836e-44},
      {-2, .1269280110429725, .11920292202211756},
      {-1, .3132616875182228, .2689414213699951},
      {-1e-8, .6931471755599453, .4999999975},
      {-0.0, .6931471805599453, .5},
      {0, .6931471805599453, .5},
      {1e-8, .6931471855599454, .5000000025},
      {1, 1.3132616875182228, .7310585786300049},
      {30, 30, 1},
      {1e30, 1e+30, 1},
      {inf, inf, 1},
      {nan, nan, nan}}},
    {"softplus of beta 2",
     [](const Tensor& x) { return x.softplus(2); },
     nullptr,
     {{-inf, 0, 0},
      {-1e30, 0, 0},
      {-100, 6.919482633683688e-88, 1.3838965267367376e-87},
      {-2, .00907496395890487, .01798620996209156},
      {-1, .06346400552148625, .11920292202211756},
      {-1e-8, .3465735852799727, .499999995},
      {-0.0, .34657359027997264, .5},
      {0, .34657359027997264, .5},
      {1e-8, .34657359527997267, .500000005},
      {1, 1.0634640055214863, .8807970779778824},
      {30, 30, 1},
      {1e30, 1e+30, 1},
      {inf, inf, 1},
      {nan, nan, nan}}},
    {"tanh",
     [](const Tensor& x) { return x.tanh(); },
     [](Tensor& x) { x.tanh_(); },
     {{-inf, -1, 0},
      {-1e30, -1, 0},
      {-100, -1, 5.53558610694695e-87},
      {-2, -.9640275800758169, .07065082485316447},
      {-1, -.7615941559557649, .4199743416140261},
      {-1e-8, -1e-08, .9999999999999999},
      {-0.0, 0, 1},
      {0, 0, 1},
      {1e-8, 1e-08, .9999999999999999},
      {1, .7615941559557649, .4199743416140261},
      {30, 1, 3.502604305078608e-26},
      {1e30, 1, 0},
      {inf, 1, 0},
      {nan, nan, nan}}},
    {"sigmoid",
     [](const Tensor& x) { return x.sigmoid(); },
     [](Tensor& x) { x.sigmoid_(); },
     {{-inf, 0, 0},
      {-1e30, 0, 0},
      {-100, 3.720075976020836e-44, 3.720075976020836e-44},
      {-2, .11920292202211756, .10499358540350652},
      {-1, .2689414213699951, .19661193324148185},
      {-1e-8, .4999999975, .25},
      {-0.0, .5, .25},
      {0, .5, .25},
      {1e-8, .5000000025, .25},
      {1, .7310585786300049, .19661193324148185},
      {30, .9999999999999064, 9.357622968838423e-14},
      {1e30, 1, 0},
      {inf, 1, 0},
      {nan, nan, nan}}},
};

// Equal, or within four units in the last place, denormal ones included; both NaN.
template <class T>
bool close(double got, double expected) {
  if (std::isnan(expected)) return std::isnan(got);
  if (got == expected) return true;
  const double unit = std::max(std::abs(expected) * std::numeric_limits<T>::epsilon(),
                               double{std::numeric_limits<T>::denorm_min()});
  return std::abs(got - expected) <= 4 * unit;
}

// Alone in its tensor, and amid 20 others: vectorised and scalar code must agree.
template <class T>
void check_points(const Activation& activation) {
  for (const Point& point : activation.points) {
    CAPTURE(activation.name);
    CAPTURE(point.x);
    for (const std::int64_t count : {1, 21}) {
      const Tensor x = full({count}, point.x, dtype_of<T>()).requires_grad_();
      const Tensor y = activation.apply(x);
      y.backward(ones({count}, x.dtype()));
      for (const T value : y.template data<T>()) CHECK(close<T>(double{value}, point.y));
      if (std::isnan(point.slope)) continue;
      for (const T slope : x.grad().template to_vector<T>()) CHECK(close<T>(double{slope}, point.slope));
    }
  }
}

// The slope is read from the result here: its error is absolute.
template <class T>
void check_points_inplace(const Activation& activation) {
  if (!activation.overwrite) return;
  const double bound = std::is_same_v<T, float> ? 1e-6 : 1e-15;
  for (const Point& point : activation.points) {
    CAPTURE(activation.name);
    CAPTURE(point.x);
    for (const std::int64_t count : {1, 21}) {
      const Tensor x = full({count}, point.x, dtype_of<T>()).requires_grad_();
      Tensor y = x * 1.0;
      const T* block = y.template data<T>().data();
      activation.overwrite(y);
      CHECK(y.template data<T>().data() == block);
      y.backward(ones({count}, x.dtype()));
      for (const T value : y.template data<T>()) CHECK(close<T>(double{value}, point.y));
      if (std::isnan(point.slope)) continue;
      for (const T slope : x.grad().template to_vector<T>())
        CHECK(std::abs(double{slope} - point.slope) <= bound);
    }
  }
}

TEST_CASE_TEMPLATE("activations: values and slopes at kinks and tails", T, float, double) {
  for (const Activation& activation : activations) check_points<T>(activation);
}

TEST_CASE_TEMPLATE("activations: the in-place forms at kinks and tails", T, float, double) {
  for (const Activation& activation : activations) check_points_inplace<T>(activation);
}

TEST_CASE_TEMPLATE("prelu: the slope's own gradient is x where x is 0 or less, else 0", T, float, double) {
  for (const double weight : {0.25, 0.0}) {
    for (const double x : {-inf, -1e30, -100.0, -1.0, -1e-8, -0.0, 0.0, 1e-8, 1.0, 100.0, 1e30, inf}) {
      CAPTURE(x);
      const Tensor w = full({1}, weight, dtype_of<T>()).requires_grad_();
      full({1}, x, dtype_of<T>()).prelu(w).backward();
      CHECK(w.grad().item() == (x > 0 ? 0.0 : double{static_cast<T>(x)}));
    }
  }
}

// As PyTorch, which selects there: 0 where the unit is off, 0.25 = d sqrt(4).
TEST_CASE_TEMPLATE("activations: an infinite gradient does not pass a part that is flat", T, float, double) {
  constexpr DType dtype = dtype_of<T>();
  const std::vector<std::function<Tensor(Tensor)>> flat{
      [](const Tensor& x) { return x.relu(); }, [](Tensor x) { return (x * 1).relu_(); },
      [](const Tensor& x) { return leaky_relu(x, 0); },
      [](const Tensor& x) { return bounded_relu(x, {.max_value = 6}); },
      [](const Tensor& x) { return x.clamp(0, INFINITY); }};
  for (std::size_t i = 0; i < flat.size(); ++i) {
    CAPTURE(i);
    Tensor x = tensor({-1, 4}, dtype).requires_grad_();
    flat[i](x).sqrt().sum().backward();
    CHECK(std::ranges::equal(x.grad().to_vector<T>(), std::array<T, 2>{0, T(0.25)}));
    Tensor z = tensor({-1, 4}, dtype).requires_grad_();
    const Tensor slope = grad({flat[i](z).pow(1.5).sum()}, {z}, {}, {.create_graph = true})[0];
    CHECK(std::ranges::equal(grad({slope.sum()}, {z})[0].data<T>(), std::array<T, 2>{0, T(0.375)}));
  }
}

TEST_CASE("elu: within 2 ulp of the exact value in f32, also near 0") {
  std::vector<float> xs;
  for (double x = 1e-40; x < 90; x *= 1.003) xs.push_back(static_cast<float>(-x));
  for (const double alpha : {1.0, 0.5}) {
    const Tensor y = tensor(std::span<const float>(xs), {std::ssize(xs)}).elu(alpha);
    double worst = 0;
    for (std::size_t i = 0; i < xs.size(); ++i) {
      const double exact = alpha * std::expm1(double{xs[i]});
      const float near = std::abs(static_cast<float>(exact));
      const double ulp = double{std::nextafter(near, std::numeric_limits<float>::infinity())} - double{near};
      worst = std::max(worst, std::abs(double{y.data<float>()[i]} - exact) / ulp);
    }
    CHECK(worst <= 2);
  }
}

TEST_CASE("elu: within 2 ulp of the exact value in f64, also near 0") {
  std::vector<double> xs;
  for (double x = 1e-300; x < 700; x *= 1.03) xs.push_back(-x);
  const Tensor y = tensor(std::span<const double>(xs), {std::ssize(xs)}).elu();
  long double worst = 0;
  for (std::size_t i = 0; i < xs.size(); ++i) {
    const long double exact = std::expm1(static_cast<long double>(xs[i]));
    const double near = std::abs(static_cast<double>(exact));
    const long double ulp = static_cast<long double>(std::nextafter(near, inf)) - near;
    worst = std::max(worst, std::abs(y.data<double>()[i] - exact) / ulp);
  }
  CHECK(worst <= 2);
}

TEST_CASE("elu: the slope is within 2 ulp of the exact one in f32") {
  std::vector<float> xs;
  for (double x = 1e-40; x < 80; x *= 1.01) xs.push_back(static_cast<float>(-x));
  const Tensor x = tensor(std::span<const float>(xs), {std::ssize(xs)}).requires_grad_();
  x.elu().sum().backward();
  const std::vector<float> slopes = x.grad().to_vector<float>();
  double worst = 0;
  for (std::size_t i = 0; i < xs.size(); ++i) {
    const double exact = std::exp(double{xs[i]});
    const float near = static_cast<float>(exact);
    const double ulp = double{std::nextafter(near, 2.0f)} - double{near};
    worst = std::max(worst, std::abs(double{slopes[i]} - exact) / ulp);
  }
  CHECK(worst <= 2);
}

TEST_CASE("activations: a slope that f32 cannot hold is refused for f32") {
  const Tensor x = tensor({-1, 0, 1});
  CHECK_THROWS_AS(x.leaky_relu(1e300), Error);
  CHECK_THROWS_AS(x.elu(1e300), Error);
  CHECK(x.to(DType::f64).leaky_relu(1e300).to_vector<double>()[0] == -1e300);
}

// --- the pages that rill follows: CONTRACT.md, "Values" --------------------------------------------------------------

void check_close(const Tensor& got, const std::vector<double>& expected) {
  REQUIRE(got.dtype() == DType::f32);
  REQUIRE(got.shape() == Shape{std::ssize(expected)});
  for (std::size_t i = 0; i < expected.size(); ++i)
    CHECK(close<float>(double{got.data<float>()[i]}, expected[i]));
}

TEST_CASE("bounded_relu: the layer ReLU takes Keras' options") {
  const Tensor x = tensor({-2, -1, 0, 1, 2});
  check_close(nn::ReLU(nn::ReLUOptions{.negative_slope = 0.1, .max_value = 1.5, .threshold = 0.5})(x),
              {-0.25, -0.15, -0.05, 1, 1.5});
  check_close(nn::ReLU()(x), {0, 0, 0, 1, 2});
  CHECK_THROWS_WITH_AS(nn::ReLU(nn::ReLUOptions{.max_value = -1}),
                       "bounded_relu: max_value is -1, expected no less than the threshold, 0", Error);
  CHECK_THROWS_WITH_AS(bounded_relu(x, {.negative_slope = std::nan("")}),
                       "bounded_relu: negative_slope is nan, expected a finite number, 0 or more", Error);
  CHECK_THROWS_AS(bounded_relu(x, {.threshold = -1}), Error);
  check_close(bounded_relu(x, {.max_value = 1e300}), {0, 0, 0, 1, 2});
}

TEST_CASE("leaky_relu: the layer's default slope is 0.3") {
  nn::LeakyReLU layer;
  check_close(layer(tensor({-3, -1, 0, 2})), {-0.9, -0.3, 0, 2});
}

TEST_CASE("leaky_relu: a layer with slope 0.1") {
  nn::LeakyReLU layer(0.1);
  check_close(layer(tensor({-3, -1, 0, 2})), {-0.3, -0.1, 0, 2});
}

TEST_CASE("leaky_relu: the function's default slope is 0.01") {
  const Tensor x = tensor({-2, -1, 0, 1, 2});
  check_close(x.leaky_relu(), {-0.02, -0.01, 0, 1, 2});
  check_close(leaky_relu(x), {-0.02, -0.01, 0, 1, 2});
}

TEST_CASE("leaky_relu: the function with slope 0.2") {
  check_close(tensor({-2, -1, 0, 1, 2}).leaky_relu(0.2), {-0.4, -0.2, 0, 1, 2});
}

TEST_CASE("leaky_relu: slope 1 is the identity") {
  const Tensor x = tensor({-3.25, -1e-30, -0.0, 0, 1e-30, 7.5});
  const Tensor y = x.leaky_relu(1);
  for (std::size_t i = 0; i < 6; ++i) CHECK(y.data<float>()[i] == x.data<float>()[i]);
}

TEST_CASE("leaky_relu: a slope above 1 is steeper below 0") {
  check_close(tensor({-2, 2}).leaky_relu(1.5), {-3, 2});
}

TEST_CASE_TEMPLATE("activations: any shape, and the result has the input's shape and dtype", T, float,
                   double) {
  for (const Shape& shape :
       {Shape{}, Shape{0}, Shape{1}, Shape{3, 0, 2}, Shape{2, 3, 4}, Shape{1, 1, 1, 1, 1, 1, 1, 2}}) {
    const Tensor x = full(shape, -1, dtype_of<T>());
    for (const Activation& activation : activations) {
      const Tensor y = activation.apply(x);
      CHECK(y.shape() == shape);
      CHECK(y.dtype() == x.dtype());
    }
  }
}

TEST_CASE("activations: out of place, the input stays as it was") {
  for (const Activation& activation : activations) {
    const Tensor x = tensor({-2, 3});
    activation.apply(x);
    check_close(x, {-2, 3});
  }
}

// --- tensors as text: the rules of torch/_tensor_str.py -------------------------------------------------------------

std::string text_of(const Tensor& x) {
  std::ostringstream out;
  out << x;
  return out.str();
}

TEST_CASE("print: four decimals and one width") {
  CHECK(text_of(tensor({-2, -1, 0, 1, 2}).leaky_relu()) ==
        "tensor([-0.0200, -0.0100,  0.0000,  1.0000,  2.0000])");
  CHECK(text_of(tensor({0.1, 10.25, 0.33333})) == "tensor([ 0.1000, 10.2500,  0.3333])");
}

TEST_CASE("print: whole numbers end in a point") {
  CHECK(text_of(tensor({1, 2, 3})) == "tensor([1., 2., 3.])");
  CHECK(text_of(tensor({-1, 10})) == "tensor([-1., 10.])");
  CHECK(text_of(zeros({2})) == "tensor([0., 0.])");
  CHECK(text_of(tensor({1, 1000})) == "tensor([   1., 1000.])");
}

TEST_CASE("print: a scalar has no brackets") {
  CHECK(text_of(full({}, 2.5)) == "tensor(2.5000)");
  CHECK(text_of(full({}, 3)) == "tensor(3.)");
  CHECK(text_of(full({}, 7, DType::i64)) == "tensor(7)");
}

TEST_CASE("print: integers") {
  CHECK(text_of(tensor({1, -20, 300}, DType::i64)) == "tensor([  1, -20, 300])");
  CHECK(text_of(tensor({0, 0}, DType::i64)) == "tensor([0, 0])");
}

TEST_CASE("print: integers that no f64 holds") {
  const std::vector<std::int64_t> values{9007199254740993, INT64_MIN};
  CHECK(text_of(tensor(std::span<const std::int64_t>(values), {2})) ==
        "tensor([    9007199254740993, -9223372036854775808])");
}

TEST_CASE("print: f64 is named") {
  CHECK(text_of(tensor({0.5, 1}, DType::f64)) == "tensor([0.5000, 1.0000], dtype=f64)");
}

TEST_CASE("print: matrices and more, row by row") {
  CHECK(text_of(tensor({{1, 2}, {3, 4}})) == "tensor([[1., 2.],\n        [3., 4.]])");
  CHECK(text_of(tensor({{{1.5}, {2}}, {{3}, {4}}})) ==
        "tensor([[[1.5000],\n         [2.0000]],\n\n        [[3.0000],\n         [4.0000]]])");
}

TEST_CASE("print: scientific form where the range is wide") {
  CHECK(text_of(tensor({1e-5, 1})) == "tensor([1.0000e-05, 1.0000e+00])");
  CHECK(text_of(tensor({0.00001, -0.00002})) == "tensor([ 1.0000e-05, -2.0000e-05])");
  CHECK(text_of(tensor({1, 10000})) == "tensor([1.0000e+00, 1.0000e+04])");
  CHECK(text_of(tensor({2e8, 3e8})) == "tensor([2.0000e+08, 3.0000e+08])");
  CHECK(text_of(tensor({0, 0.5, 1e-9})) == "tensor([0.0000e+00, 5.0000e-01, 1.0000e-09])");
}

TEST_CASE("print: infinities and NaN") {
  CHECK(text_of(tensor({1, nan, inf, -inf})) == "tensor([1., nan, inf, -inf])");
  CHECK(text_of(tensor({1.5, nan, inf, -inf})) == "tensor([1.5000,    nan,    inf,   -inf])");
}

TEST_CASE("print: without a finite number but 0, nothing is padded") {
  CHECK(text_of(tensor({nan, inf, -inf})) == "tensor([nan, inf, -inf])");
  CHECK(text_of(tensor({0, nan, -inf})) == "tensor([0., nan, -inf])");
}

TEST_CASE("print: no elements") {
  CHECK(text_of(zeros({0})) == "tensor([])");
  CHECK(text_of(zeros({0, 3})) == "tensor([], size=[0, 3])");
}

TEST_CASE("print: an undefined tensor") { CHECK(text_of(Tensor()) == "tensor(undefined)"); }

TEST_CASE("print: lines of 80 columns") {
  std::vector<float> values(12);
  for (std::size_t i = 0; i < 12; ++i) values[i] = static_cast<float>(i) + 0.5f;
  // (80 - 7) / (7 + 2) = 8 elements a line
  CHECK(text_of(tensor(std::span<const float>(values), {12})) ==
        "tensor([ 0.5000,  1.5000,  2.5000,  3.5000,  4.5000,  5.5000,  6.5000,  7.5000,\n"
        "         8.5000,  9.5000, 10.5000, 11.5000])");
}

TEST_CASE("print: more than 1000 elements are summarised") {
  std::vector<std::int64_t> values(1001);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<std::int64_t>(i);
  const std::span<const std::int64_t> all(values);
  CHECK(text_of(tensor(all, {1001})) == "tensor([   0,    1,    2,  ...,  998,  999, 1000])");
  CHECK(text_of(tensor(all.first(1000), {1000})).find("...") == std::string::npos);
  CHECK(text_of(zeros({1001}, DType::i64)) == "tensor([0, 0, 0,  ..., 0, 0, 0])");
  CHECK(text_of(zeros({40, 40})) ==
        "tensor([[0., 0., 0.,  ..., 0., 0., 0.],\n"
        "        [0., 0., 0.,  ..., 0., 0., 0.],\n"
        "        [0., 0., 0.,  ..., 0., 0., 0.],\n"
        "        ...,\n"
        "        [0., 0., 0.,  ..., 0., 0., 0.],\n"
        "        [0., 0., 0.,  ..., 0., 0., 0.],\n"
        "        [0., 0., 0.,  ..., 0., 0., 0.]])");
  // Only what is shown decides the width.
  values[500] = 123456789;
  CHECK(text_of(tensor(all, {1001})) == "tensor([   0,    1,    2,  ...,  998,  999, 1000])");
}

TEST_CASE("print: what requires a gradient says so, and what an op computed names it") {
  const Tensor x = tensor({1, 2}).requires_grad_();
  CHECK(text_of(x) == "tensor([1., 2.], requires_grad=true)");
  CHECK(text_of(x.relu()) == "tensor([1., 2.], grad_fn=<relu>)");
  CHECK(text_of(x.detach()) == "tensor([1., 2.])");
  CHECK(text_of(tensor({1}, DType::f64).requires_grad_()) == "tensor([1.], dtype=f64, requires_grad=true)");
  // 67 characters leave room for the dtype, 71 do not: PyTorch's rule for lines of 80.
  const auto ones_of = [](std::int64_t count) { return text_of(ones({count}, DType::f64)); };
  CHECK(ones_of(15).ends_with("1., 1.], dtype=f64)"));
  CHECK(ones_of(16).ends_with("1., 1.],\n       dtype=f64)"));
}

TEST_CASE("print: a suffix that does not fit the line begins a new one") {
  CHECK(text_of(full({8}, 0.5).requires_grad_()) ==
        "tensor([0.5000, 0.5000, 0.5000, 0.5000, 0.5000, 0.5000, 0.5000, 0.5000],\n"
        "       requires_grad=true)");
}

TEST_CASE("tensor: integers make f32, as any arithmetic literals do") {
  CHECK(tensor({-2, -1, 0, 1, 2}).dtype() == DType::f32);
  CHECK(tensor({1, 2.5, 3L, 4u}).dtype() == DType::f32);
  CHECK(tensor({1, 2}, DType::i64).dtype() == DType::i64);
}

}  // namespace
