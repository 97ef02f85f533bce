#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>
#include <string_view>
#include <utility>

#include <rill/core/error.hpp>
#include <rill/core/io/csv.hpp>
#include <rill/nn/data/csv.hpp>
#include <rill/nn/data/csv_classes.hpp>
#include <rill/nn/data/csv_columns.hpp>

namespace rill::nn::data {
namespace {

using io::CsvKind;
using io::CsvReader;
using io::quote_csv_field;

// Of a column of numbers: from where to where they go, and what f32 rounds off at most.
struct Extent {
  double low = std::numeric_limits<double>::infinity(), high = -low, rounded = 0;

  void add(const io::CsvValue& value) {
    low = std::min(low, value.wide);
    high = std::max(high, value.wide);
    rounded = std::max(rounded, std::abs(value.wide - static_cast<double>(value.number)));
  }
  static std::string shortest(double number) {
    char text[40];
    const double size = std::abs(number);
    const auto format = size >= 1e-3 && size < 1e16 ? std::chars_format::fixed : std::chars_format::general;
    return {text, std::to_chars(text, text + sizeof text, number, format).ptr};
  }
  bool blurred() const {
    const double size = std::max(std::abs(low), std::abs(high));
    return high - low > 1e-12 * size && 32 * rounded > high - low;  // less is what f64 leaves of a constant
  }
  std::string text(const std::string& name) const {
    return quote_csv_field(name) + ", from " + shortest(low) + " to " + shortest(high) + ",";
  }
};

struct Rows {
  std::vector<float> x;  // one number for each source; of a one-hot column the place of the value
  std::map<std::size_t, Extent> extents{};  // of sources with a number that f32 rounds
  std::int64_t count = 0;
};

// Before the number is added. What came before the first rounded one is exact.
void measure(Rows& rows, std::size_t source, std::size_t width, const io::CsvValue& value) {
  auto found = rows.extents.find(source);
  if (found == rows.extents.end()) {
    if (value.wide == static_cast<double>(value.number)) return;
    found = rows.extents.emplace(source, Extent()).first;
    for (std::size_t at = source; at < rows.x.size() - source; at += width)
      if (!std::isnan(rows.x[at]))
        found->second.add({CsvKind::number, rows.x[at], static_cast<double>(rows.x[at])});
  }
  found->second.add(value);
}

// Reads the features of all rows, and hands each row to `take_target`.
template <class Take>
Rows read_rows(CsvReader& reader, CsvColumns& columns, const std::string& path, const Take& take_target) {
  Rows rows;
  for (bool there = !columns.header() || reader.next(); there; there = reader.next()) {
    columns.check_row(reader);
    for (std::size_t i = 0; i < columns.sources().size(); ++i) {
      CsvSource& source = columns.sources()[i];
      if (source.values) {
        rows.x.push_back(static_cast<float>(
            source.values->place(reader, source.column, columns.header_name(source.column))));
        continue;
      }
      const io::CsvValue value = columns.feature(reader, source);
      if (value.kind == CsvKind::number) measure(rows, i, columns.sources().size(), value);
      rows.x.push_back(value.number);
    }
    take_target();
    ++rows.count;
  }
  RILL_CHECK(rows.count > 0, path, ": there are no rows below the header, expected at least 1");
  columns.check_values();
  return rows;
}

void read_first(CsvReader& reader, const std::string& path) {
  RILL_CHECK(reader.next(), path, ": there are no records, expected at least 1");
}

// [rows, features]; a table's values are brought into their order.
Tensor matrix(const Rows& rows, std::vector<CsvSource>& sources) {
  const std::int64_t read = std::ssize(sources);
  std::int64_t width = 0;
  std::vector<std::vector<std::size_t>> places;
  for (CsvSource& source : sources) {
    places.push_back(source.values ? source.values->sort() : std::vector<std::size_t>());
    width += static_cast<std::int64_t>(source.width());
  }
  if (std::ranges::none_of(sources, [](const CsvSource& s) { return s.values || s.indicator; }))
    return tensor(std::span<const float>(rows.x), {rows.count, width});
  Tensor x = zeros({rows.count, width});
  float* to = x.mutable_data<float>().data();
  for (std::int64_t i = 0; i < std::ssize(rows.x); ++i) {
    const auto at = static_cast<std::size_t>(i % read);
    const float number = rows.x[static_cast<std::size_t>(i)];
    if (sources[at].values) {
      to[places[at][static_cast<std::size_t>(number)]] = 1;
    } else {
      *to = number;
      if (sources[at].indicator) to[1] = std::isnan(number) ? 1 : 0;
    }
    to += sources[at].width();
  }
  return x;
}

// Fills in which features are values, and which of these stand for what is missing.
void note_values(CsvData& data, const std::vector<CsvSource>& sources) {
  std::size_t feature = 0;
  for (const CsvSource& source : sources) {
    for (std::size_t i = 0; i < source.width(); ++i, ++feature) {
      const bool indicator = !source.values && i > 0;
      if (source.values || indicator) data.values.push_back(feature);
      if (indicator || (source.values && source.values->all()[i].empty())) data.gaps.push_back(feature);
    }
  }
}

}  // namespace

bool is_csv_header(const CsvReader& first, std::span<const std::size_t> columns) {
  std::optional<std::size_t> name, like_number;
  bool number = false;
  for (const std::size_t column : columns) {
    const CsvKind kind = io::parse_csv_value(first[column]).kind;
    number |= kind == CsvKind::number;
    if (kind != CsvKind::text) continue;
    (begins_like_number(first.trimmed(column)) ? like_number : name) = column;
  }
  RILL_CHECK(!number || !like_number || name, first.where(), ": column ", *like_number, " is ",
             quote_csv_field(first.trimmed(*like_number)),
             " beside numbers: a name, or a mistake? expected a number, or names in all columns");
  return name || like_number;
}

void check_csv_precision(const std::string& path, const CsvData& data) {
  RILL_CHECK(data.blurred.empty(), path, ": f32 rounds away what tells the numbers of column ",
             data.blurred.front(),
             " apart, expected numbers closer to 0; subtract one of them from all, or leave the column out");
}

void check_csv_numbers(const std::string& path, const CsvData& data, const Dataset& rows) {
  const Tensor x = rows.all().x;
  const auto numbers = x.data<float>();
  for (std::size_t feature = 0; feature < data.features.size(); ++feature) {
    bool there = false;
    for (std::size_t i = feature; i < numbers.size() && !there; i += data.features.size())
      there = !std::isnan(numbers[i]);
    RILL_CHECK(there, path, ": column ",
               data.header ? quote_csv_field(data.features[feature]) : data.features[feature],
               " is missing in all ", rows.size(), rows.size() < data.dataset->size() ? " training" : "",
               " rows, expected a number in one of them; leave the column out");
  }
}

CsvData load_csv(const std::string& path, const CsvOptions& given) {
  CsvOptions options = given;
  if (!options.target) options.target = -1;
  RILL_CHECK(!options.regression || options.classes.empty(), "load_csv: there are ", options.classes.size(),
             " classes for a regression, expected none");
  CsvReader reader(path, options.delimiter);
  CsvClasses classes(options.classes);
  read_first(reader, path);
  CsvColumns columns(reader, path, options);
  std::vector<std::int64_t> labels;
  std::vector<float> numbers;
  Extent target;
  const Rows rows = read_rows(reader, columns, path, [&] {
    if (options.regression) {
      const io::CsvValue value = columns.number(reader, columns.target());
      numbers.push_back(value.number);
      target.add(value);
    } else {
      labels.push_back(classes.label(reader, columns));
    }
  });
  const Tensor x = matrix(rows, columns.sources());
  CsvData data{.dataset = nullptr,
               .features = columns.feature_names(),
               .values = {},
               .gaps = {},
               .target = columns.name(columns.target()),
               .classes = {},
               .header = columns.header()};
  note_values(data, columns.sources());
  for (const auto& [source, extent] : rows.extents)
    if (extent.blurred()) data.blurred.push_back(extent.text(columns.name(columns.sources()[source].column)));
  if (target.blurred()) data.blurred.push_back(target.text(data.target));
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
  CsvColumns columns(reader, path, options);
  const Rows rows = read_rows(reader, columns, path, [] {});
  const Tensor x = matrix(rows, columns.sources());
  return {x, columns.feature_names(), columns.header()};
}

}  // namespace rill::nn::data
