// The columns that a table is read by: which is the target, which are features, and what is wrong with a cell of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <rill/nn/data/csv.hpp>
#include <rill/nn/data/csv_features.hpp>

namespace rill::nn::data {

/// Throws that a name, which is saved with the model, is not UTF-8.
void check_csv_utf8(std::string_view name, const std::string& where);

/// Whether a column is given by its name, so that there has to be a header.
bool names_columns(const CsvOptions& options);

class CsvColumns {
 public:
  /// The reader stands on the first record, which is a header or not. Throws Error as load_csv() does. `path` must live as long.
  CsvColumns(const io::CsvReader& reader, const std::string& path, const CsvOptions& options);

  bool header() const { return header_; }
  std::int64_t first_line() const { return first_line_; }
  std::size_t target() const { return *target_; }
  std::vector<CsvSource>& sources() { return sources_; }
  std::string name(std::size_t column) const { return header_ ? first_[column] : std::to_string(column); }
  std::string_view header_name(std::size_t column) const { return first_[column]; }
  /// By which add_csv_feature() finds the same features again.
  std::vector<std::string> feature_names() const;

  void check_row(const io::CsvReader& reader) const;
  /// After all rows: a first row of a table of text may have been taken for a header.
  void check_values() const;
  io::CsvValue number(const io::CsvReader& reader, std::size_t column) const;
  /// A feature's: also a value that is missing, if the options say so. Notes what they want to know of that.
  io::CsvValue feature(const io::CsvReader& reader, CsvSource& source) const;
  /// Throws that a cell is not what was expected, in the words that fit what it is.
  [[noreturn]] void refuse(const io::CsvReader& reader, std::size_t column, io::CsvKind kind,
                           const std::string& expected) const;

 private:
  std::string where() const;
  std::string shown(std::size_t column) const;
  std::string hint() const;
  void check_names() const;
  void check_features_named() const;
  std::vector<std::size_t> columns_of_numbers() const;
  std::size_t find(const CsvColumn& column) const;
  void choose_features(const std::vector<CsvColumn>& chosen);
  void make_one_hot(std::size_t column);

  const std::string& path_;
  std::vector<std::string> first_;
  std::int64_t first_line_;
  bool header_ = false, header_said_ = false, may_miss_ = false, indicates_ = false;
  std::optional<std::size_t> target_;
  std::vector<CsvSource> sources_;
};

}  // namespace rill::nn::data
