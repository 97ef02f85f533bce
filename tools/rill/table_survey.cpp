#include <rill/tools/rill/table_survey.hpp>

#include <algorithm>
#include <set>

#include <rill/core/error.hpp>
#include <rill/core/io/csv.hpp>
#include <rill/nn/data/csv_features.hpp>

namespace rill::command {
namespace {

constexpr std::size_t most_values = 100, few_values = 10;

struct Column {
  std::string name;
  bool first_missing = false;
  std::int64_t texts = 0, like_numbers = 0, missing = 0;
  std::set<std::string, std::less<>> values = {};

  void see(std::string_view field) {
    const io::CsvKind kind = io::parse_csv_value(field).kind;
    if (kind == io::CsvKind::missing) ++missing;
    if (kind != io::CsvKind::text) return;
    ++texts;
    if (nn::data::begins_like_number(field)) ++like_numbers;
    if (values.size() <= most_values && !values.contains(field)) values.emplace(field);
  }
};

bool is_feature(const nn::data::CsvOptions& csv, std::int64_t place, const Column& column,
                std::int64_t columns) {
  const auto is_this = [&](const nn::data::CsvColumn& other) {
    const auto* const number = std::get_if<std::int64_t>(&other);
    return number ? (*number < 0 ? *number + columns : *number) == place
                  : std::get<std::string>(other) == column.name;
  };
  return csv.features.empty() ? !is_this(csv.target.value_or(-1))
                              : std::ranges::any_of(csv.features, is_this);
}

}  // namespace

TableFeatures survey_features(const std::string& path, const nn::data::CsvOptions& csv) {
  TableFeatures found;
  io::CsvReader reader(path, csv.delimiter);
  if (!reader.next()) return found;
  std::vector<Column> columns;
  for (std::size_t i = 0; i < reader.size(); ++i)
    columns.push_back({.name = std::string(reader.trimmed(i)),
                       .first_missing = io::parse_csv_value(reader[i]).kind == io::CsvKind::missing});
  std::int64_t rows = 0;
  for (; reader.next() && reader.size() == columns.size(); ++rows) {
    for (std::size_t i = 0; i < columns.size(); ++i) columns[i].see(reader.trimmed(i));
  }
  for (std::int64_t i = 0; i < std::ssize(columns); ++i) {
    const Column& column = columns[static_cast<std::size_t>(i)];
    if (!is_feature(csv, i, column, std::ssize(columns))) continue;
    if (column.missing > 0 || column.first_missing)
      found.gaps.push_back({i, column.missing, column.first_missing});
    const std::int64_t values = std::ssize(column.values), cells = rows - column.missing;
    if (2 * column.texts <= cells || 2 * column.like_numbers > column.texts) continue;
    const bool few = column.values.size() <= few_values, many = column.values.size() > most_values;
    RILL_CHECK(
        few || (!many && 2 * values <= cells), path, ": column ", io::quote_csv_field(column.name),
        " is text with ", many ? "more than " : "", many ? most_values : column.values.size(), " values in ",
        cells, " cells, expected numbers, or at most ", most_values,
        " values that come again; choose the other columns with --features, or name it in one_hot by hand");
    found.texts.push_back({i, values});
  }
  return found;
}

}  // namespace rill::command
