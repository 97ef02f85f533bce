// find_layer: the one of a report's layers that has a name.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include <rill/core/error.hpp>

namespace rill::nn::detail {

/// Throws Error, in the name of `where` and with the names that there are, if no layer has this one.
template <class Layers>
const auto& find_layer(const char* where, const Layers& layers, std::string_view name) {
  const auto found = std::ranges::find_if(layers, [&](const auto& layer) { return layer.name == name; });
  if (found != layers.end()) return *found;
  std::string names;
  for (const auto& known : layers) names += (names.empty() ? "" : ", ") + known.name;
  rill::detail::fail(
      rill::detail::concat(where, ": there is no layer \"", name, "\", expected one of ", names));
}

}  // namespace rill::nn::detail
