#include <algorithm>
#include <cmath>

#include <rill/core/blas.hpp>
#include <rill/nn/init.hpp>

namespace rill::nn {

void Init::operator()(Tensor& weight, Generator& generator) const {
  RILL_CHECK(function_, "init: it is empty, expected an initialiser");
  function_(weight, generator);
}

namespace init {
namespace {

struct Fans {
  double in, out;
};

Fans fans_of(const Tensor& weight) {
  RILL_CHECK(weight.dim() >= 2 && weight.numel() > 0, "init: weight is ", weight.shape(),
             ", expected [out, in] with at least one element");
  const auto all = static_cast<double>(weight.numel());
  return {all / static_cast<double>(weight.shape()[0]), all / static_cast<double>(weight.shape()[1])};
}

template <class Draw>
void fill(Tensor& weight, Generator& generator, Draw draw) {
  Stream stream = generator.stream(Purpose::init);
  dispatch_floating(weight.dtype(), "init", [&]<class T>(T) {
    for (T& value : weight.mutable_data<T>()) value = static_cast<T>(draw(stream));
  });
}

double checked(double value, const char* what) {
  RILL_CHECK(std::isfinite(value) && value >= 0, "init: ", what, " is ", value,
             ", expected a finite number, 0 or more");
  return value;
}

double finite(double value, const char* what) {
  RILL_CHECK(std::isfinite(value), "init: ", what, " is ", value, ", expected a finite number");
  return value;
}

// Normal draws whose deviation follows from the fans.
template <class Deviation>
Init normal_of_fans(const char* name, std::vector<Init::Option> options, Deviation deviation) {
  return Init(name, std::move(options), [=](Tensor& weight, Generator& generator) {
    const double std = deviation(fans_of(weight));
    fill(weight, generator, [=](Stream& stream) { return std * stream.normal(); });
  });
}

template <class Bound>
Init uniform_of_fans(const char* name, std::vector<Init::Option> options, Bound bound_of) {
  return Init(name, std::move(options), [=](Tensor& weight, Generator& generator) {
    const double bound = bound_of(fans_of(weight));
    fill(weight, generator, [=](Stream& stream) { return stream.uniform(-bound, bound); });
  });
}

double fan_of(const Fans& fans, Fan fan) { return fan == Fan::in ? fans.in : fans.out; }

std::vector<Init::Option> kaiming_options(double gain, Fan fan) {
  return {{"gain", checked(gain, "gain")}, {"mode", fan == Fan::out ? 1.0 : 0.0}};
}

// Σ a · b in 4 interleaved lanes.
double dot(const double* a, const double* b, std::int64_t n) {
  double lanes[4] = {};
  std::int64_t i = 0;
  for (; i + 4 <= n; i += 4) {
    for (int lane = 0; lane < 4; ++lane) lanes[lane] += a[i + lane] * b[i + lane];
  }
  for (int lane = 0; i < n; ++i, ++lane) lanes[lane] += a[i] * b[i];
  return (lanes[0] + lanes[2]) + (lanes[1] + lanes[3]);
}

// Modified Gram-Schmidt, once, over `count` vectors of `length`.
void orthonormalize_once(double* vectors, std::int64_t count, std::int64_t length) {
  for (std::int64_t j = 0; j < count; ++j) {
    double* v = vectors + j * length;
    for (std::int64_t i = 0; i < j; ++i) {
      const double* q = vectors + i * length;
      const double along = dot(q, v, length);
      for (std::int64_t k = 0; k < length; ++k) v[k] -= along * q[k];
    }
    const double norm = std::sqrt(dot(v, v, length));
    for (std::int64_t k = 0; k < length; ++k) v[k] /= norm;
  }
}

// Gram-Schmidt over `count` vectors of `length` in blocks: what lies along the blocks before goes in two products. Each
// block twice: once leaves errors that grow with the condition number. R's diagonal is positive by construction.
void orthonormalize(std::vector<double>& vectors, std::int64_t count, std::int64_t length) {
  constexpr std::int64_t block = 32;
  std::vector<double> along(static_cast<std::size_t>(block * count));
  double* coefficients = along.data();
  const double* done = vectors.data();
  for (std::int64_t begin = 0; begin < count; begin += block) {
    const std::int64_t width = std::min(block, count - begin);
    double* current = vectors.data() + begin * length;
    for (int pass = 0; pass < 2; ++pass) {
      if (begin > 0) {
        blas::gemm(false, true, width, begin, length, current, done, coefficients);
        for (std::int64_t i = 0; i < width * begin; ++i) coefficients[i] = -coefficients[i];
        blas::gemm<double>(false, false, width, length, begin, coefficients, done, current, nullptr, true);
      }
      orthonormalize_once(current, width, length);
    }
  }
}

// A standard normal number under the condition that it lies in [low, high].
double truncated(Stream& stream, double low, double high) {
  const double nearest = low > 0 ? low : high < 0 ? high : 0;  // where the density is highest
  if (high - low <= 4 && std::abs(nearest) * (high - low) <= 2) {
    for (;;) {  // uniform, thinned to the density, which falls by a factor of 100 at most where it falls fast
      const double z = stream.uniform(low, high);
      if (stream.uniform() <= std::exp((nearest - z) * (nearest + z) / 2)) return z;
    }
  }
  if (std::abs(nearest) <= 1) {
    for (;;) {
      const double z = stream.normal();
      if (z >= low && z <= high) return z;
    }
  }
  // A tail: exponential from its start, thinned (Robert, "Simulation of truncated normal variables", 1995).
  const double start = std::abs(nearest), end = nearest > 0 ? high : -low;
  const double rate = (start + std::hypot(start, 2.0)) / 2;
  for (;;) {
    const double z = start - std::log(1 - stream.uniform()) / rate;
    if (stream.uniform() <= std::exp(-(z - rate) * (z - rate) / 2) && z <= end) return nearest > 0 ? z : -z;
  }
}

// exp(x²/2) · Φ(-x) for x >= 0, also where the first overflows.
double scaled_tail(double x) {
  constexpr double sqrt_two_pi = 2.5066282746310002;
  if (x > 30) return (1 - 1 / (x * x) + 3 / std::pow(x, 4) - 15 / std::pow(x, 6)) / (x * sqrt_two_pi);
  return std::exp(x * x / 2) * std::erfc(x / std::sqrt(2.0)) / 2;
}

// E[f(z)²] for f(z) = z where z > 0, else alpha · (exp(rate · z) - 1).
double second_moment(double alpha, double rate) {
  return 0.5 + alpha * alpha * (scaled_tail(2 * rate) - 2 * scaled_tail(rate) + 0.5);
}

struct Constant {
  std::string_view name;
  double gain;
};
// 1/√E[f(z)²] by quadrature (Gauss-Legendre over ±39), to the last digit but one.
constexpr Constant constant_gains[] = {{"linear", 1},
                                       {"relu", 1.4142135623730951},
                                       {"selu", 1},
                                       {"gelu", 1.5335304411955353},
                                       {"silu", 1.6765324703310913},
                                       {"tanh", 1.5925374197228312},
                                       {"sigmoid", 1.8462285453386054},
                                       {"softplus", 1.0418668355353016}};

// Of the leaky functions; 0 for others.
double default_slope(std::string_view nonlinearity) {
  return nonlinearity == "leaky_relu" ? 0.01 : nonlinearity == "prelu" ? 0.25 : 0;
}

[[noreturn]] void refuse_nonlinearity(std::string_view name, const char* expected) {
  rill::detail::fail(rill::detail::concat("init: unknown nonlinearity \"", name, "\", expected ", expected));
}

}  // namespace

double gain(std::string_view nonlinearity) {
  if (const double slope = default_slope(nonlinearity); slope > 0) return gain(nonlinearity, slope);
  if (nonlinearity == "linear" || nonlinearity == "sigmoid") return 1;
  if (nonlinearity == "tanh") return 5.0 / 3;
  if (nonlinearity == "relu") return std::sqrt(2.0);
  if (nonlinearity == "selu") return 0.75;
  if (nonlinearity == "elu") return variance_gain("elu");
  refuse_nonlinearity(nonlinearity, "linear, sigmoid, tanh, relu, leaky_relu, prelu, selu or elu");
}

double gain(std::string_view nonlinearity, double slope) {
  checked(slope, "slope");
  if (default_slope(nonlinearity) > 0) return std::sqrt(2 / (1 + slope * slope));
  gain(nonlinearity);  // refuses an unknown one
  rill::detail::fail(rill::detail::concat("init: slope is ", slope, ", expected none for ", nonlinearity));
}

double variance_gain(std::string_view nonlinearity) {
  for (const Constant& known : constant_gains) {
    if (known.name == nonlinearity) return known.gain;
  }
  const double slope = default_slope(nonlinearity);
  return variance_gain(nonlinearity, slope > 0 ? slope : 1.0);
}

double variance_gain(std::string_view nonlinearity, double parameter) {
  checked(parameter, "parameter");
  if (default_slope(nonlinearity) > 0) return gain(nonlinearity, parameter);
  if (nonlinearity == "elu") return 1 / std::sqrt(second_moment(parameter, 1));
  if (nonlinearity == "celu") {
    RILL_CHECK(parameter > 0, "init: parameter is 0, expected an alpha above 0 for celu");
    return 1 / std::sqrt(second_moment(parameter, 1 / parameter));
  }
  for (const Constant& known : constant_gains) {
    RILL_CHECK(known.name != nonlinearity, "init: parameter is ", parameter, ", expected none for ",
               nonlinearity);
  }
  refuse_nonlinearity(
      nonlinearity,
      "linear, relu, leaky_relu, prelu, elu, celu, selu, gelu, silu, tanh, sigmoid or softplus");
}

Init kaiming_normal(double gain, Fan fan) {
  return normal_of_fans("kaiming_normal", kaiming_options(gain, fan),
                        [=](const Fans& fans) { return gain / std::sqrt(fan_of(fans, fan)); });
}

Init kaiming_uniform(double gain, Fan fan) {
  return uniform_of_fans("kaiming_uniform", kaiming_options(gain, fan),
                         [=](const Fans& fans) { return gain * std::sqrt(3 / fan_of(fans, fan)); });
}

Init xavier_normal(double gain) {
  return normal_of_fans("xavier_normal", {{"gain", checked(gain, "gain")}},
                        [=](const Fans& fans) { return gain * std::sqrt(2 / (fans.in + fans.out)); });
}

Init xavier_uniform(double gain) {
  return uniform_of_fans("xavier_uniform", {{"gain", checked(gain, "gain")}},
                         [=](const Fans& fans) { return gain * std::sqrt(6 / (fans.in + fans.out)); });
}

Init lecun_normal() {
  return normal_of_fans("lecun_normal", {}, [](const Fans& fans) { return 1 / std::sqrt(fans.in); });
}

Init lecun_uniform() {
  return uniform_of_fans("lecun_uniform", {}, [](const Fans& fans) { return std::sqrt(3 / fans.in); });
}

Init orthogonal(double gain) {
  return Init("orthogonal", {{"gain", checked(gain, "gain")}}, [=](Tensor& weight, Generator& generator) {
    fans_of(weight);
    const std::int64_t rows = weight.shape()[0], columns = weight.numel() / rows;
    const bool by_rows = rows <= columns;
    const auto place = [=](std::int64_t i) {
      return static_cast<std::size_t>(by_rows ? i : i % columns * rows + i / columns);
    };
    dispatch_floating(weight.dtype(), "init", [&]<class T>(T) {
      Stream stream = generator.stream(Purpose::init);
      std::vector<double> vectors(static_cast<std::size_t>(weight.numel()));
      for (std::int64_t i = 0; i < weight.numel(); ++i) vectors[place(i)] = stream.normal();
      orthonormalize(vectors, by_rows ? rows : columns, by_rows ? columns : rows);
      const auto values = weight.mutable_data<T>();
      for (std::int64_t i = 0; i < weight.numel(); ++i)
        values[static_cast<std::size_t>(i)] = static_cast<T>(gain * vectors[place(i)]);
    });
  });
}

Init truncated_normal(double mean, double std, double low, double high) {
  finite(mean, "mean");
  RILL_CHECK(std::isfinite(std) && std > 0, "init: std is ", std, ", expected a finite number above 0");
  RILL_CHECK(low < high, "init: low is ", low, " and high is ", high, ", expected low below high");
  // Drawing from a tail begins with its distance from the mean, in deviations.
  const double nearest = std::clamp(mean, low, high);
  RILL_CHECK(std::abs(nearest - mean) / std <= 1e300, "init: low ", low, " to high ", high, " is ",
             std::abs(nearest - mean) / std, " deviations from the mean, expected up to 1e300");
  return Init("truncated_normal", {{"mean", mean}, {"std", std}, {"low", low}, {"high", high}},
              [=](Tensor& weight, Generator& generator) {
                fill(weight, generator, [=](Stream& stream) {
                  const double z = truncated(stream, (low - mean) / std, (high - mean) / std);
                  return std::clamp(mean + std * z, low, high);
                });
              });
}

Init normal(double mean, double std) {
  return Init("normal", {{"mean", finite(mean, "mean")}, {"std", checked(std, "std")}},
              [=](Tensor& weight, Generator& generator) {
                fill(weight, generator, [=](Stream& stream) { return mean + std * stream.normal(); });
              });
}

Init uniform(double low, double high) {
  finite(low, "low");
  RILL_CHECK(std::isfinite(high) && low <= high, "init: high is ", high, ", expected a finite number, ", low,
             " or more");
  return Init("uniform", {{"low", low}, {"high", high}}, [=](Tensor& weight, Generator& generator) {
    fill(weight, generator, [=](Stream& stream) { return stream.uniform(low, high); });
  });
}

namespace {

Init filled(const char* name, std::vector<Init::Option> options, double value) {
  return Init(name, std::move(options), [=](Tensor& weight, Generator&) {
    dispatch_floating(weight.dtype(), "init", [&]<class T>(T) {
      for (T& element : weight.mutable_data<T>()) element = static_cast<T>(value);
    });
  });
}

}  // namespace

Init constant(double value) { return filled("constant", {{"value", value}}, value); }
Init zeros() { return filled("zeros", {}, 0); }
Init ones() { return filled("ones", {}, 1); }

}  // namespace init
}  // namespace rill::nn
