// The parts of a run out of its config.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <rill/optim/run/run.hpp>

namespace rill::optim::config {

/// What `make` returns; errors that do not begin with `where`, the place in the config, get it.
template <class Make>
auto placed(const std::string& where, Make make) {
  try {
    return make();
  } catch (const Error& error) {
    const std::string text = error.what();
    rill::detail::fail(text.starts_with(where) ? text : where + ": " + text);
  }
}

/// What `make` returns; its errors are those of the config.
template <class Make>
auto as_config_error(Make make) {
  try {
    return make();
  } catch (const Error& error) {
    throw RunConfigError(error.what());
  }
}

/// With fresh weights that follow from the seed, or those of its file.
nn::Model make_model(const RunConfig& config);
Loss make_loss(const LossConfig& config);
/// Its "type".
std::string_view loss_type(const LossConfig& config);
/// What is measured for a loss beside it.
std::vector<std::shared_ptr<Metric>> make_metrics(const LossConfig& config);

/// Throws Error for a model whose inputs or outputs are not those of the data, and for a loss of other targets.
void check_fit(const RunConfig& config, nn::Model& model, const RunData& data);

/// Throws Error for a table's options that do not go together.
void check_table(const CsvConfig& data);
/// What a model that goes on was trained with, or none: its inputs keep their meaning.
nn::data::Transforms preprocessing_before(const nn::Model& model);
/// Throws Error where a model that goes on was trained on other columns or classes, or on samples that were prepared otherwise.
void check_going_on(nn::Model& model, const RunData& data);
/// Throws Error for a loss that is for other targets than the data's.
void check_loss(const RunConfig& config, bool regression);
/// Throws Error for a schedule that has fewer steps than the run.
void check_schedule_length(const Schedule& schedule, const ScheduleConfig::Length& run);
/// Throws Error for monitors of numbers that no log will have, or of which nothing says whether small ones are good.
void check_monitors(const RunConfig& config, bool validation);

/// The run as its folder tells it: with the model in it, where a file gives no weights.
RunConfig as_run(const RunConfig& config, nn::Model& model);

/// What best.safetensors goes by.
std::string best_monitor(const RunConfig& config, const RunData& data);

}  // namespace rill::optim::config
