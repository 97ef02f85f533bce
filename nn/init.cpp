#include <cmath>

#include <rill/nn/init.hpp>

namespace rill::nn::init {
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

void normal(Tensor& weight, Generator& generator, double deviation) {
  fill(weight, generator, [=](Stream& stream) { return deviation * stream.normal(); });
}

void uniform(Tensor& weight, Generator& generator, double bound) {
  fill(weight, generator, [=](Stream& stream) { return stream.uniform(-bound, bound); });
}

double checked(double value, const char* what) {
  RILL_CHECK(std::isfinite(value) && value >= 0, "init: ", what, " is ", value,
             ", expected a finite number, 0 or more");
  return value;
}

}  // namespace

double gain(std::string_view nonlinearity) {
  return gain(nonlinearity, nonlinearity == "prelu" ? 0.25 : 0.01);
}

double gain(std::string_view nonlinearity, double slope) {
  checked(slope, "slope");
  if (nonlinearity == "linear" || nonlinearity == "sigmoid") return 1;
  if (nonlinearity == "tanh") return 5.0 / 3;
  if (nonlinearity == "relu") return std::sqrt(2.0);
  if (nonlinearity == "leaky_relu" || nonlinearity == "prelu") return std::sqrt(2 / (1 + slope * slope));
  if (nonlinearity == "selu") return 0.75;
  if (nonlinearity == "elu") return 1.2451983007007932;
  detail::fail(detail::concat("init: unknown nonlinearity \"", nonlinearity,
                              "\", expected linear, sigmoid, tanh, relu, leaky_relu, prelu, selu or elu"));
}

Init kaiming_normal(double gain, Fan fan) {
  checked(gain, "gain");
  return [=](Tensor& weight, Generator& generator) {
    const Fans fans = fans_of(weight);
    normal(weight, generator, gain / std::sqrt(fan == Fan::in ? fans.in : fans.out));
  };
}

Init kaiming_uniform(double gain, Fan fan) {
  checked(gain, "gain");
  return [=](Tensor& weight, Generator& generator) {
    const Fans fans = fans_of(weight);
    uniform(weight, generator, gain * std::sqrt(3 / (fan == Fan::in ? fans.in : fans.out)));
  };
}

Init xavier_normal(double gain) {
  checked(gain, "gain");
  return [=](Tensor& weight, Generator& generator) {
    const Fans fans = fans_of(weight);
    normal(weight, generator, gain * std::sqrt(2 / (fans.in + fans.out)));
  };
}

Init xavier_uniform(double gain) {
  checked(gain, "gain");
  return [=](Tensor& weight, Generator& generator) {
    const Fans fans = fans_of(weight);
    uniform(weight, generator, gain * std::sqrt(6 / (fans.in + fans.out)));
  };
}

Init constant(double value) {
  return [=](Tensor& weight, Generator&) {
    dispatch_floating(weight.dtype(), "init", [&]<class T>(T) {
      for (T& element : weight.mutable_data<T>()) element = static_cast<T>(value);
    });
  };
}

}  // namespace rill::nn::init
