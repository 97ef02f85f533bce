// A training run that a JSON file describes: reading it, and doing it.
//
//   optim::RunResult result = optim::run_training(optim::load_run("run.json", {"training.epochs=3"}), {.out = &std::cout});
//
// What a run does and writes follows from its config alone, for any number of threads, but for the times in timing.csv.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include <rill/core/error.hpp>
#include <rill/nn/health/report.hpp>
#include <rill/nn/model.hpp>
#include <rill/optim/fit.hpp>
#include <rill/optim/run/config.hpp>

namespace rill::optim {

/// The run in a file. An override is "optimizer.lr=0.01": a path of keys, and of numbers where a list is, to a value in JSON,
/// or else a text. Objects that are not there are made, a name such as "adam" becomes the object that it stands for. The
/// model's path is seen from the file's folder, a missing "out" is runs/<name of the file>. Throws Error, naming the place,
/// for all that is not exactly rill's format.
RunConfig load_run(const std::string& path, const std::vector<std::string>& overrides = {});
/// The same of a text; `where` stands for the file in messages.
RunConfig parse_run(const std::string& text, const std::string& where,
                    const std::vector<std::string>& overrides = {});

/// The document, every default written out, with line breaks.
std::string to_json(const RunConfig& config);
/// The JSON schema (draft 7) of runs, for editors.
std::string run_schema();

/// Data as a run uses it.
struct RunData {
  std::shared_ptr<const nn::data::Dataset> train,
      validation;                           ///< prepared for the model; the second one may be null
  nn::data::Transforms augment = {};        ///< random changes in training
  nn::data::Transforms preprocessing = {};  ///< what makes a prepared sample of a raw one, for the model
  std::vector<std::string> classes = {}, features = {};
  std::vector<std::size_t> values = {}, gaps = {};  ///< which features are 1 or 0, as CsvData's
  std::string target = {};
  std::optional<nn::TargetScale> target_scale =
      {};  ///< of the training targets, where the loss is one of standardized ones
  bool regression() const { return train->classes() == 0; }
};

/// Splits and drawn digits follow from the seed; what is measured, such as for "standardize", from the training part alone, or
/// it is that of `before`, what a model that goes on was trained with. Throws Error as the readers of the files do.
RunData load_data(const DataConfig& config, std::uint64_t seed, const nn::data::Transforms& before = {});

/// What is wrong in a config itself, also where it only shows beside the data: "run: /loss: …".
class RunConfigError : public Error {
 public:
  using Error::Error;
};

/// Makes all that does not need the data: model, loss, optimizer and schedule. Throws Error for what cannot be made, and for
/// parts that do not go together, among them a loss that is not for what the data's "regression" says, and monitors of numbers
/// that no log will have.
void check_run(const RunConfig& config);

struct TrainOptions {
  std::ostream* out = nullptr;  ///< for a line an epoch; null for none
  bool redraw = false;          ///< it is a terminal: with a bar and the time left
  /// Asked after every step: whether to save and stop.
  std::function<bool()> interrupted = {};
  /// A checkpoint of the same run to go on from, such as <out>/last.safetensors; empty to begin anew.
  std::string resume = {};
  bool overwrite = false;  ///< remove the files of a run that is in the folder already
  bool report = true;      ///< write report.html and the pictures
};

struct RunResult {
  nn::Model model = {};                         ///< as trained; the best epoch's with "restore_best_weights"
  History history = {};                         ///< of the epochs; interrupted, diverged and the reason
  std::string monitor = {};                     ///< the number that decides which epoch is the best
  std::optional<std::int64_t> best_epoch = {};  ///< counts from 0; none if there was none
  std::string folder = {};
  std::vector<std::string> files = {};  ///< names in the folder, sorted
  std::vector<nn::HealthReport> health = {};

  /// A number of the best epoch, or of the last one; empty where there is none.
  std::optional<double> best(const std::string& name) const;
  std::optional<double> last(const std::string& name) const;
};

/// Trains, and writes the run's folder: config.json, log.csv, log.jsonl, timing.csv, health.csv, last.safetensors (to resume),
/// best.safetensors, report.html and pictures. Both saved files are models that nn::load_model() reads.
///
/// A folder with another run's files is refused. To resume, the config must be that of the checkpoint, but for training.epochs
/// and out, and so must the data, by a checksum of up to 10,000 samples. Throws Error for these, as load_data() and
/// check_run() do, and for files that cannot be written; RunConfigError where data and config do not fit. A run that diverges throws nothing: the history says so.
RunResult run_training(const RunConfig& config, const TrainOptions& options = {});

}  // namespace rill::optim
