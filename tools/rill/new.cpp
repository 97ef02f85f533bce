// rill new: starter configs, with comments.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <optional>

#include <rill/core/io/csv.hpp>
#include <rill/core/io/file.hpp>
#include <rill/nn/config/json.hpp>
#include <rill/nn/data/csv.hpp>
#include <rill/tools/rill/commands.hpp>
#include <rill/tools/rill/files.hpp>
#include <rill/tools/rill/output.hpp>
#include <rill/tools/rill/starters.hpp>
#include <rill/tools/rill/table_survey.hpp>

namespace rill::command {
namespace {

namespace fs = std::filesystem;

struct NewOptions {
  std::string path, kind, data, target, header;
  std::vector<std::string> features;
  bool regression = false, force = false;
};

std::string json_text(const std::string& text) {
  return nn::config::Json(text).dump(-1, ' ', false, nn::config::Json::error_handler_t::replace);
}

// Of an installation or a build folder, seen from the program: ../share/rill.
std::string schema_url(const std::string& kind) {
  std::error_code ignored;
  const fs::path program = fs::read_symlink("/proc/self/exe", ignored);
  const fs::path file = program.parent_path().parent_path() / "share/rill" / (kind + ".schema.json");
  return fs::is_regular_file(file, ignored) ? "file://" + file.string() : "";
}

void replace_all(std::string& text, const std::string& what, const std::string& by) {
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size()))
    text.replace(at, what.size(), by);
}

// A column's name, or its number where the first row has no such name.
nn::data::CsvColumn column_of(const std::string& target, const io::CsvReader& first) {
  const std::optional<std::int64_t> number =
      column_number(std::string_view(target).substr(target.starts_with('-') ? 1 : 0));
  if (!number || holds_names(first, {target})) return target;
  return target.starts_with('-') ? -*number : *number;
}

constexpr const char* two_classes =
    "expected 2 classes or more; for numbers set --regression, for another column --target";

// A table as the run that is made for it will read it.
class Surveyed {
 public:
  explicit Surveyed(const NewOptions& options) : options_(options), first_(options.data, std::nullopt) {
    RILL_CHECK(first_.next(), options.data, ": there are no records, expected at least 1");
    csv_ = {.regression = options.regression,
            .delimiter = first_.delimiter(),
            .missing = nn::data::CsvMissing::nan};
    if (!options.header.empty())
      csv_.header = options.header == "yes" ? nn::data::CsvHeader::present : nn::data::CsvHeader::absent;
    if (!options.target.empty()) csv_.target = column_of(options.target, first_);
    for (const std::string& feature : options.features) csv_.features.push_back(column_of(feature, first_));
    features_ = survey_features(options.data, csv_);
    for (const TextFeature& text : features_.texts) csv_.one_hot.emplace_back(text.column);
    data_ = nn::data::load_csv(options.data, csv_);
    std::erase_if(features_.gaps, [&](const FeatureGaps& gap) { return data_.header && gap.cells == 0; });
    csv_.missing_indicator = wants_indicators();
    if (csv_.missing_indicator) {
      data_ = {};  // the numbers are not held twice
      data_ = nn::data::load_csv(options.data, csv_);
    }
    check();
  }

  Table table() const {
    Table table{.path = options_.data,
                .target = data_.header ? json_text(data_.target) : data_.target,
                .inputs = std::ssize(data_.features),
                .outputs = options_.regression ? 1 : std::ssize(data_.classes),
                .delimiter = first_.delimiter(),
                .missing = !features_.gaps.empty(),
                .missing_indicator = csv_.missing_indicator};
    const auto append = [](std::string& list, const std::string& item) {
      list += (list.empty() ? "" : ", ") + item;
    };
    for (const nn::data::CsvColumn& feature : csv_.features) {
      const auto* const name = std::get_if<std::string>(&feature);
      append(table.features, name ? json_text(*name) : shown(std::get<std::int64_t>(feature)));
    }
    for (const TextFeature& text : features_.texts) append(table.one_hot, shown(text.column));
    return table;
  }

  // What somebody should know who did not look into the file.
  void tell() const {
    for (const TextFeature& text : features_.texts)
      note(fmt::format("{}: column {} is text; each of its {} values becomes a feature", options_.data,
                       shown(text.column), text.values));
    for (const FeatureGaps& gap : features_.gaps)
      note(fmt::format("{}: column {} misses {} of its {} cells; {}", options_.data, shown(gap.column),
                       gap.cells + (gap.first && !data_.header ? 1 : 0), data_.dataset->size(),
                       is_text(gap)             ? "that is a value, too"
                       : csv_.missing_indicator ? "its median fills them, and one more feature says where"
                                                : "its median fills them"));
  }

 private:
  bool is_text(const FeatureGaps& gap) const {
    return std::ranges::count(features_.texts, gap.column, &TextFeature::column) > 0;
  }

  // Features that say where numbers are missing are found by names, which no column may have.
  bool wants_indicators() const {
    bool missing = false, taken = false;
    for (const FeatureGaps& gap : features_.gaps) {
      if (is_text(gap)) continue;
      missing = true;
      taken |= holds_names(first_, {std::string(first_.trimmed(static_cast<std::size_t>(gap.column))) + "="});
    }
    return data_.header && missing && !taken;
  }

  void check() const {
    nn::data::check_csv_precision(options_.data, data_);
    nn::data::check_csv_numbers(options_.data, data_, *data_.dataset);
    RILL_CHECK(options_.regression || data_.classes.size() > 1, options_.data, ": column ",
               json_text(data_.target), " is ", data_.classes.empty() ? "" : json_text(data_.classes[0]),
               " in all rows, ", two_classes);
  }

  // In the config. A file without a header has columns by number, as has a column without a name.
  std::string shown(std::int64_t number) const {
    const std::int64_t place = number < 0 ? number + static_cast<std::int64_t>(first_.size()) : number;
    const std::string_view name = first_.trimmed(static_cast<std::size_t>(place));
    return data_.header && !name.empty() ? json_text(std::string(name)) : std::to_string(place);
  }

  const NewOptions& options_;
  io::CsvReader first_;  // on its first record
  nn::data::CsvOptions csv_{};
  TableFeatures features_{};
  nn::data::CsvData data_{};
};

Table table_of(const NewOptions& options) {
  if (options.data.empty()) return {};
  io::check_rereadable(options.data);
  const Surveyed surveyed(options);
  surveyed.tell();
  return surveyed.table();
}

std::string csv_starter(const NewOptions& options) {
  const Table table = table_of(options);
  std::string text(csv_run);
  replace_all(text, "@PATH@", json_text(table.path));
  std::string form;
  if (!options.header.empty())
    form += std::string("\n    \"header\": ") + (options.header == "yes" ? "true," : "false,");
  if (table.delimiter != ',')
    form += "\n    \"delimiter\": " + json_text(std::string(1, table.delimiter)) + ",";
  if (!options.features.empty()) form += "\n    \"features\": [" + table.features + "],";
  if (!table.one_hot.empty())
    form +=
        "\n    \"// one_hot\": \"columns of text; each value becomes a feature, which is 1 where it stands\","
        "\n    \"one_hot\": [" +
        table.one_hot + "],";
  if (table.missing)
    form +=
        "\n    \"// missing\": \"cells that are missing get the median of their column's training rows, or "
        "its "
        "mean\",\n    \"missing\": \"median\",";
  if (table.missing_indicator)
    form +=
        "\n    \"// missing_indicator\": \"a feature for each such column of numbers, which is 1 where its "
        "cell is "
        "missing\",\n    \"missing_indicator\": true,";
  replace_all(text, "@FORM@", form);
  replace_all(text, "@TARGET@", table.target);
  replace_all(text, "@INPUTS@", std::to_string(table.inputs));
  replace_all(text, "@OUTPUTS@", std::to_string(table.outputs));
  replace_all(text, "@REGRESSION@", options.regression ? "true" : "false");
  replace_all(text, "@STANDARDIZE_TARGET@",
              options.regression ? "\n    \"// standardize_target\": \"losses are those of targets with mean "
                                   "0 and deviation 1; the model "
                                   "answers in the target's unit\",\n    \"standardize_target\": true,"
                                 : "");
  replace_all(text, "@LOSS@", options.regression ? "mse" : "cross_entropy");
  return text;
}

std::string starter(const NewOptions& options) {
  std::string text(options.kind == "mnist" ? mnist_run : options.kind == "digits" ? digits_run : model_alone);
  if (options.kind == "csv") text = csv_starter(options);
  const std::string url = schema_url(options.kind == "model" ? "model" : "run");
  replace_all(text, "@SCHEMA@", url.empty() ? "" : "\n  \"$schema\": " + json_text(url) + ",");
  return text;
}

int create(NewOptions options) {
  const char* of_data = !options.target.empty()     ? "--target"
                        : !options.features.empty() ? "--features"
                        : !options.header.empty()   ? "--header"
                                                    : nullptr;
  const bool table = !options.data.empty() || of_data || options.regression;
  if (options.kind.empty()) options.kind = table ? "csv" : "mnist";
  if (table && options.kind != "csv")
    throw UsageError("--data, --target, --features, --header and --regression are for --kind csv, not " +
                     options.kind);
  if (options.data.empty() && of_data)
    throw UsageError(std::string(of_data) + " is of --data, expected that beside it");
  if (options.path.empty()) options.path = options.kind == "model" ? "model.json" : "run.json";
  const std::string text = starter(options);
  if (options.path == "-") {
    out(text);
    return done;
  }
  std::error_code ignored;
  RILL_CHECK(options.force || !fs::exists(fs::symlink_status(options.path, ignored)), options.path,
             ": the file is there already, expected a new one; --force replaces it");
  io::write_file_atomically(options.path, std::string_view(text));
  const std::string next = options.kind == "model" ? "rill summary " : "rill train ";
  out(options.path + ": written; next: rill check " + options.path + ", " + next + options.path + "\n");
  return done;
}

}  // namespace

void add_new(Program& program) {
  auto options = std::make_shared<NewOptions>();
  CLI::App* app = program.add(
      {.name = "new",
       .summary = "Write a commented starter config",
       .text = "JSON has no comments: keys that begin with // hold them, in every object, and are not read.\n"
               "With --data, a CSV file, the sizes are those of its columns and classes.",
       .examples = {{"rill new run.json --kind digits && rill train run.json",
                     "a first run, on drawn digits that need no download"},
                    {"rill new iris.json --data iris.csv --target species", "a run on a table of one's own"}},
       .reads = "--data, if given",
       .writes = "FILE, which must not be there yet"});
  app->add_option("FILE", options->path,
                  "the config to write, - for standard output;\ndefault: run.json or model.json")
      ->type_name("FILE")
      ->check(CLI::Validator([](const std::string& path)
                                 -> std::string { return path.empty() ? "is empty, expected a file" : ""; },
                             ""));
  choice(app->add_option(
             "--kind", options->kind,
             "mnist: a run on MNIST (the default); digits: on drawn digits;\ncsv: on a table; model: a "
             "model alone"),
         {"mnist", "digits", "csv", "model"});
  app->add_option("--data", options->data,
                  "CSV file to make a run for; of text that comes again each value\nbecomes a feature")
      ->type_name("FILE");
  app->add_option("--target", options->target,
                  "its column to predict, by name or number (from 0, or from -1\nbackwards); default: the "
                  "last one")
      ->type_name("NAME");
  app->add_option(
         "--features", options->features,
         "columns to predict from, by name or number, with commas between\nthem; default: all others")
      ->type_name("NAME")
      ->delimiter(',')
      ->allow_extra_args(false);
  choice(app->add_option("--header", options->header,
                         "whether its first row names the columns; default: as it looks"),
         {"yes", "no"});
  app->add_flag("--regression", options->regression, "the target is a number, not a class");
  app->add_flag("--force", options->force, "replace a file that is there");
  program.does([options] { return create(*options); });
}

}  // namespace rill::command
