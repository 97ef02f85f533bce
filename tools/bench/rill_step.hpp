// One training step of a row as a user of rill would write it: gather a batch, forward, loss, backward, update.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <rill/rill.hpp>
#include <rill/tools/bench/rows.hpp>

namespace rill::bench {

/// Samples of 784 numbers in 10 classes, under the name that the results carry.
struct Data {
  std::string name;
  std::shared_ptr<const nn::data::Dataset> set;
  std::string source;  ///< "dense", or the folder with MNIST
};

/// `count` samples of independent standard normal numbers with labels at random, "dense".
Data dense_data(std::int64_t count);

/// The training images of MNIST, mostly zeros, "mnist". Throws Error where they cannot be read.
Data mnist_data(const std::string& directory);

/// The network of a row, on samples of any shape, as its first parameters make it.
nn::Sequential make_model(const Row& row);

/// The parts of a step, in their order.
inline constexpr std::array<std::string_view, 6> phase_names{"gather",   "forward",   "loss",
                                                             "backward", "optimizer", "zero_grad"};

class RillStep {
 public:
  /// Throws Error if the row does not fit the data.
  RillStep(const Row& row, const Data& data);
  RillStep(const RillStep&) = delete;
  RillStep& operator=(const RillStep&) = delete;

  void run() {
    run([] {});
  }

  /// The same, calling `mark()` after each phase.
  template <class Mark>
  void run(Mark&& mark) {
    const nn::data::Batch& batch = next_batch();
    mark();
    const Tensor logits = model_(batch.x);
    mark();
    const Tensor loss = cross_entropy(logits, batch.y);
    total_loss_ += loss.item();
    mark();
    loss.backward();
    mark();
    optimizer_->step();
    mark();
    optimizer_->zero_grad();
    mark();
  }

  /// Throws Error if the training has diverged: steps on NaN would not be worth measuring.
  void check() const;

 private:
  const nn::data::Batch& next_batch();

  nn::data::Loader loader_;
  nn::Sequential model_;
  std::unique_ptr<optim::Optimizer> optimizer_;
  std::optional<nn::data::Epoch> epoch_;
  std::optional<nn::data::Epoch::Iterator> at_;
  std::int64_t epochs_ = 0;
  double total_loss_ = 0;
  std::string_view name_;
};

}  // namespace rill::bench
