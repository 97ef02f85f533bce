// Where a model's features stand in a table: each is a column of numbers, or one of the values of a one-hot column.
//
// The feature "city=Ulm" is 1 in rows whose column "city" holds Ulm, and else 0, unless a column has this very name. Features that
// are values of one column stand side by side, and every cell holds one of them.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <rill/core/io/csv.hpp>

namespace rill::nn::data {

/// The most values that a one-hot column may have.
inline constexpr std::size_t max_csv_values = 1000;

/// The values of a one-hot column, in the order of their features.
class CsvValues {
 public:
  /// False if it is there already.
  bool add(std::string_view value);

  /// The place of the value that a row holds. Throws Error for a cell that holds another one or none (see CsvKind); `name` is the
  /// column's. While `learning`, other values are added: up to max_csv_values, in UTF-8.
  std::size_t place(const io::CsvReader& row, std::size_t column, std::string_view name);
  bool learning = false;

  /// Sorts the values by their bytes; the new place of each old one.
  std::vector<std::size_t> sort();

  const std::vector<std::string>& all() const { return all_; }

 private:
  std::vector<std::string> all_{};
  std::map<std::string, std::size_t, std::less<>> places_{};
};

/// A column that one feature is read from, or several.
struct CsvSource {
  std::size_t column;
  std::optional<CsvValues> values{};  ///< of a one-hot column; else its cells are numbers

  std::size_t width() const { return values ? values->all().size() : 1; }  ///< how many features
};

/// Fields in quotes, for messages: `"a", "b" and 3 more`.
std::string listed_csv_fields(std::span<const std::string> fields);

/// Adds the source of a feature in a table with columns of these names, or a value to the last source. False if there is no such
/// column, or the value is there already.
bool add_csv_feature(std::string_view feature, std::span<const std::string> columns,
                     std::vector<CsvSource>& to);

}  // namespace rill::nn::data
