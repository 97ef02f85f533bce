// The known name that is nearest to an unknown one, for messages.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace rill::nn::config {

/// The known name that differs from `name` by the fewest letters put in, left out, changed or swapped with their neighbour, case
/// and separators aside; empty where none is near enough to be meant: a third of the letters may differ.
std::string_view nearest(std::string_view name, std::span<const std::string_view> known);

/// `; did you mean "units"?`, or `, expected one of bias, units` where no name is near.
std::string suggestion(std::string_view name, std::span<const std::string_view> known);

/// `text` in quotes for a message: on one line, without control bytes, cut after 40 bytes.
std::string in_quotes(std::string_view text);

}  // namespace rill::nn::config
