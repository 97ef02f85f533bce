// The classes of a table: their names in the column to predict, and the labels that they get.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <rill/core/io/csv.hpp>
#include <rill/nn/data/csv_columns.hpp>

namespace rill::nn::data {

/// The class names seen so far. Labels are numbered as they come, and put in order at the end.
class CsvClasses {
 public:
  /// Those that are given, in the order of their labels, or if none are, all that come. Throws Error for one given twice.
  explicit CsvClasses(const std::vector<std::string>& given);

  /// Of the reader's row. Throws Error for a name that is missing, not UTF-8, or none of those given.
  std::int64_t label(const io::CsvReader& reader, const CsvColumns& columns);

  /// Throws where the first row, which was taken for one of numbers, may be a header: its class never comes again, unlike all others.
  void check_first(const std::vector<std::int64_t>& labels, const std::string& where) const;

  /// Sorts the names and changes the labels with them. Throws Error for classes that look like measured values, as load_csv() says.
  std::vector<std::string> finish(std::vector<std::int64_t>& labels, const std::string& path);

 private:
  std::vector<std::string> sorted() const;
  void check_numbers(std::size_t rows, const std::string& path) const;
  void check_spellings(const std::vector<std::string>& in_order, const std::string& path) const;

  bool fixed_, numbers_ = true;
  std::optional<std::string> no_integer_{};  // the first name that is none
  std::vector<std::string> names_;
  std::map<std::string, std::int64_t, std::less<>> labels_{};
};

}  // namespace rill::nn::data
