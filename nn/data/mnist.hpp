// MNIST from its four IDX files: train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and
// t10k-labels-idx1-ubyte, each plain or as .gz; the plain file is taken where both are there.
//
// Sets in the same form with other image sizes (Fashion-MNIST, EMNIST digits) load as well. Functions may be called
// from any thread and keep nothing.
#pragma once

#include <memory>
#include <string>

#include <rill/nn/data/dataset.hpp>

namespace rill::nn::data {

/// Reads the training or the test set in `directory`: images [n, rows, cols], labels 0 to 9. Throws Error for missing
/// files, naming them, for files that are not valid IDX, and where type, rank or counts do not fit.
std::shared_ptr<ImageDataset> load_mnist(const std::string& directory, bool train, ImageOptions options = {});

/// Whether all four files are in `directory`.
bool has_mnist(const std::string& directory);

/// The folder to load from: RILL_DATA if set, even if files are missing there; else data/mnist if it is complete; else
/// empty.
std::string find_mnist();

}  // namespace rill::nn::data
