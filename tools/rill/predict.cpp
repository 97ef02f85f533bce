// rill predict: a model's outputs for samples in a file.
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

#include <rill/core/io/csv.hpp>
#include <rill/tools/rill/commands.hpp>
#include <rill/tools/rill/files.hpp>
#include <rill/tools/rill/judge.hpp>
#include <rill/tools/rill/model_file.hpp>
#include <rill/tools/rill/output.hpp>
#include <rill/tools/rill/rows.hpp>

namespace rill::command {
namespace {

struct PredictOptions {
  ModelFile model;
  std::string input, output, format = "auto";
  std::vector<std::string> keep;
  bool labels = false;
  std::int64_t batch = 500;
};

// As few digits as read back the same number. NaN has no sign.
template <class T>
void append_number(std::string& text, T value) {
  if (std::isnan(value)) value = std::numeric_limits<T>::quiet_NaN();
  char digits[40];
  text.append(digits, std::to_chars(std::begin(digits), std::end(digits), value).ptr);
}

template <class T>
void append_row(std::string& text, const T* row, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) {
    if (i > 0) text += ',';
    append_number(text, row[i]);
  }
}

class RowWriter {
 public:
  RowWriter(nn::Model& model, bool labels)
      : outputs_(output_shape(model).numel()), names_(model.classes), target_(model.target) {
    if (!labels) return;
    judge_.emplace(model, "auto");
    RILL_CHECK(judge_->labels(),
               "--labels: the model predicts a number, expected one that tells classes apart");
  }

  std::string header() const {
    std::string text;
    const bool named = static_cast<std::int64_t>(names_.size()) == outputs_;
    for (std::int64_t i = 0; i < outputs_; ++i) {
      if (i > 0) text += ',';
      if (named) {
        text += io::csv_field(names_[static_cast<std::size_t>(i)]);
      } else {
        text += outputs_ == 1 && !target_.empty() ? io::csv_field(target_) : "y" + std::to_string(i);
      }
    }
    return text + (judge_ ? ",class\n" : "\n");
  }

  // With the `kept` cells of each row in front.
  std::string rows(const Tensor& y, const std::vector<std::string>& kept) const {
    std::vector<std::int64_t> classes;
    if (judge_) classes = judge_->predicted(y);
    std::string text;
    for (std::int64_t row = 0; row < y.size(0); ++row) {
      if (!kept.empty()) text += kept[static_cast<std::size_t>(row)];
      if (y.dtype() == DType::f64) {
        append_row(text, y.data<double>().data() + row * outputs_, outputs_);
      } else {
        append_row(text, y.data<float>().data() + row * outputs_, outputs_);
      }
      if (judge_) text += ',' + class_name(classes[static_cast<std::size_t>(row)]);
      text += '\n';
    }
    return text;
  }

 private:
  // A row with a NaN is of no class.
  std::string class_name(std::int64_t of) const {
    if (of < 0) return "";
    return static_cast<std::size_t>(of) < names_.size() ? io::csv_field(names_[static_cast<std::size_t>(of)])
                                                        : std::to_string(of);
  }

  std::int64_t outputs_;
  std::vector<std::string> names_;
  std::string target_;
  std::optional<Judge> judge_;
};

int predict(const PredictOptions& options) {
  refuse_overwriting("--output", options.output, {options.model.path, options.model.weights, options.input});
  nn::Model model = options.model.open_trained();
  const RowWriter writer(model, options.labels);
  const auto rows = open_rows(options.input, options.format, model, options.keep);
  write_to(options.output, [&](const WriteText& write) {
    if (rows->has_header()) write(rows->kept_names() + writer.header());
    while (!output_closed()) {
      const Tensor x = rows->next(options.batch);
      if (!x.defined()) break;
      write(writer.rows(model.predict(x), rows->kept()));
    }
  });
  return done;
}

}  // namespace

void add_predict(Program& program) {
  auto options = std::make_shared<PredictOptions>();
  CLI::App* app = program.add(
      {.name = "predict",
       .summary = "A trained model's outputs for samples in a file, as CSV",
       .text =
           "Writes one row a sample: the model's outputs, with the fewest digits that read back the same\n"
           "number. Samples are raw, as they were for training: preprocessing is the model's own.\n"
           "Where the input has a header (a first row with a non-number, or with the model's names), "
           "columns\n"
           "are chosen by the model's feature names, in any order, and the output gets a header too. Where\n"
           "the model's table had none, rows may have the target in its place, which is left out. A table\n"
           "without commas may have semicolons, tabs or | between its fields. Missing cells (empty, ?,\n"
           "NA, nan) are filled as in training if the model does that, else refused, as are infinities.",
       .examples = {{"rill predict iris.safetensors --input new.csv --output answers.csv --labels",
                     "outputs and the class of each row of a table"},
                    {"rill predict mnist.safetensors --input t10k-images-idx3-ubyte.gz --output -",
                     "outputs for a file of images, to the terminal"}},
       .reads = "MODEL; --input as CSV, IDX (plain or .gz) or npy, told apart by content",
       .writes = "--output, replaced in one step or not at all"});
  options->model.add_to(*app);
  app->add_option("-i,--input", options->input, "samples; - is standard input")
      ->required()
      ->type_name("FILE");
  app->add_option("-o,--output", options->output, "CSV file to write; - is standard output")
      ->required()
      ->type_name("FILE");
  choice(app->add_option("--format", options->format, "of the input"), {"auto", "csv", "idx", "npy"})
      ->capture_default_str();
  app->add_option("--keep", options->keep,
                  "columns of the table to write in front of the outputs, such as an\nid, by name or number, "
                  "with commas between them")
      ->type_name("NAME")
      ->delimiter(',')
      ->allow_extra_args(false);
  app->add_flag("--labels", options->labels, "add a last column with the class");
  whole_number(
      app->add_option("--batch", options->batch, "samples computed at a time; others may change last digits"))
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1000000}).description(""))
      ->capture_default_str();
  program.does([options] { return predict(*options); });
}

}  // namespace rill::command
