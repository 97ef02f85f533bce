#include <algorithm>
#include <cmath>
#include <numeric>

#include <rill/nn/health/dead_units.hpp>

namespace rill::nn {
namespace {

struct Seen {
  std::vector<char> on, non_finite;  // a unit each
};

// Marks the units whose input x [n, ...] is positive, or not finite, somewhere.
void mark(const Tensor& x, Seen& seen) {
  const auto units = static_cast<std::size_t>(x.numel() / x.shape()[0]);
  seen.on.resize(units);
  seen.non_finite.resize(units);
  dispatch_floating(x.dtype(), "dead_units", [&]<class T>(T) {
    const auto values = x.data<T>();
    for (std::size_t i = 0; i < values.size(); i += units) {
      for (std::size_t unit = 0; unit < units; ++unit) {
        seen.on[unit] |= values[i + unit] > T(0);
        seen.non_finite[unit] |= !std::isfinite(values[i + unit]);
      }
    }
  });
}

LayerActivity summary(std::size_t index, const Activation& layer, const Seen& seen, std::int64_t samples) {
  LayerActivity activity;
  activity.name = std::to_string(index);
  activity.type = layer.type();
  activity.units = static_cast<std::int64_t>(seen.on.size());
  activity.samples = samples;
  activity.blocks_gradient = layer.blocks_gradient();
  for (std::size_t unit = 0; unit < seen.on.size(); ++unit) {
    activity.non_finite += seen.non_finite[unit];
    activity.never_on += !seen.on[unit] && !seen.non_finite[unit];
  }
  return activity;
}

}  // namespace

std::vector<LayerActivity> dead_units(Sequential& model, const data::Dataset& probe, std::int64_t samples) {
  RILL_CHECK(samples >= 1, "dead_units: samples is ", samples, ", expected 1 or more");
  const NoGrad no_grad;
  const std::int64_t count = std::min(samples, probe.size());
  constexpr std::int64_t chunk = 500;
  std::vector<Seen> seen(model.size());
  std::vector<std::int64_t> indices;
  for (std::int64_t begin = 0; begin < count; begin += chunk) {
    indices.resize(static_cast<std::size_t>(std::min(chunk, count - begin)));
    std::iota(indices.begin(), indices.end(), begin);
    const auto batch = static_cast<std::int64_t>(indices.size());
    Tensor y = empty(probe.batch_shape(batch));
    Tensor targets = empty(probe.target_batch_shape(batch), probe.target_dtype());
    probe.gather(indices, y, targets);
    for (std::size_t i = 0; i < model.size(); ++i) {
      if (dynamic_cast<Activation*>(&model[i])) {
        RILL_CHECK(y.dim() >= 1 && y.shape()[0] == batch, "dead_units: the input of layer ", i, " (",
                   model[i].type(), ") is ", y.shape(), ", expected [", batch, ", ...]");
        mark(y, seen[i]);
      }
      y = model[i](y);
    }
  }
  std::vector<LayerActivity> found;
  for (std::size_t i = 0; i < model.size(); ++i) {
    const auto* layer = dynamic_cast<const Activation*>(&model[i]);
    if (layer) found.push_back(summary(i, *layer, seen[i], count));
  }
  return found;
}

}  // namespace rill::nn
