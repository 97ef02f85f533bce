// Drawn digits: handwritten-looking 28 x 28 digits that need no download, for use where MNIST is not at hand.
//
// Each digit is written with strokes that are bent, slanted and inked at random, then laid out as MNIST's are: white
// on black, fitted into the middle 20 x 20 box, centred by its ink. Sample i follows from (seed, train, i) alone: the
// same for any count and any number of threads.
#pragma once

#include <cstdint>
#include <memory>

#include <rill/nn/data/dataset.hpp>

namespace rill::nn::data {

/// Draws `count` digits, [28, 28] in 10 classes; every ten samples in a row hold each digit once, in random order. The
/// training and the test set of one seed share no sample. Throws Error for a count outside [1, 10,000,000], and what
/// ImageDataset throws for the options.
std::shared_ptr<ImageDataset> draw_digits(std::int64_t count, std::uint64_t seed, bool train,
                                          ImageOptions options = {});

}  // namespace rill::nn::data
