// The digits that examples train on: MNIST where it is, else digits that rill draws itself.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <rill/rill.hpp>

namespace example {

struct Digits {
  bool real = false;  ///< MNIST
  std::shared_ptr<rill::nn::data::ImageDataset> train, test;
};

/// How many digits are drawn where there is no MNIST, and from which seed.
struct Drawn {
  std::int64_t train = 60000, test = 10000;
  std::uint64_t seed = 42;
};

/// MNIST from the folder that was asked for, else from where it is usually found, else drawn digits; says which on stdout.
/// Throws rill::Error where a folder that was asked for has no MNIST.
inline Digits find_digits(const std::optional<std::string>& data, const Drawn& drawn,
                          const rill::nn::data::ImageOptions& options) {
  using namespace rill::nn::data;
  const std::string folder = data.value_or(find_mnist());
  if (!folder.empty() || data) {
    fmt::print("data: MNIST in {}\n", folder);
    return {true, load_mnist(folder, true, options), load_mnist(folder, false, options)};
  }
  fmt::print(
      "data: these are NOT MNIST but digits that rill draws itself, because MNIST was not found\n"
      "      to get MNIST: run `make mnist` with a network connection, or put the four IDX files (plain or "
      ".gz)\n"
      "      into a folder and name it with --data FOLDER or RILL_DATA\n");
  return {false, draw_digits(drawn.train, drawn.seed, true, options),
          draw_digits(drawn.test, drawn.seed, false, options)};
}

/// MNIST's usual mean and standard deviation.
constexpr rill::nn::data::ImageOptions standardised{.mean = 0.1307, .std = 0.3081};

/// The share of the images that the model reads.
inline double accuracy(rill::nn::Module& model,
                       const std::shared_ptr<const rill::nn::data::Dataset>& dataset) {
  using namespace rill;
  const NoGrad no_grad;
  std::int64_t correct = 0;
  const nn::data::Loader loader(dataset, {.batch_size = 500});
  for (const nn::data::Batch& batch : loader.epoch(0)) correct += nn::count_correct(model(batch.x), batch.y);
  return static_cast<double>(correct) / static_cast<double>(dataset->size());
}

}  // namespace example
