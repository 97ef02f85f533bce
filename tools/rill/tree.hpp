// The command line as data, read off CLI11's own description of it: for completion and the manual.
#pragma once

#include <string>
#include <vector>

#include <rill/tools/rill/program.hpp>

namespace rill::command {

struct OptionSpec {
  std::vector<std::string> names = {};    ///< "--output", "-o"; empty for a positional
  std::string placeholder = {};           ///< "FILE"; empty for a flag
  std::vector<std::string> choices = {};  ///< the words that it takes; empty for any
  std::string description = {}, standard = {};
  bool takes_value = false, required = false;
  int values = 1;  ///< how many
  bool is_file() const { return placeholder == "FILE" || placeholder == "X Y"; }
  bool is_folder() const { return placeholder == "DIR"; }
};

/// The options and positionals of a command, in the order of its help.
std::vector<OptionSpec> options_of(const CLI::App& app);

}  // namespace rill::command
