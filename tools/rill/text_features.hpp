// Which columns of a table are text that a model can be trained on.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <rill/nn/data/csv.hpp>

namespace rill::command {

struct TextFeature {
  std::int64_t column, values;  ///< how many different ones
};

/// Those features of the table at `path` in which more cells below the first row are text than not. Columns in which most texts begin
/// like numbers are none: they are mistaken ones. Throws Error for text that hardly comes again, or has more than 100 values: such
/// features are to be chosen, or left out, by somebody.
std::vector<TextFeature> text_features(const std::string& path, const nn::data::CsvOptions& csv);

}  // namespace rill::command
