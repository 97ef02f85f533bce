#include <rill/tools/rill/rows.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <optional>

#include <rill/core/io/csv.hpp>
#include <rill/core/io/idx.hpp>
#include <rill/core/io/npy.hpp>
#include <rill/nn/config/nearest.hpp>
#include <rill/nn/data/csv.hpp>
#include <rill/nn/data/csv_features.hpp>
#include <rill/nn/data/impute.hpp>
#include <rill/tools/rill/files.hpp>
#include <rill/tools/rill/output.hpp>
#include <rill/tools/rill/program.hpp>

namespace rill::command {
namespace {

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size() && i < 8; ++i)
    text += (i ? ", " : "") + nn::config::in_quotes(names[i]);
  return names.size() > 8 ? text + ", … (" + std::to_string(names.size()) + ")" : text;
}

class CsvRows final : public Rows {
 public:
  CsvRows(const std::string& path, const nn::Model& model, const std::vector<std::string>& keep)
      : reader_(path, std::nullopt),
        where_(path),
        inputs_(static_cast<std::size_t>(model.input_shape.numel())),
        may_miss_(nn::data::fills_missing(model.preprocessing)) {
    pending_ = reader_.next();
    RILL_CHECK(pending_, path, ": the file is empty, expected a row for each sample");
    width_ = reader_.size();
    // Names may be numbers. Those of a model whose table had no header are the columns' own numbers, and tell nothing.
    const std::vector<std::string> missing = find_features(model);
    const bool named = !are_column_numbers(model.features) && missing.empty();
    const bool by_number = !named && has_numbered_columns(model);
    if (by_number) {
      numbered_columns(model);
    } else {
      std::vector<std::size_t> all(width_);
      std::iota(all.begin(), all.end(), 0);
      header_ = named || nn::data::is_csv_header(reader_, all);
      if (header_) names_ = fields();
      if (header_) {
        choose_columns(model, missing);
      } else {
        all_columns(model);
      }
    }
    for (const std::string& name : keep) kept_columns_.push_back(find_column(name));
    for (const std::size_t column : kept_columns_)
      kept_names_ += io::csv_field(header_ ? names_[column] : std::to_string(column)) + ',';
    leave_out_others(by_number);
    if (header_) pending_ = reader_.next();
  }

  bool has_header() const override { return header_; }

  Tensor next(std::int64_t most) override {
    std::vector<float> values;
    std::int64_t rows = 0;
    kept_.clear();
    for (; pending_ && rows < most; ++rows) {
      RILL_CHECK(reader_.size() == width_, reader_.where(), ": the row has ", reader_.size(),
                 " fields, expected ", width_, " as in the first row");
      for (nn::data::CsvSource& source : sources_) append(source, values);
      keep_cells();
      pending_ = reader_.next();
    }
    if (rows == 0) return {};
    const std::int64_t numbers = std::ssize(values);
    return tensor(std::move(values), {rows, numbers / rows});
  }

 private:
  std::vector<std::string> fields() const {
    std::vector<std::string> all;
    for (std::size_t i = 0; i < width_; ++i) all.emplace_back(reader_.trimmed(i));
    return all;
  }

  // Fills sources_ as if the record were a header; the features of which it has no column.
  std::vector<std::string> find_features(const nn::Model& model) {
    std::vector<std::string> missing;
    const std::vector<std::string> columns = fields();
    for (const std::string& feature : model.features)
      if (nn::data::add_csv_feature(feature, columns, may_miss_, sources_) != nn::data::CsvMatch::found)
        missing.push_back(feature);
    return missing;
  }

  // Whether the rows may be whole ones, with the target, of a table whose columns the model knows by number.
  bool has_numbered_columns(const nn::Model& model) const {
    const auto is_column = [&](const std::string& name) {
      const std::optional<std::int64_t> number = column_number(name);
      return number && static_cast<std::size_t>(*number) < width_;
    };
    return width_ > inputs_ && model.features.size() == inputs_ && is_column(model.target) &&
           std::all_of(model.features.begin(), model.features.end(), is_column);
  }

  void numbered_columns(const nn::Model& model) {
    std::vector<std::size_t> columns;
    for (const std::string& feature : model.features)
      columns.push_back(static_cast<std::size_t>(column_number(feature).value()));
    sources_.clear();
    for (const std::size_t column : columns) sources_.push_back({column});
    header_ = counts_columns(reader_) || nn::data::is_csv_header(reader_, columns);
    if (header_) names_ = fields();
  }

  void all_columns(const nn::Model& model) {
    const auto value = std::ranges::find_if(model.features, nn::data::names_csv_value);
    RILL_CHECK(value == model.features.end(), where_, ": there is no header, and the model reads ",
               nn::config::in_quotes(*value),
               ", a value of a column, expected a header that names the columns");
    RILL_CHECK(width_ == inputs_, where_, ": the rows have ", width_, " columns, the model expects ", inputs_,
               model.features.empty() ? "" : ": " + listed(model.features));
    sources_.clear();
    for (std::size_t i = 0; i < width_; ++i) sources_.push_back({i});
  }

  void choose_columns(const nn::Model& model, const std::vector<std::string>& missing) {
    if (model.features.empty()) return all_columns(model);
    RILL_CHECK(missing.empty(), where_, ": columns that the model reads are missing: ", listed(missing),
               "; the file has ", listed(names_), sources_.empty() ? "; is its header missing?" : "");
    for (const nn::data::CsvSource& source : sources_) {
      const std::string& name = names_[source.column];
      RILL_CHECK(std::count(names_.begin(), names_.end(), name) == 1, where_, ": column ",
                 nn::config::in_quotes(name), " stands there twice, expected once");
    }
  }

  // Names come before numbers, as everywhere.
  std::size_t find_column(const std::string& name) const {
    const auto named = std::ranges::find(names_, name);
    if (std::ranges::count(names_, name) > 1)
      throw UsageError("--keep: " + where_ + " has two columns " + nn::config::in_quotes(name) +
                       ", expected the number of one of them");
    if (named != names_.end()) return static_cast<std::size_t>(named - names_.begin());
    const std::optional<std::int64_t> number = column_number(name);
    if (!number || static_cast<std::size_t>(*number) >= width_)
      throw UsageError(
          "--keep: " + where_ + " has no column " + nn::config::in_quotes(name) +
          (header_ ? "; the file has " + listed(names_) : ", expected 0 to " + std::to_string(width_ - 1)));
    return static_cast<std::size_t>(*number);
  }

  void leave_out_others(bool by_number) const {
    std::vector<std::string> extra;
    for (std::size_t i = 0; i < width_; ++i)
      if (std::ranges::count(sources_, i, &nn::data::CsvSource::column) == 0 &&
          std::ranges::count(kept_columns_, i) == 0)
        extra.push_back(header_ && !by_number ? names_[i] : std::to_string(i));
    if (!extra.empty())
      note(where_ + ": columns that the model does not read are left out: " + listed(extra));
  }

  void keep_cells() {
    if (kept_columns_.empty()) return;
    std::string& cells = kept_.emplace_back();
    for (const std::size_t column : kept_columns_) cells += io::csv_field(reader_.trimmed(column)) + ',';
  }

  // One-hot columns are found by their names, so there is a header.
  void append(nn::data::CsvSource& source, std::vector<float>& values) const {
    if (!source.values) {
      values.push_back(value(source.column));
      if (source.indicator) values.push_back(std::isnan(values.back()) ? 1.0f : 0.0f);
      return;
    }
    const std::size_t place = source.values->place(reader_, source.column, names_[source.column]);
    values.resize(values.size() + source.width(), 0.0f);
    values[values.size() - source.width() + place] = 1;
  }

  float value(std::size_t column) const {
    const io::CsvValue read = io::parse_csv_value(reader_[column]);
    if (read.kind == io::CsvKind::missing && may_miss_) return std::numeric_limits<float>::quiet_NaN();
    RILL_CHECK(read.kind == io::CsvKind::number, reader_.where(), ": column ",
               header_ ? io::quote_csv_field(names_[column]) : std::to_string(column), " is ",
               io::quote_csv_field(reader_[column]),
               read.kind == io::CsvKind::missing ? " (a missing value)" : "", ", expected a finite number",
               read.kind == io::CsvKind::missing ? "; the model fills in none" : "");
    return read.number;
  }

  io::CsvReader reader_;
  std::string where_;
  std::size_t inputs_, width_ = 0;
  std::vector<nn::data::CsvSource> sources_;
  std::vector<std::string> names_;  // of a header
  std::vector<std::size_t> kept_columns_;
  bool may_miss_, header_ = false, pending_ = false;
};

// An array that is in memory as the file holds it; its batches alone become f32.
class ArrayRows : public Rows {
 public:
  ArrayRows(const std::string& path, Shape shape, const nn::Model& model) : path_(path), shape_(shape) {
    RILL_CHECK(shape.rank() >= 1 && shape[0] > 0, path, ": the array is ", shape,
               ", expected samples along its first axis");
    features_ = shape.numel() / shape[0];
    RILL_CHECK(features_ == model.input_shape.numel(), path, ": the samples have ", features_, " elements (",
               shape, "), the model expects ", model.input_shape.numel(), " (", model.input_shape, ")");
  }

  Tensor next(std::int64_t most) override {
    const std::int64_t rows = std::min(most, shape_[0] - at_);
    if (rows == 0) return {};
    at_ += rows;
    Tensor x = part(at_ - rows, rows).reshape({rows, features_});
    check_finite(x);
    return x;
  }

 protected:
  virtual Tensor part(std::int64_t begin, std::int64_t rows) = 0;
  std::int64_t features_ = 0;

 private:
  // As a CSV file's fields are.
  void check_finite(const Tensor& x) const {
    const auto values = x.data<float>();
    const auto bad = std::ranges::find_if(values, [](float value) { return !std::isfinite(value); });
    const std::int64_t place = bad - values.begin();
    RILL_CHECK(bad == values.end(), path_, ": element ", place % features_, " of sample ",
               at_ - x.size(0) + place / features_, " is ",
               std::isnan(*bad) ? "nan"
               : *bad > 0       ? "inf"
                                : "-inf",
               ", expected a finite number");
  }

  std::string path_;
  Shape shape_;
  std::int64_t at_ = 0;
};

class IdxRows final : public ArrayRows {
 public:
  IdxRows(const std::string& path, io::IdxArray array, const nn::Model& model)
      : ArrayRows(path, array.shape, model), array_(std::move(array)) {}

 private:
  Tensor part(std::int64_t begin, std::int64_t rows) override {
    const auto row_bytes = static_cast<std::ptrdiff_t>(io::size_of(array_.type)) * features_;
    io::IdxArray piece{.shape = {rows, features_}, .type = array_.type, .bytes = {}};
    piece.bytes.assign(array_.bytes.begin() + begin * row_bytes,
                       array_.bytes.begin() + (begin + rows) * row_bytes);
    return piece.to_tensor(DType::f32);
  }
  io::IdxArray array_;
};

class NpyRows final : public ArrayRows {
 public:
  NpyRows(const std::string& path, Tensor array, const nn::Model& model)
      : ArrayRows(path, array.shape(), model), array_(std::move(array)) {}

 private:
  Tensor part(std::int64_t begin, std::int64_t rows) override {
    const auto values = array_.data<float>().subspan(static_cast<std::size_t>(begin * features_),
                                                     static_cast<std::size_t>(rows * features_));
    return tensor(std::span<const float>(values), {rows, features_});
  }
  Tensor array_;
};

}  // namespace

std::unique_ptr<Rows> open_rows(const std::string& given, const std::string& format, const nn::Model& model,
                                const std::vector<std::string>& keep) {
  const bool standard_input = given == "-";
  const std::string path = standard_input ? "/dev/stdin" : given;
  std::string kind = format;
  if (kind == "auto" && standard_input) kind = "csv";
  if (kind == "auto") {
    const FileKind found = kind_of(path);
    RILL_CHECK(found != FileKind::safetensors && found != FileKind::json, path,
               ": this looks like a model, expected samples as CSV, IDX or npy");
    kind = found == FileKind::npy ? "npy" : found == FileKind::idx || found == FileKind::gzip ? "idx" : "csv";
  }
  if (kind != "csv" && !keep.empty()) throw UsageError("--keep is for tables, and " + path + " is " + kind);
  if (kind == "npy") return std::make_unique<NpyRows>(path, io::load_npy(path, DType::f32), model);
  if (kind == "idx") return std::make_unique<IdxRows>(path, io::read_idx(path), model);
  return std::make_unique<CsvRows>(path, model, keep);
}

}  // namespace rill::command
