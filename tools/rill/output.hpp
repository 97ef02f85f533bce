// What the command prints. Results go to standard output, everything else to standard error.
//
// A reader that has seen enough (`rill ... | head`) is no failure: what is printed from then on is dropped. Any other failed
// write is an Error.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string_view>

namespace rill::command {

/// Appends to standard output. Throws Error with the system's reason, but not for a closed pipe.
void out(std::string_view text);
/// Writes what is still buffered, with the same errors.
void flush_output();
/// Whether nobody reads standard output any more.
bool output_closed();

/// The value as JSON, on several lines; NaN and infinities are null, bytes that are no UTF-8 become U+FFFD.
void print_json(const nlohmann::ordered_json& value);

/// One line on standard error: "rill: note: ...".
void note(std::string_view text);

using WriteText = std::function<void(std::string_view)>;
/// Lets `body` write the file at `path`, which is replaced in one step or not at all; "-" is standard output, and devices and
/// pipes are written as they are. Throws Error if a write fails.
void write_to(const std::string& path, const std::function<void(const WriteText&)>& body);

}  // namespace rill::command
