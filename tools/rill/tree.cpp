#include <rill/tools/rill/tree.hpp>

#include <algorithm>

namespace rill::command {
namespace {

std::vector<std::string> words_of(const std::string& type) {
  std::vector<std::string> words;
  if (!type.starts_with('{') || !type.ends_with('}')) return words;
  std::string word;
  for (const char c : type.substr(1)) {
    if (c == ',' || c == '}') {
      words.push_back(std::move(word));
      word.clear();
    } else {
      word += c;
    }
  }
  return words;
}

OptionSpec spec_of(const CLI::Option& option) {
  OptionSpec spec{.names = names_of(option), .description = option.get_description()};
  std::replace(spec.description.begin(), spec.description.end(), '\n', ' ');
  spec.takes_value = option.get_items_expected_max() > 0;
  spec.required = option.get_required();
  if (!spec.takes_value) return spec;
  spec.choices = words_of(option.get_type_name());
  spec.placeholder = !spec.choices.empty() ? "WORD"
                     : spec.names.empty()  ? option.get_name(true)
                                           : option.get_type_name();
  spec.standard = option.get_default_str();
  spec.values = std::clamp(option.get_items_expected_min(), 1, 9);
  return spec;
}

}  // namespace

std::vector<OptionSpec> options_of(const CLI::App& app) {
  std::vector<OptionSpec> options;
  for (const CLI::Option* option : app.get_options()) options.push_back(spec_of(*option));
  return options;
}

}  // namespace rill::command
