#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include <rill/core/error.hpp>
#include <rill/core/io/csv.hpp>
#include <rill/core/text.hpp>
#include <rill/nn/data/csv.hpp>
#include <rill/nn/data/csv_features.hpp>

namespace rill::nn::data {
namespace {

using io::CsvKind;
using io::CsvReader;
using io::quote_csv_field;
using Fields = std::vector<std::string>;

Fields fields_of(const CsvReader& reader) {
  Fields fields;
  for (std::size_t i = 0; i < reader.size(); ++i) fields.emplace_back(reader.trimmed(i));
  return fields;
}

// Of names, which are saved with the model.
void check_utf8(std::string_view name, const std::string& where) {
  RILL_CHECK(rill::detail::is_utf8(name), where, ": ", quote_csv_field(name),
             " is not UTF-8, expected text in it; convert the file, as with iconv -f latin1 -t utf-8");
}

// The columns that a file is read by. Cells are checked against them.
class Columns {
 public:
  // The reader stands on the first record, which is a header or not.
  Columns(const CsvReader& reader, const std::string& path, const CsvOptions& options)
      : path_(path), first_(fields_of(reader)), first_line_(reader.line()) {
    const auto named = [](const CsvColumn& column) { return std::holds_alternative<std::string>(column); };
    const bool by_name = (options.target && named(*options.target)) ||
                         std::ranges::any_of(options.features, named) ||
                         std::ranges::any_of(options.one_hot, named);
    RILL_CHECK(options.header != CsvHeader::absent || !by_name,
               "load_csv: a column is given by name and the header as absent, expected column numbers");
    header_ = by_name || options.header == CsvHeader::present;
    if (header_) check_names();
    if (options.target) target_ = find(*options.target);
    choose_features(options.features);
    for (const CsvColumn& column : options.one_hot) make_one_hot(find(column));
    if (options.header == CsvHeader::automatic && !header_) {
      header_ = is_csv_header(reader, columns_of_numbers());
      if (header_) check_names();
    }
    RILL_CHECK(header_ || options.one_hot.empty(), where(),
               ": there is no header, expected one that names the one-hot columns");
    if (header_ && options.features.empty()) check_features_named();
  }

  bool header() const { return header_; }
  std::int64_t first_line() const { return first_line_; }
  std::size_t target() const { return *target_; }
  std::vector<CsvSource>& sources() { return sources_; }

  std::string name(std::size_t column) const { return header_ ? first_[column] : std::to_string(column); }
  Fields feature_names() const {
    Fields names;
    for (const CsvSource& source : sources_) {
      if (!source.values) names.push_back(name(source.column));
      for (std::size_t i = 0; source.values && i < source.width(); ++i)
        names.push_back(name(source.column) + "=" + source.values->all()[i]);
    }
    const std::set<std::string_view> different(names.begin(), names.end());
    RILL_CHECK(different.size() == names.size(), where(),
               ": a column has the name of another one's value, expected different names");
    return names;
  }

  void check_row(const CsvReader& reader) const {
    RILL_CHECK(reader.size() == first_.size(), reader.where(), ": there are ", reader.size(),
               " fields, expected ", first_.size(), " as in line ", first_line_);
  }

  float number(const CsvReader& reader, std::size_t column) const {
    const io::CsvValue value = io::parse_csv_value(reader[column]);
    if (value.kind != CsvKind::number) [[unlikely]]
      refuse(reader, column, value.kind, "a number");
    return value.number;
  }

  /// Throws that a cell is not what was expected, in the words that fit what it is.
  [[noreturn]] void refuse(const CsvReader& reader, std::size_t column, CsvKind kind,
                           const std::string& expected) const {
    const std::string_view field = reader.trimmed(column);
    const std::string what = field.empty() ? "empty" : quote_csv_field(field);
    rill::detail::fail(rill::detail::concat(
        reader.where(), ": column ", header_ ? quote_csv_field(first_[column]) : name(column), " is ", what,
        kind == CsvKind::missing ? " (a missing value)" : "", ", expected ",
        kind == CsvKind::not_finite ? std::string("a finite number that f32 holds") : expected,
        kind == CsvKind::missing ? "; fill in or remove such rows before" : ""));
  }

 private:
  std::string where() const { return rill::detail::concat(path_, ":", first_line_); }

  void check_names() const {
    std::set<std::string_view> seen;
    for (const std::string& name : first_) {
      check_utf8(name, where());
      RILL_CHECK(name.empty() || seen.insert(name).second, where(), ": column name ", quote_csv_field(name),
                 " stands twice, expected different names");
    }
  }

  // The column that a table's row numbers stand in often has no name, and would be learnt from by mistake.
  void check_features_named() const {
    for (const CsvSource& source : sources_) {
      RILL_CHECK(!first_[source.column].empty(), where(), ": column ", source.column,
                 " has no name, expected one; name it, or say which columns are features");
    }
  }

  std::vector<std::size_t> columns_of_numbers() const {
    std::vector<std::size_t> columns;
    for (const CsvSource& source : sources_)
      if (!source.values) columns.push_back(source.column);
    return columns;
  }

  std::string shown(std::size_t column) const {
    return rill::detail::concat("column ", quote_csv_field(first_[column]));
  }

  std::size_t find(const CsvColumn& column) const {
    if (const auto* const name = std::get_if<std::string>(&column)) {
      const auto found = std::find(first_.begin(), first_.end(), *name);
      RILL_CHECK(found != first_.end(), where(), ": there is no column ", quote_csv_field(*name),
                 ", expected one of ", listed_csv_fields(first_), hint());
      return static_cast<std::size_t>(found - first_.begin());
    }
    const std::int64_t number = std::get<std::int64_t>(column), count = std::ssize(first_);
    RILL_CHECK(number >= -count && number < count, where(), ": there is no column ", number, ", expected ",
               -count, " to ", count - 1, hint());
    return static_cast<std::size_t>(number < 0 ? number + count : number);
  }

  void choose_features(const std::vector<CsvColumn>& chosen) {
    for (const CsvColumn& feature : chosen) {
      const std::size_t before = sources_.size();
      const auto* const name = std::get_if<std::string>(&feature);
      if (!name || !add_csv_feature(*name, first_, sources_)) sources_.push_back({find(feature)});
      if (sources_.size() == before) continue;  // one more value of a column
      const std::size_t found = sources_.back().column;
      RILL_CHECK(found != target_, where(), ": ", shown(found),
                 " is the target and a feature, expected one of the two");
      RILL_CHECK(std::ranges::count(sources_, found, &CsvSource::column) == 1, where(), ": ", shown(found),
                 " is a feature twice, expected different columns");
    }
    for (std::size_t i = 0; chosen.empty() && i < first_.size(); ++i)
      if (i != target_) sources_.push_back({i});
    RILL_CHECK(!sources_.empty(), where(), ": there is 1 column, the target, expected at least 1 feature",
               hint());
  }

  void make_one_hot(std::size_t column) {
    const auto source = std::ranges::find(sources_, column, &CsvSource::column);
    RILL_CHECK(source != sources_.end(), where(), ": ", shown(column), " is one-hot, and ",
               column == target_ ? "the target" : "not among the features", ", expected a feature");
    RILL_CHECK(!source->values, where(), ": ", shown(column),
               " is one-hot, and its values are given, expected one of the two");
    source->values.emplace().learning = true;
  }

  // A row that nothing parts may have been written with another delimiter.
  std::string hint() const {
    const std::size_t other = first_.size() > 1 ? std::string::npos : first_[0].find_first_of(",;\t|");
    return other == std::string::npos
               ? ""
               : "; is the delimiter " + quote_csv_field(first_[0].substr(other, 1)) + "?";
  }

  const std::string& path_;
  Fields first_;
  std::int64_t first_line_;
  bool header_ = false;
  std::optional<std::size_t> target_;
  std::vector<CsvSource> sources_;
};

// The class names seen so far. Labels are numbered as they come, and put in order at the end.
class ClassNames {
 public:
  explicit ClassNames(const Fields& given) : fixed_(!given.empty()), names_(given) {
    for (std::size_t i = 0; i < given.size(); ++i) {
      RILL_CHECK(labels_.emplace(given[i], static_cast<std::int64_t>(i)).second, "load_csv: class ",
                 quote_csv_field(given[i]), " is given twice, expected different names");
    }
  }

  std::int64_t label(const CsvReader& reader, const Columns& columns) {
    const std::string_view name = reader.trimmed(columns.target());
    if (const auto known = labels_.find(name); known != labels_.end()) return known->second;
    if (fixed_)
      columns.refuse(reader, columns.target(), CsvKind::text, "one of " + listed_csv_fields(names_));
    const CsvKind kind = io::parse_csv_value(name).kind;
    if (kind == CsvKind::missing) columns.refuse(reader, columns.target(), kind, "a class name");
    check_utf8(name, reader.where());
    if (!no_integer_ && !integer_of(name)) no_integer_ = name;
    numbers_ = numbers_ && kind != CsvKind::text;
    names_.emplace_back(name);
    return labels_.emplace(name, std::ssize(names_) - 1).first->second;
  }

  /// Throws where the first row, which was taken for one of numbers, may be a header: its class never comes again, unlike all others.
  void check_first(const std::vector<std::int64_t>& labels, const std::string& where) const {
    std::vector<std::int64_t> counts(names_.size());
    for (const std::int64_t label : labels) ++counts[static_cast<std::size_t>(label)];
    const std::string& name = names_[static_cast<std::size_t>(labels[0])];
    const bool alone = counts.size() > 1 && std::ranges::count(counts, 1) == 1 &&
                       counts[static_cast<std::size_t>(labels[0])] == 1;
    RILL_CHECK(
        !alone || fixed_ || io::parse_csv_value(name).kind != CsvKind::text, where, ": class ",
        quote_csv_field(name),
        " is that of this row alone, beside numbers: a header, or a row? expected it said by `header`");
  }

  /// Sorts the names and changes the labels with them.
  Fields finish(std::vector<std::int64_t>& labels, const std::string& path) {
    if (fixed_) return names_;
    RILL_CHECK(
        !no_integer_ || !numbers_, path, ": all ", names_.size(), " classes are numbers, and ",
        quote_csv_field(*no_integer_),
        " is not an integer, expected class names; for a regression set regression (rill new: --regression)");
    constexpr std::size_t few = 20;
    RILL_CHECK(
        !numbers_ || names_.size() <= few || 2 * names_.size() <= labels.size(), path, ": all ",
        names_.size(), " classes are numbers, in ", labels.size(),
        " rows, expected classes that come again; for a regression set regression (rill new: --regression)");
    Fields sorted = names_;
    std::sort(sorted.begin(), sorted.end(), [&](const std::string& a, const std::string& b) {
      if (no_integer_) return a < b;
      return std::pair(integer_of(a), std::string_view(a)) < std::pair(integer_of(b), std::string_view(b));
    });
    std::vector<std::int64_t> place(names_.size());
    for (std::size_t i = 0; i < sorted.size(); ++i)
      place[static_cast<std::size_t>(labels_.at(sorted[i]))] = static_cast<std::int64_t>(i);
    for (std::int64_t& label : labels) label = place[static_cast<std::size_t>(label)];
    return sorted;
  }

 private:
  // What integers are sorted by: the nearest f64, and where that is the same the 64 bits. None where the text is not an
  // integer; 1e3 and 2.0 are.
  static std::optional<std::pair<double, std::int64_t>> integer_of(std::string_view text) {
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

  bool fixed_, numbers_ = true;
  std::optional<std::string> no_integer_;  // the first name that is none
  Fields names_;
  std::map<std::string, std::int64_t, std::less<>> labels_;
};

struct Rows {
  std::vector<float> x;  // one number for each source; of a one-hot column the place of the value
  std::int64_t count = 0;
};

// Reads the features of all rows, and hands each row to `take_target`.
template <class Take>
Rows read_rows(CsvReader& reader, Columns& columns, const std::string& path, const Take& take_target) {
  Rows rows;
  for (bool there = !columns.header() || reader.next(); there; there = reader.next()) {
    columns.check_row(reader);
    for (CsvSource& source : columns.sources()) {
      rows.x.push_back(source.values ? static_cast<float>(source.values->place(reader, source.column,
                                                                               columns.name(source.column)))
                                     : columns.number(reader, source.column));
    }
    take_target();
    ++rows.count;
  }
  RILL_CHECK(rows.count > 0, path, ": there are no rows below the header, expected at least 1");
  return rows;
}

void read_first(CsvReader& reader, const std::string& path) {
  RILL_CHECK(reader.next(), path, ": there are no records, expected at least 1");
}

// [rows, features]; values that were learnt are brought into their order.
Tensor matrix(const Rows& rows, std::vector<CsvSource>& sources) {
  const std::int64_t read = std::ssize(sources);
  std::int64_t width = 0;
  std::vector<std::vector<std::size_t>> places;
  for (CsvSource& source : sources) {
    places.push_back(source.values && source.values->learning ? source.values->sort()
                                                              : std::vector<std::size_t>());
    width += static_cast<std::int64_t>(source.width());
  }
  if (width == read && std::ranges::none_of(sources, [](const CsvSource& s) { return s.values.has_value(); }))
    return tensor(std::span<const float>(rows.x), {rows.count, width});
  Tensor x = zeros({rows.count, width});
  float* to = x.mutable_data<float>().data();
  for (std::int64_t i = 0; i < std::ssize(rows.x); ++i) {
    const auto at = static_cast<std::size_t>(i % read);
    const float number = rows.x[static_cast<std::size_t>(i)];
    if (sources[at].values) {
      const auto place = static_cast<std::size_t>(number);
      to[places[at].empty() ? place : places[at][place]] = 1;
    } else {
      *to = number;
    }
    to += sources[at].width();
  }
  return x;
}

}  // namespace

bool is_csv_header(const CsvReader& first, std::span<const std::size_t> columns) {
  std::optional<std::size_t> name, like_number;
  bool number = false;
  for (const std::size_t column : columns) {
    const CsvKind kind = io::parse_csv_value(first[column]).kind;
    number |= kind == CsvKind::number;
    if (kind != CsvKind::text) continue;
    const bool begins_like_number =
        std::string_view("0123456789+-.").find(first.trimmed(column).front()) != std::string_view::npos;
    (begins_like_number ? like_number : name) = column;
  }
  RILL_CHECK(!number || !like_number || name, first.where(), ": column ", *like_number, " is ",
             quote_csv_field(first.trimmed(*like_number)),
             " beside numbers: a name, or a mistake? expected a number, or names in all columns");
  return name || like_number;
}

CsvData load_csv(const std::string& path, const CsvOptions& given) {
  CsvOptions options = given;
  if (!options.target) options.target = -1;
  RILL_CHECK(!options.regression || options.classes.empty(), "load_csv: there are ", options.classes.size(),
             " classes for a regression, expected none");
  CsvReader reader(path, options.delimiter);
  ClassNames classes(options.classes);
  read_first(reader, path);
  Columns columns(reader, path, options);
  std::vector<std::int64_t> labels;
  std::vector<float> numbers;
  const Rows rows = read_rows(reader, columns, path, [&] {
    if (options.regression) {
      numbers.push_back(columns.number(reader, columns.target()));
    } else {
      labels.push_back(classes.label(reader, columns));
    }
  });
  const Tensor x = matrix(rows, columns.sources());
  CsvData data{nullptr, columns.feature_names(), columns.name(columns.target()), {}, columns.header()};
  if (options.regression) {
    const Tensor y = tensor(std::span<const float>(numbers), Shape{rows.count, 1});
    data.dataset = std::make_shared<const TensorDataset>(x, y);
  } else {
    if (options.header == CsvHeader::automatic && !columns.header())
      classes.check_first(labels, rill::detail::concat(path, ":", columns.first_line()));
    data.classes = classes.finish(labels, path);
    const Tensor y = tensor(std::span<const std::int64_t>(labels), Shape{rows.count});
    data.dataset = std::make_shared<const TensorDataset>(x, y, std::ssize(data.classes));
  }
  return data;
}

CsvInputs load_csv_inputs(const std::string& path, const CsvOptions& options) {
  CsvReader reader(path, options.delimiter);
  read_first(reader, path);
  Columns columns(reader, path, options);
  const Rows rows = read_rows(reader, columns, path, [] {});
  const Tensor x = matrix(rows, columns.sources());
  return {x, columns.feature_names(), columns.header()};
}

}  // namespace rill::nn::data
