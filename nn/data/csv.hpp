// CSV files as datasets: columns of numbers or of text, and one column to be predicted.
//
// Every cell of a chosen column has to be there: missing values are refused with their place, or kept as NaN for an Impute to
// fill, if the options say so; those of the target are always refused. Columns are named by the header or numbered from 0,
// negative numbers from the end. Spaces and tabs around a name, of a column or a class, do not count unless it stands in
// quotes: the header `x, y` has a column "y". Functions may be called from any thread and keep nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include <rill/core/io/csv.hpp>
#include <rill/core/tensor.hpp>
#include <rill/nn/data/dataset.hpp>

namespace rill::nn::data {

/// A column by its number or its name: -1, "species", or a variable with either.
using CsvColumn = std::variant<std::int64_t, std::string>;

enum class CsvHeader {
  automatic,  ///< as is_csv_header() says, and where a column is named
  present,
  absent
};

enum class CsvMissing {
  refuse,
  /// NaN in a column of numbers, for nn::data::Impute; in a one-hot column a value of its own, "city="
  nan
};

struct CsvOptions {
  CsvHeader header = CsvHeader::automatic;
  std::optional<CsvColumn> target{};  ///< not given: the last column, and none to load_csv_inputs
  /// In this order; none: all columns but the target. "city=Ulm", unless a column has this very name, is 1 where the column "city" holds
  /// Ulm, and 0 where it holds the value of another feature; other values are refused.
  std::vector<CsvColumn> features{};
  /// Of the features those whose values become one feature each, with such names, sorted; up to 1000 values. Such a file needs a header.
  std::vector<CsvColumn> one_hot{};
  bool regression = false;  ///< the target is a number, not a class
  std::vector<std::string>
      classes{};  ///< the class names in the order of their labels; none: those in the file
  std::optional<char> delimiter = ',';  ///< not given: as CsvReader finds it
  CsvMissing missing =
      CsvMissing::refuse;  ///< what becomes of features' cells that are missing (see CsvKind)
  /// Behind the feature "age" of a column in which such cells are, "age=", which is 1 there and 0 elsewhere. Such a file needs a header;
  /// among the features above the name asks for it, too.
  bool missing_indicator = false;
};

struct CsvData {
  std::shared_ptr<const TensorDataset> dataset;  ///< x f32 [rows, features]; y i64 [rows], or f32 [rows, 1]
  /// Names of columns, "column=value", or "column=" for what is missing there; without a header "0", "1", ...
  std::vector<std::string> features;
  std::vector<std::size_t> values;  ///< which features are 1 or 0: "column=value" and "column="
  std::vector<std::size_t> gaps;    ///< which of these say that a cell is missing
  std::string target;
  std::vector<std::string> classes;  ///< label i is classes[i]; empty for a regression
  bool header = false;               ///< whether the file has one
  /// Columns of numbers, the target with them, that f32 rounds by more than a 32nd of the way from the least to the largest:
  /// `"t", from 1700000000 to 1700000119,`.
  std::vector<std::string> blurred = {};
};

/// Throws Error if a column of the file at `path` is blurred.
void check_csv_precision(const std::string& path, const CsvData& data);

/// Throws Error if a feature of the file at `path` is missing (NaN) in all of these rows of it, all or the training part.
void check_csv_numbers(const std::string& path, const CsvData& data, const Dataset& rows);

/// Whether a table's first record names its columns, by those of it that hold numbers: one that is neither a number nor missing is a
/// name. Throws Error where names and numbers stand side by side and the names begin like numbers, "1.2.3": that is a header, or a
/// mistake.
bool is_csv_header(const io::CsvReader& first, std::span<const std::size_t> columns);

/// Reads the file at `path`. Class names that are not given are sorted: as integers if all are, else by their bytes.
/// Throws Error for what CsvReader refuses, rows of different lengths, columns that are not there or stand twice, a
/// file without rows, a cell that is missing (see CsvKind) where the options refuse it or no finite f32, a class that is not
/// among options.classes, a value that is not among features "column=value" of its column, more than 1000 of a one-hot column, names of columns, values and
/// classes that are not UTF-8, a first row whose class, alone of all, never comes again (a header over numbers, unless the options say
/// otherwise), and classes that look like measured values: all of them numbers, and one not an integer, or more than 20 of them that
/// differ in more than half of the rows.
CsvData load_csv(const std::string& path, const CsvOptions& options = {});

struct CsvInputs {
  Tensor x;                           ///< f32 [rows, features]
  std::vector<std::string> features;  ///< as CsvData's
  bool header = false;                ///< whether the file has one
};

/// Reads features alone: what a trained model shall predict from. A target in the options is left out, if given.
/// Throws Error as load_csv does.
CsvInputs load_csv_inputs(const std::string& path, const CsvOptions& options = {});

}  // namespace rill::nn::data
