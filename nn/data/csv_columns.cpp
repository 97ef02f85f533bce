#include <algorithm>
#include <limits>
#include <set>

#include <rill/core/error.hpp>
#include <rill/core/text.hpp>
#include <rill/nn/data/csv_columns.hpp>

namespace rill::nn::data {

using io::CsvKind;
using io::CsvReader;
using io::CsvValue;
using io::quote_csv_field;

namespace {

constexpr const char* a_number = "a number";

bool is_one_hot(const CsvSource& source) { return source.values != nullptr; }
bool has_values(const CsvSource& source) { return is_one_hot(source) || source.indicator; }

}  // namespace

void check_csv_utf8(std::string_view name, const std::string& where) {
  RILL_CHECK(rill::detail::is_utf8(name), where, ": ", quote_csv_field(name),
             " is not UTF-8, expected text in it; convert the file, as with iconv -f latin1 -t utf-8");
}

bool names_columns(const CsvOptions& options) {
  const auto named = [](const CsvColumn& column) { return std::holds_alternative<std::string>(column); };
  return (options.target && named(*options.target)) || std::ranges::any_of(options.features, named) ||
         std::ranges::any_of(options.one_hot, named);
}

CsvColumns::CsvColumns(const CsvReader& reader, const std::string& path, const CsvOptions& options)
    : path_(path),
      first_line_(reader.line()),
      may_miss_(options.missing == CsvMissing::nan),
      indicates_(options.missing_indicator) {
  RILL_CHECK(
      may_miss_ || !indicates_,
      "load_csv: missing_indicator is set where missing values are refused, expected them kept as nan");
  for (std::size_t i = 0; i < reader.size(); ++i) first_.emplace_back(reader.trimmed(i));
  const bool by_name = names_columns(options);
  RILL_CHECK(options.header != CsvHeader::absent || !by_name,
             "load_csv: a column is given by name and the header as absent, expected column numbers");
  header_said_ = options.header == CsvHeader::present;
  header_ = by_name || header_said_;
  if (header_) check_names();
  if (options.target) target_ = find(*options.target);
  choose_features(options.features);
  for (const CsvColumn& column : options.one_hot) make_one_hot(find(column));
  if (options.header == CsvHeader::automatic && !header_) {
    const std::vector<std::size_t> numbers = columns_of_numbers();
    header_ = numbers.empty() || is_csv_header(reader, numbers);  // above columns of text there has to be one
    if (header_) check_names();
  }
  RILL_CHECK(header_ || options.one_hot.empty(), where(),
             ": there is no header, expected one that names the one-hot columns");
  RILL_CHECK(header_ || !options.missing_indicator, where(),
             ": there is no header, expected one that names the columns for missing_indicator");
  if (header_ && options.features.empty()) check_features_named();
}

std::vector<std::string> CsvColumns::feature_names() const {
  std::vector<std::string> names;
  for (const CsvSource& source : sources_) {
    if (!source.values) names.push_back(name(source.column));
    if (source.indicator) names.push_back(name(source.column) + "=");
    for (std::size_t i = 0; source.values && i < source.width(); ++i)
      names.push_back(name(source.column) + "=" + source.values->all()[i]);
  }
  if (std::ranges::none_of(sources_, has_values)) return names;
  std::vector<CsvSource> again;
  for (const std::string& name : names) {
    const bool same = add_csv_feature(name, first_, may_miss_, again) == CsvMatch::found &&
                      again.size() <= sources_.size() &&
                      again.back().column == sources_[again.size() - 1].column &&
                      is_one_hot(again.back()) == is_one_hot(sources_[again.size() - 1]);
    RILL_CHECK(same, where(), ": feature ", quote_csv_field(name),
               " can be read in two ways, as a column and as a value, expected other names");
  }
  return names;
}

void CsvColumns::check_row(const CsvReader& reader) const {
  RILL_CHECK(reader.size() == first_.size(), reader.where(), ": there are ", reader.size(),
             " fields, expected ", first_.size(), " as in line ", first_line_);
}

void CsvColumns::check_values() const {
  for (const CsvSource& source : sources_) {
    const bool recurs = source.values && source.values->of_table() && !first_[source.column].empty() &&
                        std::ranges::count(source.values->all(), first_[source.column]) > 0;
    RILL_CHECK(
        !recurs || header_said_, where(), ": ", shown(source.column), " holds its own name",
        ": a header, or a row? expected a header above columns of text, and \"header\": true if this is one");
  }
}

CsvValue CsvColumns::number(const CsvReader& reader, std::size_t column) const {
  const CsvValue value = io::parse_csv_value(reader[column]);
  if (value.kind != CsvKind::number) [[unlikely]]
    refuse(reader, column, value.kind, a_number);
  return value;
}

CsvValue CsvColumns::feature(const CsvReader& reader, CsvSource& source) const {
  CsvValue value = io::parse_csv_value(reader[source.column]);
  if (value.kind == CsvKind::number) [[likely]]
    return value;
  if (value.kind != CsvKind::missing || !may_miss_) refuse(reader, source.column, value.kind, a_number);
  source.indicator |= indicates_;
  value.number = std::numeric_limits<float>::quiet_NaN();
  return value;
}

void CsvColumns::refuse(const CsvReader& reader, std::size_t column, CsvKind kind,
                        const std::string& expected) const {
  const std::string_view field = reader.trimmed(column);
  const std::string what = field.empty() ? "empty" : quote_csv_field(field);
  const bool of_text = kind == CsvKind::text && expected == a_number && header_ && column != target_ &&
                       !begins_like_number(field);
  rill::detail::fail(rill::detail::concat(
      reader.where(), ": column ", header_ ? quote_csv_field(first_[column]) : name(column), " is ", what,
      kind == CsvKind::missing ? " (a missing value)" : "", ", expected ",
      kind == CsvKind::not_finite ? std::string("a finite number that f32 holds") : expected,
      kind != CsvKind::missing ? of_text ? "; a column of text can be one-hot" : ""
      : column != target_      ? std::string("; ") + csv_gap_remedy
      : expected == a_number || field.empty()
          ? "; remove such rows before"
          : "; remove such rows before, or list it in `classes` if it is one"));
}

std::string CsvColumns::where() const { return rill::detail::concat(path_, ":", first_line_); }

std::string CsvColumns::shown(std::size_t column) const {
  return rill::detail::concat("column ", quote_csv_field(first_[column]));
}

// A row that nothing parts may have been written with another delimiter.
std::string CsvColumns::hint() const {
  const std::size_t other = first_.size() > 1 ? std::string::npos : first_[0].find_first_of(",;\t|");
  return other == std::string::npos
             ? ""
             : "; is the delimiter " + quote_csv_field(first_[0].substr(other, 1)) + "?";
}

void CsvColumns::check_names() const {
  std::set<std::string_view> seen;
  for (const std::string& name : first_) {
    check_csv_utf8(name, where());
    RILL_CHECK(name.empty() || seen.insert(name).second, where(), ": column name ", quote_csv_field(name),
               " stands twice, expected different names");
  }
}

// The column that a table's row numbers stand in often has no name, and would be learnt from by mistake.
void CsvColumns::check_features_named() const {
  for (const CsvSource& source : sources_) {
    RILL_CHECK(!first_[source.column].empty(), where(), ": column ", source.column,
               " has no name, expected one; name it, or say which columns are features");
  }
}

std::vector<std::size_t> CsvColumns::columns_of_numbers() const {
  std::vector<std::size_t> columns;
  for (const CsvSource& source : sources_)
    if (!is_one_hot(source)) columns.push_back(source.column);
  return columns;
}

std::size_t CsvColumns::find(const CsvColumn& column) const {
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

void CsvColumns::choose_features(const std::vector<CsvColumn>& chosen) {
  for (const CsvColumn& feature : chosen) {
    const std::size_t before = sources_.size();
    const auto* const name = std::get_if<std::string>(&feature);
    const CsvMatch match = name ? add_csv_feature(*name, first_, may_miss_, sources_) : CsvMatch::missing;
    RILL_CHECK(match != CsvMatch::twice, where(), ": feature ", quote_csv_field(*name),
               " is there twice, or apart from the others of its column, expected each once, and those side "
               "by side");
    if (match == CsvMatch::missing) sources_.push_back({find(feature)});
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

void CsvColumns::make_one_hot(std::size_t column) {
  const auto source = std::ranges::find(sources_, column, &CsvSource::column);
  RILL_CHECK(source != sources_.end(), where(), ": ", shown(column), " is one-hot, and ",
             column == target_ ? "the target" : "not among the features", ", expected a feature");
  RILL_CHECK(
      !source->values, where(), ": ", shown(column),
      " is one-hot, and so it is by another name or by features that are its values, expected one of these");
  source->values = std::make_unique<CsvCategories>(may_miss_ ? CsvCategories::Of::table_with_gaps
                                                             : CsvCategories::Of::table);
}

}  // namespace rill::nn::data
