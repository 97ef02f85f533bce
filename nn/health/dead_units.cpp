#include <algorithm>
#include <numeric>

#include <rill/nn/health/dead_units.hpp>

namespace rill::nn {
namespace {

bool is_activation(std::string_view type) {
  return type == ReLU::type_name || type == LeakyReLU::type_name || type == ELU::type_name ||
         type == PReLU::type_name;
}

// Marks the units whose input is positive somewhere in x [n, units].
void mark_on(const Tensor& x, std::vector<char>& on) {
  const std::size_t units = on.size();
  dispatch_floating(x.dtype(), "dead_units", [&]<class T>(T) {
    const auto values = x.data<T>();
    for (std::size_t i = 0; i < values.size(); i += units) {
      for (std::size_t unit = 0; unit < units; ++unit) on[unit] |= values[i + unit] > T(0);
    }
  });
}

}  // namespace

std::vector<LayerActivity> dead_units(Sequential& model, const data::Dataset& probe, std::int64_t samples) {
  RILL_CHECK(samples >= 1, "dead_units: samples is ", samples, ", expected 1 or more");
  const NoGrad no_grad;
  const std::int64_t count = std::min(samples, probe.size());
  constexpr std::int64_t chunk = 500;
  std::vector<std::vector<char>> on(model.size());
  std::vector<std::int64_t> indices;
  for (std::int64_t begin = 0; begin < count; begin += chunk) {
    indices.resize(static_cast<std::size_t>(std::min(chunk, count - begin)));
    std::iota(indices.begin(), indices.end(), begin);
    const auto batch = static_cast<std::int64_t>(indices.size());
    Tensor y = empty(probe.batch_shape(batch)), labels = empty({batch}, DType::i64);
    probe.gather(indices, y, labels);
    for (std::size_t i = 0; i < model.size(); ++i) {
      if (is_activation(model[i].type())) {
        on[i].resize(static_cast<std::size_t>(y.numel() / y.shape()[0]));
        mark_on(y, on[i]);
      }
      y = model[i](y);
    }
  }
  std::vector<LayerActivity> found;
  for (std::size_t i = 0; i < model.size(); ++i) {
    if (on[i].empty()) continue;
    const auto off = std::count(on[i].begin(), on[i].end(), char{0});
    found.push_back({std::to_string(i), std::string(model[i].type()), static_cast<std::int64_t>(on[i].size()),
                     off, count});
  }
  return found;
}

}  // namespace rill::nn
