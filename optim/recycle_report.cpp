#include <fmt/format.h>

#include <algorithm>

#include <rill/nn/health/find_layer.hpp>
#include <rill/optim/recycle.hpp>

namespace rill::optim {

std::int64_t RecycleReport::recycled() const {
  std::size_t sum = 0;
  for (const RecycledLayer& layer : layers) sum += layer.units.size();
  return static_cast<std::int64_t>(sum);
}

bool RecycleReport::function_kept() const {
  return std::ranges::all_of(layers, &RecycledLayer::function_kept);
}

const RecycledLayer& RecycleReport::layer(std::string_view name) const {
  return nn::detail::find_layer("recycle", layers, name);
}

std::ostream& operator<<(std::ostream& out, const RecycleReport& report) {
  std::int64_t size = 0;
  for (const RecycledLayer& layer : report.layers) size += layer.size;
  out << fmt::format(
      "{} of {} units recycled, with a score of at most {:g} on {} samples; the function is {}\n",
      report.recycled(), size, report.tau, report.samples, report.function_kept() ? "kept" : "changed");
  for (const RecycledLayer& layer : report.layers) {
    out << fmt::format("  {} {}: {} of {}\n", layer.name, layer.activation, layer.units.size(), layer.size);
    for (const std::string& note : layer.notes) out << "    " << note << '\n';
  }
  return out;
}

}  // namespace rill::optim
