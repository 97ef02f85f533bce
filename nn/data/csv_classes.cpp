#include <algorithm>
#include <charconv>
#include <cmath>

#include <rill/core/error.hpp>
#include <rill/nn/data/csv_classes.hpp>

namespace rill::nn::data {

using io::CsvKind;
using io::CsvReader;
using io::quote_csv_field;

namespace {

// What integers are sorted by: the nearest f64, and where that is the same the 64 bits. None where the text is not an
// integer; 1e3 and 2.0 are.
std::optional<std::pair<double, std::int64_t>> integer_of(std::string_view text) {
  const CsvKind kind = io::parse_csv_value(text).kind;
  if (kind != CsvKind::number && kind != CsvKind::not_finite) return std::nullopt;
  const char* const begin = text.data() + text.find_first_not_of(" \t+");
  const char* const end = text.data() + text.size();
  double value = 0;
  const bool in_range = std::from_chars(begin, end, value).ec == std::errc{};
  if (!in_range || !std::isfinite(value) || value != std::floor(value)) return std::nullopt;
  std::int64_t exact = 0;
  std::from_chars(begin, end, exact);
  return std::pair(value, exact);
}

}  // namespace

CsvClasses::CsvClasses(const std::vector<std::string>& given) : fixed_(!given.empty()), names_(given) {
  for (std::size_t i = 0; i < given.size(); ++i) {
    RILL_CHECK(labels_.emplace(given[i], static_cast<std::int64_t>(i)).second, "load_csv: class ",
               quote_csv_field(given[i]), " is given twice, expected different names");
  }
}

std::int64_t CsvClasses::label(const CsvReader& reader, const CsvColumns& columns) {
  const std::string_view name = reader.trimmed(columns.target());
  if (const auto known = labels_.find(name); known != labels_.end()) return known->second;
  if (fixed_) columns.refuse(reader, columns.target(), CsvKind::text, "one of " + listed_csv_fields(names_));
  const CsvKind kind = io::parse_csv_value(name).kind;
  if (kind == CsvKind::missing) columns.refuse(reader, columns.target(), kind, "a class name");
  check_csv_utf8(name, reader.where());
  if (!no_integer_ && !integer_of(name)) no_integer_ = name;
  numbers_ = numbers_ && kind != CsvKind::text;
  names_.emplace_back(name);
  return labels_.emplace(name, std::ssize(names_) - 1).first->second;
}

void CsvClasses::check_first(const std::vector<std::int64_t>& labels, const std::string& where) const {
  std::vector<std::int64_t> counts(names_.size());
  for (const std::int64_t label : labels) ++counts[static_cast<std::size_t>(label)];
  const std::string& name = names_[static_cast<std::size_t>(labels[0])];
  const bool alone = counts.size() > 1 && std::ranges::count(counts, 1) == 1 &&
                     counts[static_cast<std::size_t>(labels[0])] == 1;
  RILL_CHECK(!alone || fixed_ || io::parse_csv_value(name).kind != CsvKind::text, where, ": class ",
             quote_csv_field(name),
             " is that of this row alone, beside numbers: a header, or a row? expected it said by `header`");
}

std::vector<std::string> CsvClasses::finish(std::vector<std::int64_t>& labels, const std::string& path) {
  if (fixed_) return names_;
  check_numbers(labels.size(), path);
  std::vector<std::string> in_order = sorted();
  check_spellings(in_order, path);
  std::vector<std::int64_t> place(names_.size());
  for (std::size_t i = 0; i < in_order.size(); ++i)
    place[static_cast<std::size_t>(labels_.at(in_order[i]))] = static_cast<std::int64_t>(i);
  for (std::int64_t& label : labels) label = place[static_cast<std::size_t>(label)];
  return in_order;
}

std::vector<std::string> CsvClasses::sorted() const {
  std::vector<std::string> names = names_;
  std::ranges::sort(names, [&](const std::string& a, const std::string& b) {
    if (no_integer_) return a < b;
    return std::pair(integer_of(a), std::string_view(a)) < std::pair(integer_of(b), std::string_view(b));
  });
  return names;
}

void CsvClasses::check_numbers(std::size_t rows, const std::string& path) const {
  RILL_CHECK(
      !no_integer_ || !numbers_, path, ": all ", names_.size(), " classes are numbers, and ",
      quote_csv_field(*no_integer_),
      " is not an integer, expected class names; for a regression set regression (rill new: --regression)");
  constexpr std::size_t few = 20;
  RILL_CHECK(
      !numbers_ || names_.size() <= few || 2 * names_.size() <= rows, path, ": all ", names_.size(),
      " classes are numbers, in ", rows,
      " rows, expected classes that come again; for a regression set regression (rill new: --regression)");
}

void CsvClasses::check_spellings(const std::vector<std::string>& in_order, const std::string& path) const {
  for (std::size_t i = 1; i < in_order.size() && numbers_; ++i) {
    const double number = integer_of(in_order[i])->first;
    const bool same = integer_of(in_order[i - 1])->first == number && std::abs(number) < 0x1p53;
    const auto as_fraction = [&](std::size_t at) {
      return in_order[at].find_first_of(".eE") != std::string::npos;
    };
    RILL_CHECK(!same || as_fraction(i - 1) == as_fraction(i), path, ": classes ",
               quote_csv_field(in_order[i - 1]), " and ", quote_csv_field(in_order[i]),
               " are one number, expected it written in one way");
  }
}

}  // namespace rill::nn::data
