// Dropout: zeroes elements at random while a model is in training mode.
#pragma once

#include <rill/nn/module.hpp>

namespace rill::nn {

/// In training mode every element is 0 with probability p, else x/(1 - p); in evaluation mode x itself. Keras and PyTorch
/// do the same; PyTorch's default p is 0.5.
///
/// The layer holds a seed of its own, drawn from the generator, and the number of its next mask, both counters in visit():
/// a resumed run that restores them goes on with the masks of the uninterrupted one. A copy and an nn::clone have
/// the same seed and a counter of their own, so they go through the same masks; build another layer where that is not wanted.
class Dropout final : public Module {
 public:
  static constexpr std::string_view type_name = "dropout";
  /// Throws Error for p outside of [0, 1].
  Dropout(double p, Generator& generator);
  /// Throws Error for i64.
  Tensor forward(const Tensor& x) override;
  void visit(Visitor& visitor) override {
    visitor.counter("seed", seed_);
    visitor.counter("calls", calls_);
  }
  std::string_view type() const override { return type_name; }
  double p() const { return p_; }
  std::uint64_t seed() const { return seed_; }

 private:
  double p_;
  std::uint64_t seed_ = 0, calls_ = 0;
};

}  // namespace rill::nn
