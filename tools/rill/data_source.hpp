// The data options: labelled samples for a model, raw as the file has them, out of one of four sources.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include <rill/nn/data/dataset.hpp>
#include <rill/nn/model.hpp>

namespace rill::command {

/// What the targets in a CSV or npy file are.
enum class Targets { labels, numbers };

struct DataSource {
  std::string idx, csv, target, split = "test";
  std::vector<std::string> npy;
  bool digits = false;
  std::int64_t samples = 0;
  double scale = 1;

  void add_to(CLI::App& app);

  /// Samples of the model's input shape, before its preprocessing; class names of a file are taken into a model that has
  /// none. With --scale, the model gets a preprocessing of that. Throws UsageError for options that do not go together,
  /// and Error for files.
  std::shared_ptr<const nn::data::Dataset> open(nn::Model& model, Targets targets) const;
  /// "IDX files in data/mnist, test" for messages and headings.
  std::string name() const;

 private:
  void check() const;
  std::shared_ptr<const nn::data::Dataset> read(nn::Model& model, Targets targets) const;
};

/// Calls `body` with batches of at most 500 samples, in their order.
template <class Body>
void for_each_batch(const nn::data::Dataset& dataset, Body&& body) {
  for (std::int64_t begin = 0; begin < dataset.size(); begin += 500)
    body(dataset.range(begin, std::min(begin + 500, dataset.size())));
}

}  // namespace rill::command
