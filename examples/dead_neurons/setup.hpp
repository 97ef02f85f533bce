// Set-ups: the sizes, the data and the training of an experiment's networks, and the digits that they see.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <rill/rill.hpp>

#include "../digits.hpp"

namespace dead_neurons {

/// Networks of 784 inputs, `depth` hidden layers of `width` units and 10 outputs, and how they are trained.
struct Setup {
  int depth = 4, width = 100;
  double bias = 0;  ///< what hidden biases start at
  bool standardised = true;
  std::string optimizer = "adam";
  double lr = 0.001;
  int epochs = 1;
  std::int64_t batch = 128;
  std::int64_t steps_per_epoch = 0;  ///< at most; 0 for all

  bool operator==(const Setup&) const = default;
  std::string text() const {
    const std::string biases = bias == 0 ? "" : fmt::format(", hidden biases start at {}", bias);
    return fmt::format("784-{}x{}-10, pixels {}, {} at {}, batch {}, {} epoch{}{}", width, depth,
                       standardised ? "standardised" : "in [0, 1]", optimizer, lr, batch, epochs,
                       epochs == 1 ? "" : "s", biases);
  }
};

/// The set-up of an experiment, "A", "B" (which "rescue" and "sweep" share) or "C".
inline Setup standard_setup(const std::string& experiment) {
  if (experiment == "A") {
    return {.depth = 3, .bias = -0.5, .standardised = false, .optimizer = "SGD", .lr = 0.1, .epochs = 2};
  }
  if (experiment == "C") return {.optimizer = "Adam", .lr = 0.001, .epochs = 2};
  return {.optimizer = "Adam", .lr = 0.05, .epochs = 1};
}

/// What the networks of one set-up see. Read by several threads at once.
struct Inputs {
  std::shared_ptr<const rill::nn::data::Dataset> train;
  rill::Tensor probe;  ///< the first training images: a unit is dead that is on for none of them
  rill::Tensor test_x, test_y;
};

/// The digits, both as pixels in [0, 1] and standardised.
struct Digits {
  bool real = false;  ///< MNIST
  Inputs plain, standardised;

  const Inputs& of(const Setup& setup) const { return setup.standardised ? standardised : plain; }
};

namespace detail {

inline Inputs make_inputs(const rill::nn::data::ImageDataset& train, const rill::nn::data::ImageDataset& test,
                          const rill::nn::data::ImageOptions& options, std::int64_t images) {
  const auto with_options = [&](const rill::nn::data::ImageDataset& from) {
    const rill::Shape image = from.sample_shape();
    return std::make_shared<rill::nn::data::ImageDataset>(
        from.pixels(), std::vector<std::int64_t>(from.labels().begin(), from.labels().end()), image[0],
        image[1], from.classes(), options);
  };
  Inputs inputs;
  inputs.train = with_options(train);
  inputs.probe = inputs.train->range(0, std::min(images, train.size())).x;
  rill::nn::data::Samples seen = with_options(test)->range(0, std::min(images, test.size()));
  inputs.test_x = std::move(seen.x);
  inputs.test_y = std::move(seen.y);
  return inputs;
}

}  // namespace detail

/// As example::find_digits. `quick` looks at fewer of them.
inline Digits load_digits(const std::optional<std::string>& data, bool quick) {
  const std::int64_t looked_at = quick ? 500 : 10000;
  const example::Digits digits = example::find_digits(data, {quick ? 3000 : 60000, looked_at}, {});
  return {.real = digits.real,
          .plain = detail::make_inputs(*digits.train, *digits.test, {}, looked_at),
          .standardised = detail::make_inputs(*digits.train, *digits.test, example::standardised, looked_at)};
}

}  // namespace dead_neurons
