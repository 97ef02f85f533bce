// Deep and narrow ReLU networks of one input and one output, as they are before training; the domain they live on.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>

#include <rill/rill.hpp>

namespace example {

/// How a network starts.
struct Start {
  std::string init = "he_normal";  ///< or "uniform", He's too, or "rai"
  double bias = 0;                 ///< of every unit; RAI draws its own
  bool has_biases() const { return bias != 0 || init == "rai"; }
};

/// A network 1-width-…-width-1 of `layers` weight layers, with a ReLU after each but the last, in f64.
inline rill::nn::Sequential deep_narrow(std::int64_t layers, std::int64_t width, const Start& start,
                                        rill::Generator& generator) {
  using namespace rill;
  const nn::DenseOptions options{
      .init = start.init == "uniform" ? nn::init::kaiming_uniform() : nn::init::kaiming_normal(),
      .bias_init = nn::init::constant(start.bias),
      .dtype = DType::f64};
  nn::Sequential network;
  for (std::int64_t layer = 1; layer <= layers; ++layer) {
    network.add(nn::Dense(layer == 1 ? 1 : width, layer == layers ? 1 : width, generator, options));
    if (layer < layers) network.add(nn::ReLU());
  }
  if (start.init == "rai") nn::init::rai(network, generator);
  return network;
}

/// The randomness of network `index` of a group: its own, so that any thread may draw it, at any time.
inline rill::Generator generator_of(std::uint64_t seed, std::int64_t group, std::int64_t index) {
  rill::Stream stream(seed, rill::Purpose::user, static_cast<std::uint32_t>(group),
                      static_cast<std::uint32_t>(index));
  const std::uint64_t high = stream.next();
  return rill::Generator(high << 32 | stream.next());
}

/// `count` points, evenly spaced over [-√3, √3], where a uniform x has variance 1: the domain of Lu et al. [count, 1].
inline rill::Tensor domain(std::int64_t count) {
  const double end = std::sqrt(3.0);
  return rill::linspace(-end, end, count, rill::DType::f64).reshape({count, 1});
}

}  // namespace example
