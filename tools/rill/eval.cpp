// rill eval: loss and accuracy of a model on labelled data.
#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include <rill/nn/metrics.hpp>
#include <rill/tools/rill/commands.hpp>
#include <rill/tools/rill/data_source.hpp>
#include <rill/tools/rill/judge.hpp>
#include <rill/tools/rill/model_file.hpp>
#include <rill/tools/rill/output.hpp>

namespace rill::command {
namespace {

using nlohmann::ordered_json;

constexpr std::int64_t most_printed_classes = 30;

struct EvalOptions {
  ModelFile model;
  DataSource data;
  std::string loss = "auto";
  bool json = false;
};

struct Measured {
  std::int64_t samples = 0;
  double loss = 0, absolute = 0, squared = 0;  // means over samples
  std::optional<nn::ConfusionMatrix> confusion;
  nn::R2Score r2;
};

// Classes of which there is no name are numbered.
std::vector<std::string> names_of_classes(const nn::Model& model, std::int64_t classes) {
  if (static_cast<std::int64_t>(model.classes.size()) == classes) return model.classes;
  std::vector<std::string> names;
  for (std::int64_t i = 0; i < classes; ++i) names.push_back(std::to_string(i));
  return names;
}

// Binary models have one output; a matrix wants a logit a class.
Tensor two_columns(const Judge& judge, const Tensor& y) {
  if (judge.classes() != 2 || y.numel() != y.size(0)) return y;
  std::vector<float> logits;
  for (const std::int64_t of : judge.predicted(y)) {
    logits.push_back(of < 0 ? NAN : of == 0 ? 1.0f : 0.0f);
    logits.push_back(of == 1 ? 1.0f : 0.0f);
  }
  return tensor(std::move(logits), {y.size(0), 2});
}

Measured measure(nn::Model& model, const nn::data::Dataset& dataset, const Judge& judge) {
  Measured result;
  if (judge.labels()) result.confusion.emplace(judge.classes(), names_of_classes(model, judge.classes()));
  for_each_batch(dataset, [&](const nn::data::Samples& batch) {
    const NoGrad no_grad;
    const Tensor y = model.predict(batch.x);
    const auto count = static_cast<double>(batch.x.size(0));
    result.loss += judge.loss(y, batch.y).item() * count;
    if (judge.labels()) {
      result.confusion->add(two_columns(judge, y), judge.labels_of(batch.y));
    } else if (judge.same_unit()) {
      const Tensor target = batch.y.to(y.dtype()).reshape(y.shape());
      result.absolute += nn::mean_absolute_error(y, target) * count;
      result.squared += nn::mean_squared_error(y, target) * count;
      result.r2.add(y, target);
    }
    result.samples += batch.x.size(0);
  });
  const auto samples = static_cast<double>(result.samples);
  result.loss /= samples;
  result.absolute /= samples;
  result.squared /= samples;
  for (double* value : {&result.loss, &result.absolute, &result.squared})
    if (std::isnan(*value)) *value = NAN;  // which has no sign to print
  return result;
}

ordered_json classes_json(const nn::ConfusionMatrix& matrix, const std::vector<std::string>& names) {
  ordered_json classes = ordered_json::array();
  for (std::int64_t i = 0; i < matrix.classes(); ++i) {
    std::int64_t samples = 0;
    ordered_json taken_for = ordered_json::array();
    for (std::int64_t j = 0; j < matrix.classes(); ++j) {
      samples += matrix.count(i, j);
      taken_for.push_back(matrix.count(i, j));
    }
    classes.push_back({{"name", names[static_cast<std::size_t>(i)]},
                       {"samples", samples},
                       {"precision", matrix.precision(i)},
                       {"recall", matrix.recall(i)},
                       {"f1", matrix.f1(i)},
                       {"taken_for", taken_for}});
  }
  return classes;
}

ordered_json to_json(const EvalOptions& options, nn::Model& model, const Judge& judge,
                     const Measured& measured) {
  ordered_json result{{"model", options.model.path},
                      {"data", options.data.name()},
                      {"samples", measured.samples},
                      {"loss", {{"name", judge.loss_name()}, {"value", measured.loss}}}};
  if (judge.standardized()) result["loss"]["standardized"] = true;
  if (measured.confusion) {
    result["accuracy"] = measured.confusion->accuracy();
    result["not_a_number"] = measured.confusion->not_a_number();
    result["classes"] = classes_json(*measured.confusion, names_of_classes(model, judge.classes()));
  } else if (judge.same_unit()) {
    result["mean_absolute_error"] = measured.absolute;
    result["root_mean_squared_error"] = std::sqrt(measured.squared);
    result["r2"] = measured.r2.value();
  }
  return result;
}

void print_text(const EvalOptions& options, nn::Model& model, const Judge& judge, const Measured& measured) {
  out(fmt::format("model: {}, {}\n", options.model.path, describe(model)));
  out(fmt::format("data: {}, {} samples\n", options.data.name(), measured.samples));
  out(fmt::format("loss: {:.6g} ({}{})\n", measured.loss, judge.loss_name(),
                  judge.standardized() ? " of standardized targets" : ""));
  if (judge.same_unit()) {
    out(fmt::format("mean absolute error: {:.6g}\nroot mean squared error: {:.6g}\nR2: {:.4f}\n",
                    measured.absolute, std::sqrt(measured.squared), measured.r2.value()));
  }
  if (!measured.confusion) return;
  out(fmt::format("accuracy: {:.2f} %\n", 100 * measured.confusion->accuracy()));
  if (judge.classes() <= most_printed_classes) {
    out("\n" + measured.confusion->to_string());
  } else {
    out(fmt::format("{} classes; --json tells about each\n", judge.classes()));
  }
}

int evaluate(const EvalOptions& options) {
  nn::Model model = options.model.open_trained();
  const Judge judge(model, options.loss);
  const auto dataset = options.data.open(model, judge.targets());
  RILL_CHECK(judge.targets() == Targets::numbers || dataset->classes() <= judge.classes(),
             options.data.name(), ": labels go up to ", dataset->classes() - 1, ", the model has ",
             judge.classes(), " classes");
  const Measured measured = measure(model, *dataset, judge);
  if (options.json) {
    print_json(to_json(options, model, judge, measured));
  } else {
    print_text(options, model, judge, measured);
  }
  return done;
}

}  // namespace

void add_eval(Program& program) {
  auto options = std::make_shared<EvalOptions>();
  CLI::App* app = program.add(
      {.name = "eval",
       .summary = "Loss and accuracy of a trained model on labelled data",
       .text =
           "Runs the model over the data, raw as the files have it: preprocessing and class names are the\n"
           "model's own. Prints the loss and, for classes, the accuracy, a confusion matrix, and precision,\n"
           "recall and F1 of each class; for numbers the mean errors and R2.",
       .examples = {{"rill eval runs/mnist/best.safetensors --idx data/mnist",
                     "the accuracy on MNIST's test set"},
                    {"rill eval iris.safetensors --csv iris.csv --target species --json",
                     "the same on a table, for a program that reads JSON"}},
       .reads = "MODEL and the data",
       .writes = "nothing"});
  options->model.add_to(*app);
  options->data.add_to(*app);
  add_loss_option(*app, options->loss);
  app->add_flag("--json", options->json, "print JSON");
  program.does([options] { return evaluate(*options); });
}

}  // namespace rill::command
