#include <filesystem>
#include <functional>

#include <rill/nn/data/augment.hpp>
#include <rill/nn/data/csv.hpp>
#include <rill/nn/data/drawn_digits.hpp>
#include <rill/nn/data/impute.hpp>
#include <rill/nn/data/mnist.hpp>
#include <rill/nn/data/npy.hpp>
#include <rill/nn/data/split.hpp>
#include <rill/optim/run/make.hpp>
#include <rill/optim/run/run.hpp>

namespace rill::optim {
namespace config {
namespace {

using namespace nn::data;

std::vector<std::string> digit_names() { return {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}; }

Transforms augment_of(const std::optional<AugmentConfig>& config, double background) {
  Transforms result;
  if (!config) return result;
  if (config->shift > 0)
    result.push_back(
        std::make_shared<Shift>(ShiftOptions{.pixels = static_cast<int>(config->shift), .fill = background}));
  const bool distorts = config->rotation > 0 || config->scale > 0 || config->shear > 0 ||
                        config->translate > 0 || config->alpha > 0;
  if (distorts)
    result.push_back(std::make_shared<Distort>(DistortOptions{.rotation = config->rotation,
                                                              .scale = config->scale,
                                                              .shear = config->shear,
                                                              .translate = config->translate,
                                                              .alpha = config->alpha,
                                                              .sigma = config->sigma,
                                                              .fill = background}));
  return result;
}

ImageOptions pixels_of(const PixelConfig& config) {
  return {.scale = config.scale, .mean = config.mean, .std = config.std};
}

RunData images(const std::shared_ptr<const ImageDataset>& train, std::shared_ptr<const Dataset> validation,
               const PixelConfig& config) {
  RunData data{.train = train, .validation = std::move(validation)};
  data.augment = augment_of(config.augment, train->background());
  data.preprocessing = {std::make_shared<Normalize>(pixels_of(config))};
  data.classes = digit_names();
  return data;
}

std::shared_ptr<const Dataset> first_samples(std::shared_ptr<const Dataset> dataset, std::int64_t count) {
  if (count <= 0 || count >= dataset->size()) return dataset;
  std::vector<std::int64_t> indices(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) indices[static_cast<std::size_t>(i)] = i;
  return std::make_shared<Subset>(std::move(dataset), std::move(indices));
}

// Takes the share of the training samples for validation, unless it is 0.
void take_validation(RunData& data, const SplitOptions& options) {
  if (options.validation <= 0) return;
  Split parts = as_config_error(
      [&] { return placed("run: /data/validation", [&] { return split(data.train, options); }); });
  data.train = std::move(parts.train);
  data.validation = std::move(parts.validation);
}

// The whole set, prepared by what was measured on the training part of it.
std::shared_ptr<const Dataset> prepared(const TensorDataset& whole, const Transforms& by) {
  Tensor x = whole.x().clone();
  apply_transforms(by, x);
  return std::make_shared<TensorDataset>(x, whole.y(),
                                         whole.classes() > 0 ? std::optional(whole.classes()) : std::nullopt);
}

struct Preparation {
  std::optional<ImputeBy> impute = {};
  bool standardize = false;
  std::vector<std::size_t> values =
      {};  // elements that are 0 or 1, and stay so: one-hot values and indicators
  std::function<void(const Dataset& train)> check = [](const Dataset&) {};  // before anything is measured
};

std::span<const double> first_numbers(const Impute& impute) { return impute.values(); }
std::span<const double> first_numbers(const Standardize& standardize) { return standardize.mean(); }

// The transform that a model was trained with, where it is of such samples, or what `measure` makes.
template <class Kind, class Measure>
void add_step(Transforms& steps, const Transforms& before, const Shape& samples, const Measure& measure) {
  for (const auto& transform : before) {
    const auto* const found = dynamic_cast<const Kind*>(transform.get());
    if (found && std::ssize(first_numbers(*found)) == samples.numel()) return steps.push_back(transform);
  }
  steps.push_back(measure());
}

RunData tensors(const std::shared_ptr<const TensorDataset>& whole, const SplitOptions& options,
                const Preparation& preparation, const Transforms& before = {}) {
  RunData data{.train = whole, .validation = nullptr};
  take_validation(data, options);
  const Shape samples = whole->sample_shape();
  Transforms& steps = data.preprocessing;
  if (preparation.impute)
    add_step<Impute>(steps, before, samples, [&] {
      preparation.check(*data.train);
      return Impute::fit(*data.train, *preparation.impute);
    });
  if (preparation.standardize)
    add_step<Standardize>(steps, before, samples, [&] {
      return Standardize::fit(*data.train, {.before = steps, .keep = preparation.values});
    });
  if (steps.empty()) return data;
  data.train = prepared(*whole, steps);
  take_validation(data, options);
  return data;
}

// Of the rows that the same split of the whole set trains on.
nn::TargetScale scale_of_targets(const TensorDataset& whole, const SplitOptions& options) {
  const auto targets = std::make_shared<const TensorDataset>(whole.y(), whole.y());
  const auto measured = Standardize::fit(*tensors(targets, options, {}).train);
  return {.mean = measured->mean()[0], .std = measured->std()[0]};
}

Preparation preparation_of(const CsvConfig& config, const CsvData& table) {
  Preparation preparation{.standardize = config.standardize, .values = table.values};
  preparation.check = [&](const Dataset& train) { check_csv_numbers(config.path, table, train); };
  if (config.missing != "refuse")
    preparation.impute = config.missing == "mean" ? ImputeBy::mean : ImputeBy::median;
  return preparation;
}

void check_there(const char* place, const std::string& path) {
  std::error_code ignored;
  RILL_CHECK(std::filesystem::exists(path, ignored), "run: ", place, ": there is no ", path,
             ", expected a file as seen from the folder that the program runs in");
}

struct DataLoader {
  std::uint64_t seed;
  const Transforms& before;

  RunData operator()(const IdxConfig& config) const {
    const std::string folder = config.path.empty() ? find_mnist() : config.path;
    RILL_CHECK(!folder.empty(),
               "run: /data/path: neither RILL_DATA nor data/mnist holds the four IDX files, expected their "
               "folder; fetch them with `make mnist`, or take \"format\": \"drawn_digits\"");
    RunData data = images(load_mnist(folder, true, pixels_of(config)), nullptr, config);
    data.train = first_samples(data.train, config.limit);
    if (config.validation > 0) {
      take_validation(data, {.validation = config.validation, .seed = seed});
    } else {
      data.validation = load_mnist(folder, false, pixels_of(config));
    }
    return data;
  }

  RunData operator()(const DrawnDigitsConfig& config) const {
    return images(draw_digits(config.train, seed, true, pixels_of(config)),
                  draw_digits(config.test, seed, false, pixels_of(config)), config);
  }

  RunData operator()(const CsvConfig& config) const {
    CsvOptions options{.target = config.target,
                       .features = config.features,
                       .one_hot = config.one_hot,
                       .regression = config.regression,
                       .classes = config.classes,
                       .delimiter = config.delimiter[0],
                       .missing = config.missing == "refuse" ? CsvMissing::refuse : CsvMissing::nan,
                       .missing_indicator = config.missing_indicator};
    if (config.header) options.header = *config.header ? CsvHeader::present : CsvHeader::absent;
    check_table(config);
    check_there("/data/path", config.path);
    const CsvData csv = load_csv(config.path, options);
    check_csv_precision(config.path, csv);
    const SplitOptions split{.validation = config.validation, .seed = seed, .stratified = config.stratified};
    RunData data = tensors(csv.dataset, split, preparation_of(config, csv), before);
    data.classes = csv.classes;
    data.features = csv.features;
    data.values = csv.values;
    data.gaps = csv.gaps;
    data.target = csv.target;
    if (config.standardize_target) data.target_scale = scale_of_targets(*csv.dataset, split);
    return data;
  }

  RunData operator()(const NpyConfig& config) const {
    check_there("/data/x", config.x);
    check_there("/data/y", config.y);
    return tensors(load_npy(config.x, config.y, {.regression = config.regression}),
                   {.validation = config.validation, .seed = seed, .stratified = config.stratified},
                   {.standardize = config.standardize}, before);
  }
};

}  // namespace
}  // namespace config

RunData load_data(const DataConfig& config, std::uint64_t seed, const nn::data::Transforms& before) {
  return std::visit(config::DataLoader{seed, before}, config.value);
}

}  // namespace rill::optim
