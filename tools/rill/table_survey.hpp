// Which columns of a table are text that a model can be trained on, and which miss cells.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <rill/nn/data/csv.hpp>

namespace rill::command {

struct TextFeature {
  std::int64_t column, values;  ///< how many different ones
};

struct FeatureGaps {
  std::int64_t column, cells;  ///< how many are missing
  bool first;                  ///< and whether that of the first row is, which may be a header
};

struct TableFeatures {
  std::vector<TextFeature> texts;
  std::vector<FeatureGaps> gaps;
};

/// What the features of the table at `path` are, below its first row. Texts are those in which more cells are text than numbers, but for
/// columns in which most texts begin like numbers: they are mistaken ones. Throws Error for text that hardly comes again, or has more
/// than 100 values: such features are to be chosen, or left out, by somebody.
TableFeatures survey_features(const std::string& path, const nn::data::CsvOptions& csv);

}  // namespace rill::command
