#include <rill/tools/rill/data_source.hpp>

#include <algorithm>
#include <filesystem>
#include <numeric>
#include <optional>

#include <rill/core/io/csv.hpp>
#include <rill/nn/config/nearest.hpp>
#include <rill/nn/data/csv.hpp>
#include <rill/nn/data/csv_features.hpp>
#include <rill/nn/data/drawn_digits.hpp>
#include <rill/nn/data/impute.hpp>
#include <rill/nn/data/mnist.hpp>
#include <rill/nn/data/npy.hpp>
#include <rill/nn/data/split.hpp>
#include <rill/tools/rill/files.hpp>
#include <rill/tools/rill/model_file.hpp>
#include <rill/tools/rill/output.hpp>
#include <rill/tools/rill/program.hpp>

namespace rill::command {
namespace {

constexpr nn::data::ImageOptions raw_pixels{.scale = 1};

std::shared_ptr<const nn::data::Dataset> first_of(std::shared_ptr<const nn::data::Dataset> dataset,
                                                  std::int64_t samples) {
  if (samples == 0 || samples >= dataset->size()) return dataset;
  std::vector<std::int64_t> indices(static_cast<std::size_t>(samples));
  std::iota(indices.begin(), indices.end(), 0);
  return std::make_shared<nn::data::Subset>(std::move(dataset), std::move(indices));
}

bool has_text(const io::CsvReader& record) {
  for (std::size_t i = 0; i < record.size(); ++i) {
    if (io::parse_csv_value(record[i]).kind == io::CsvKind::text) return true;
  }
  return false;
}

// Whether the model, whose table had no header, knows columns by their numbers. A header of the file may hold them as names.
bool by_number(const DataSource& source, const nn::Model& model, const std::vector<std::string>& names) {
  if (names.empty()) return false;
  std::error_code ignored;
  // A pipe cannot be looked into.
  if (!std::filesystem::is_regular_file(source.csv, ignored)) return are_column_numbers(names);
  io::CsvReader first(source.csv, std::nullopt);
  if (!first.next()) return false;
  const std::size_t columns = std::max(first.size(), names.size());
  for (const std::string& name : names) {
    const std::optional<std::int64_t> number = column_number(name);
    if (!number || static_cast<std::size_t>(*number) >= columns) return false;
  }
  if (!holds_names(first, names)) return true;
  return !model.features.empty() && are_column_numbers(names) && !has_text(first) && !counts_columns(first);
}

// Of a model without class names: numbers from 0 on are the labels themselves, and names are as many as it tells apart.
std::shared_ptr<const nn::data::Dataset> with_labels(const std::string& path, const nn::data::CsvData& data,
                                                     nn::Model& model) {
  const std::int64_t count = std::max(output_shape(model).numel(), std::int64_t{2});
  std::vector<std::int64_t> labels;
  for (const std::string& name : data.classes)
    if (const std::optional<std::int64_t> label = column_number(name); label && *label < count)
      labels.push_back(*label);
  if (labels.size() < data.classes.size()) {
    RILL_CHECK(std::ssize(data.classes) == count, path, ": there are ", data.classes.size(), " classes, ",
               nn::data::listed_csv_fields(data.classes), ", and the model tells ", count,
               " apart and knows no names, expected all of them, or labels from 0 to ", count - 1);
    model.classes = data.classes;
    return data.dataset;
  }
  for (std::int64_t label = 0; label < count; ++label) model.classes.push_back(std::to_string(label));
  Tensor y = data.dataset->y().clone();
  for (std::int64_t& label : y.mutable_data<std::int64_t>()) label = labels[static_cast<std::size_t>(label)];
  return std::make_shared<nn::data::TensorDataset>(data.dataset->x(), y, count);
}

std::shared_ptr<const nn::data::Dataset> read_csv(const DataSource& source, nn::Model& model,
                                                  Targets targets) {
  nn::data::CsvOptions options{.regression = targets == Targets::numbers,
                               .classes = model.classes,
                               .delimiter = std::nullopt,
                               .missing = nn::data::fills_missing(model.preprocessing)
                                              ? nn::data::CsvMissing::nan
                                              : nn::data::CsvMissing::refuse};
  const std::string& target = source.target.empty() ? model.target : source.target;
  std::vector<std::string> names = model.features;
  if (!target.empty()) names.push_back(target);
  const bool numbers = by_number(source, model, names);
  const auto column = [&](const std::string& name) {
    return numbers ? nn::data::CsvColumn(column_number(name).value()) : nn::data::CsvColumn(name);
  };
  if (!target.empty()) options.target = column(target);
  for (const std::string& feature : model.features) options.features.push_back(column(feature));
  const nn::data::CsvData data = nn::data::load_csv(source.csv, options);
  if (!model.classes.empty() || targets == Targets::numbers) return data.dataset;
  return with_labels(source.csv, data, model);
}

}  // namespace

void DataSource::add_to(CLI::App& app) {
  CLI::Option* group[] = {
      app.add_option("--idx", idx, "folder with MNIST's four IDX files, plain or .gz")->type_name("DIR"),
      app.add_option("--csv", csv, "a CSV file; columns by the model's feature names,\nor all but the target")
          ->type_name("FILE"),
      app.add_option("--npy", npy, "two NumPy files: samples [n, ...] and targets [n]")
          ->type_name("X Y")
          ->expected(2)
          ->multi_option_policy(CLI::MultiOptionPolicy::Throw),
      app.add_flag("--digits", digits, "drawn digits, which need no file")};
  for (CLI::Option* one : group) {
    for (CLI::Option* other : group) {
      if (one != other) one->excludes(other);
    }
  }
  app.add_option("--target", target,
                 "column of the CSV file that is predicted;\ndefault: the model's, else the last one")
      ->type_name("NAME");
  choice(app.add_option("--split", split, "which half of --idx or --digits"), {"test", "train"})
      ->capture_default_str()
      ->excludes(group[1])
      ->excludes(group[2]);
  whole_number(app.add_option("--samples", samples, "only the first N samples"))
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 40).description(""));
  app.add_option(
         "--scale", scale,
         "multiplies the raw values, for a model without\npreprocessing of its own: 0.00392156862745098 for "
         "pixels")
      ->type_name("X");
}

std::string DataSource::name() const {
  if (!idx.empty()) return "IDX files in " + idx + ", " + split;
  if (!csv.empty()) return csv;
  if (!npy.empty()) return npy[0];
  return "drawn digits, " + split;
}

void DataSource::check() const {
  if (idx.empty() && csv.empty() && npy.empty() && !digits)
    throw UsageError("no data is given, expected one of --idx, --csv, --npy, --digits");
  if (!target.empty() && csv.empty()) throw UsageError("--target is for --csv, expected that beside it");
}

std::shared_ptr<const nn::data::Dataset> DataSource::read(nn::Model& model, Targets targets) const {
  if (!csv.empty()) return read_csv(*this, model, targets);
  if (!npy.empty()) return nn::data::load_npy(npy[0], npy[1], {.regression = targets == Targets::numbers});
  if (targets == Targets::numbers)
    throw UsageError("the model predicts numbers, but digits have labels; expected --csv or --npy");
  if (!idx.empty()) return nn::data::load_mnist(idx, split == "train", raw_pixels);
  return nn::data::draw_digits(samples > 0 ? samples : 10000, 42, split == "train", raw_pixels);
}

std::shared_ptr<const nn::data::Dataset> DataSource::open(nn::Model& model, Targets targets) const {
  check();
  if (scale != 1) {
    if (!model.preprocessing.empty())
      throw UsageError("--scale: the model has preprocessing of its own, expected no --scale");
    reading_config([&] { model.preprocessing.push_back(std::make_shared<nn::data::Scale>(scale)); });
  }
  auto dataset = first_of(read(model, targets), samples);
  RILL_CHECK(dataset->sample_shape().numel() == model.input_shape.numel(), name(), ": samples are ",
             dataset->sample_shape(), ", the model expects ", model.input_shape);
  return dataset;
}

}  // namespace rill::command
