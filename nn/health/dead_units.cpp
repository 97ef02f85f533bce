#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include <rill/nn/health/dead_units.hpp>

namespace rill::nn {
namespace {

struct Seen {
  std::string name;
  bool called = false;
  std::vector<char> on, non_finite;  // a unit each
};

// Marks the units whose input x [n, ...] is positive, or not finite, somewhere.
void mark(const Tensor& x, Seen& seen) {
  const std::size_t units = seen.on.size();
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

// Notes what the activations of a model get, while it lives.
class Watch {
 public:
  Watch() = default;
  ~Watch() {
    for (ForwardHookHandle& handle : handles_) handle.remove();
  }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  void add(const std::string& name, Activation& layer) {
    if (!seen_.try_emplace(&layer, Seen{name, false, {}, {}}).second) return;
    handles_.reserve(handles_.size() + 1);
    handles_.push_back(layer.register_forward_hook([this](Module& module, const Tensor& x, const Tensor&) {
      note(module, x);
      return Tensor();
    }));
    order_.push_back(&layer);
  }

  std::vector<LayerActivity> found(std::int64_t samples) const {
    std::vector<LayerActivity> all;
    for (const Activation* layer : order_) {
      const Seen& seen = seen_.at(layer);
      LayerActivity& activity = all.emplace_back();
      activity.name = seen.name;
      activity.type = layer->type();
      activity.units = static_cast<std::int64_t>(seen.on.size());
      activity.samples = samples;
      activity.blocks_gradient = layer->blocks_gradient();
      for (std::size_t unit = 0; unit < seen.on.size(); ++unit) {
        activity.non_finite += seen.non_finite[unit];
        activity.never_on += !seen.on[unit] && !seen.non_finite[unit];
      }
    }
    return all;
  }

  std::int64_t batch = 0;  // samples of the running pass

 private:
  void note(const Module& module, const Tensor& x) {
    Seen& seen = seen_.at(&module);
    const std::string_view name = seen.name.empty() ? "(model)" : std::string_view(seen.name);
    RILL_CHECK(x.dim() >= 1 && x.shape()[0] == batch, "dead_units: the input of layer ", name, " (",
               module.type(), ") is ", x.shape(), ", expected [", batch, ", ...]");
    const auto units = static_cast<std::size_t>(x.numel() / batch);
    RILL_CHECK(!seen.called || units == seen.on.size(), "dead_units: the input of layer ", name, " (",
               module.type(), ") has ", units, " features, expected ", seen.on.size(),
               " as before; give each place in the model an activation of its own");
    seen.called = true;
    seen.on.resize(units);
    seen.non_finite.resize(units);
    mark(x, seen);
  }

  std::map<const Module*, Seen> seen_;
  std::vector<const Activation*> order_;
  std::vector<ForwardHookHandle> handles_;
};

}  // namespace

std::vector<LayerActivity> dead_units(Module& model, const data::Dataset& probe, std::int64_t samples) {
  RILL_CHECK(samples >= 1, "dead_units: samples is ", samples, ", expected 1 or more");
  const EvalMode evaluation(model);
  const NoGrad no_grad;
  Watch watch;
  for (const NamedModule& part : model.named_modules()) {
    if (auto* layer = dynamic_cast<Activation*>(part.module)) watch.add(part.name, *layer);
  }
  const std::vector<Tensor> parameters = model.parameters();
  const DType dtype = parameters.empty() ? DType::f32 : parameters[0].dtype();
  const std::int64_t count = std::min(samples, probe.size()), chunks = (count + 499) / 500;
  std::vector<std::int64_t> indices;
  for (std::int64_t chunk = 0; chunk < chunks; ++chunk) {
    const std::int64_t begin = count * chunk / chunks, end = count * (chunk + 1) / chunks;
    watch.batch = end - begin;
    indices.resize(static_cast<std::size_t>(watch.batch));
    std::iota(indices.begin(), indices.end(), begin);
    Tensor x = empty(probe.batch_shape(watch.batch));
    Tensor targets = empty(probe.target_batch_shape(watch.batch), probe.target_dtype());
    probe.gather(indices, x, targets);
    model(x.dtype() == dtype ? x : x.to(dtype));
  }
  return watch.found(count);
}

}  // namespace rill::nn
