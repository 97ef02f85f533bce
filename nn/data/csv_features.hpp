// Where a model's features stand in a table: each is a column of numbers, or one of the values of a one-hot column.
//
// The feature "city=Ulm" is 1 in rows whose column "city" holds Ulm, and 0 where it holds the value of another feature; every cell
// holds one of them. Values of one column stand side by side. A column that has this very name is meant before. A cell that is missing
// (see CsvKind) has the value "": "city=" is 1 there, and "age=", behind the feature "age" of a column of numbers, where that misses one.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <rill/core/io/csv.hpp>

namespace rill::nn::data {

/// The most values that a one-hot column may have.
inline constexpr std::size_t max_csv_values = 1000;

/// What to do about a cell that is missing and must not be.
inline constexpr const char* csv_gap_remedy =
    "fill in or remove such rows, or have them filled (CsvMissing::nan; in a run \"missing\": \"median\")";

/// The values of a one-hot column, in the order of their features.
class CsvCategories {
 public:
  enum class Of { features, table, table_with_gaps };
  /// `of` features, which add() names, or all that a table turns out to have, the value "" of cells that are missing with them or not.
  explicit CsvCategories(Of of) : of_(of) {}

  /// False if it is there already.
  bool add(std::string_view value);

  /// The place of the value that a row holds; `name` is the column's. Throws Error for a cell that holds none (see CsvKind), for one
  /// that is no feature, and in a table for one that is not UTF-8 or comes after max_csv_values others.
  std::size_t place(const io::CsvReader& row, std::size_t column, std::string_view name);

  /// Sorts a table's values by their bytes; the new place of each old one. Features stay in their order.
  std::vector<std::size_t> sort();

  const std::vector<std::string>& all() const { return all_; }
  bool of_table() const { return of_ != Of::features; }

 private:
  Of of_;
  std::vector<std::string> all_{};
  std::map<std::string, std::size_t, std::less<>> places_{};
};

/// A column that one feature is read from, or several.
struct CsvSource {
  std::size_t column;
  std::unique_ptr<CsvCategories> values{};  ///< of a one-hot column; else its cells are numbers
  bool indicator = false;  ///< of numbers, that a second feature says which of them are missing

  std::size_t width() const {  ///< how many features
    return values ? values->all().size() : indicator ? 2 : 1;
  }
};

enum class CsvMatch { found, missing, twice };

/// Adds the source of a feature in a table with columns of these names, or a value to the last source. `missing` if there is no
/// such column, `twice` if another feature is read from there, too; nothing is added then. What is missing is a value only `with_gaps`.
CsvMatch add_csv_feature(std::string_view feature, std::span<const std::string> columns, bool with_gaps,
                         std::vector<CsvSource>& to);

/// Whether a feature's name may be that of a value: "city=Ulm", "age=".
bool names_csv_value(std::string_view feature);

/// Whether a field that is no number may be a mistaken one: "60,5", "2024-01-01", "3x".
bool begins_like_number(std::string_view field);

/// Fields in quotes, for messages: `"a", "b" and 3 more`.
std::string listed_csv_fields(std::span<const std::string> fields);

}  // namespace rill::nn::data
