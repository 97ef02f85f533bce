// Recorder: sees every activation that runs and sums up, unit by unit, what goes in, comes out and flows back.
#pragma once

#include <vector>

#include <rill/nn/health/report.hpp>
#include <rill/nn/health/sites.hpp>

namespace rill::nn::detail {

/// Sums over samples, one of each for a unit.
struct UnitSums {
  std::vector<std::int64_t> non_finite, on, flat;
  std::vector<double> in, in_squares, out, out_squares, out_sizes, gradient_sizes, gradient_squares;
  std::vector<double> first_in, first_out;  // of the first sample: what sums are taken around
  std::vector<std::uint8_t> moved;          // whether any gradient at the pre-activation was not 0
  explicit UnitSums(std::size_t units);
};

/// Watches from begin_pass() on, on the thread that made it. Sums do not depend on the number of threads. Gradients count
/// between begin_walk() and the next pass; a layer that a walk with a graph of its own has passed before, in the model or in
/// the loss, has none.
class Recorder final : public Observer {
 public:
  explicit Recorder(Module& model) : sites_(model) {}
  void begin_pass(std::int64_t samples);
  void begin_walk() { walking_ = true; }
  void before(const OpRun& run) override;
  void after(const OpRun& run) override;
  void failed(std::string_view) noexcept override { running_.clear(); }

  /// What was seen, a layer for each site; with gradients where every pass was walked back.
  std::vector<LayerHealth> layers() const;

 private:
  struct Layer {
    bool blocks_gradient = false;
    std::optional<double> parameter = {};
    std::int64_t samples = 0, blind = 0, walked = 0;
    UnitSums sums = UnitSums(0);
  };
  // Where an activation ran, by the addresses of its elements.
  struct Place {
    std::size_t site;
    const void *input, *output;
  };
  void take_input(const Tensor& x, const ActivationInfo& info, Layer& layer);
  void take_output(const Tensor& y, Layer& layer);
  void take_gradient(const OpRun& run);

  Sites sites_;
  std::vector<Layer> layers_;
  std::vector<std::size_t> running_;  // sites between before() and after()
  std::vector<Place> places_;         // of this pass, that were not walked back yet
  double pass_samples_ = 1;
  bool walking_ = false;  // from the loss
};

}  // namespace rill::nn::detail
