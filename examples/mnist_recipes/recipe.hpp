// The recipes that mnist_recipes knows, with the accuracy and the processor time that each is to reach.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <rill/nn/data/augment.hpp>

namespace example {

/// A dense network with LeakyReLU 0.01 and He's initialisation, trained by AdamW with one cycle of the learning rate.
struct Recipe {
  enum class Augment { none, shift, distort };

  std::string_view name;
  std::vector<std::int64_t> sizes;
  int epochs;
  std::int64_t batch_size;
  double max_lr, weight_decay, label_smoothing = 0;
  double peak = 0.3;        ///< the share of the steps before the largest learning rate
  bool standardise = true;  ///< or pixels in [0, 1], most of them 0
  Augment augment = Augment::none;
  rill::nn::data::DistortOptions distort{};
  double goal_accuracy, goal_cpu;  ///< mean over the seeds; processor seconds of a run, one thread
};

/// All recipes.
inline const std::vector<Recipe>& recipes() {
  using enum Recipe::Augment;
  // alpha: an elastic displacement of 0.8 pixels at sigma 4
  static const rill::nn::data::DistortOptions bent{
      .rotation = 8, .scale = 0.1, .shear = 0.1, .translate = 1.5, .alpha = 19.6, .sigma = 4};
  static const std::vector<Recipe> all{
      {"R2", {784, 192, 96, 10}, 3, 128, 0.005, 0.01, 0, 0.3, true, none, {}, 0.98, 3.0},
      {"R2-01", {784, 192, 96, 10}, 3, 128, 0.005, 0.01, 0, 0.3, false, none, {}, 0.98, 3.0},
      {"R6", {784, 256, 128, 10}, 5, 128, 0.004, 0.01, 0, 0.3, true, shift, {}, 0.985, 9.9},
      {"R8", {784, 512, 256, 10}, 10, 256, 0.004, 0.01, 0.05, 0.3, false, shift, {}, 0.99, 36},
      {"R10", {784, 768, 384, 10}, 14, 256, 0.0025, 0.02, 0.05, 0.3, false, distort, bent, 0.992, 110},
  };
  return all;
}

/// The recipe of that name, or nullptr.
inline const Recipe* find_recipe(std::string_view name) {
  const auto at =
      std::ranges::find_if(recipes(), [name](const Recipe& recipe) { return recipe.name == name; });
  return at == recipes().end() ? nullptr : &*at;
}

/// "R2, R2-01, R6".
inline std::string recipe_names() {
  std::string names;
  for (const Recipe& recipe : recipes()) names += (names.empty() ? "" : ", ") + std::string(recipe.name);
  return names;
}

/// What a recipe does, on one line.
inline std::string describe(const Recipe& recipe) {
  constexpr std::array<std::string_view, 3> augments{"", ", shifts of 1 pixel",
                                                     ", affine and elastic distortions"};
  return fmt::format("{}, {} epochs, batches of {}, AdamW to {}, {}{}", fmt::join(recipe.sizes, "-"),
                     recipe.epochs, recipe.batch_size, recipe.max_lr,
                     recipe.standardise ? "standardised pixels" : "pixels in [0, 1]",
                     augments[static_cast<std::size_t>(recipe.augment)]);
}

}  // namespace example
