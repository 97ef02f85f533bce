#include <rill/tools/rill/sweep_results.hpp>

#include <filesystem>

#include <rill/core/io/file.hpp>
#include <rill/core/io/safetensors.hpp>
#include <rill/nn/config/json.hpp>
#include <rill/optim/run/folder.hpp>
#include <rill/optim/run/make.hpp>

namespace rill::command {
namespace {

using nn::config::Json;
using nn::config::Node;
using nn::config::OrderedJson;

std::string file_in(const PlannedRun& planned, const char* name) {
  return (std::filesystem::path(planned.config.out) / name).string();
}

std::string result_file(const PlannedRun& planned) { return file_in(planned, "sweep_result.json"); }

OrderedJson to_json(const SweepResult& result, const optim::RunConfig& config) {
  // As pairs: what reads an object back knows no order.
  OrderedJson numbers = OrderedJson::array();
  for (const auto& entry : result.numbers) numbers.push_back({entry.first, entry.second});
  return {{"config", optim::to_json(config)},
          {"diverged", result.diverged},
          {"best_epoch", result.best_epoch},
          {"monitor", result.monitor},
          {"numbers", numbers}};
}

// Throws Error where the run that was done before was of other data.
void check_data(const PlannedRun& planned) {
  const std::string path = file_in(planned, "last.safetensors");
  if (!std::filesystem::exists(path)) return;
  const io::Safetensors checkpoint = io::load_safetensors(path);
  const auto before = checkpoint.metadata.find("rill.data");
  const auto now = optim::config::fingerprint(
      optim::load_data(planned.config.data, static_cast<std::uint64_t>(planned.config.seed),
                       optim::config::preprocessing_before(optim::config::make_model(planned.config))));
  RILL_CHECK(before == checkpoint.metadata.end() || before->second == now, planned.config.out,
             ": the data have changed since this run was done, expected the same; give another --out, or "
             "remove it");
}

}  // namespace

SweepResult result_of(const PlannedRun& planned, const optim::RunResult& run) {
  SweepResult result{planned.run, planned.config.out, run.history.diverged, 0, run.monitor, {}};
  if (run.best_epoch) result.best_epoch = *run.best_epoch + 1;
  if (run.history.epochs.empty()) return result;
  for (const auto& entry : run.history.epochs.back()) {
    const auto value = run.best_epoch ? run.best(entry.first) : run.last(entry.first);
    if (value) result.numbers.emplace_back(entry.first, *value);
  }
  return result;
}

void write_result(const PlannedRun& planned, const SweepResult& result) {
  io::write_file_atomically(result_file(planned), to_json(result, planned.config).dump(2) + "\n");
}

std::optional<SweepResult> read_result(const PlannedRun& planned) {
  const std::string path = result_file(planned);
  if (!std::filesystem::exists(path)) return {};
  const Json document = nn::config::read_json(path);
  const nn::config::Node node(document, path);
  RILL_CHECK(node.at("config").text() == optim::to_json(planned.config), planned.config.out,
             ": the folder holds the run of another config, expected the same one; give another --out, or "
             "remove it");
  SweepResult result{planned.run,
                     planned.config.out,
                     node.at("diverged").boolean(),
                     node.at("best_epoch").integer(0, 1'000'000'000),
                     node.at("monitor").text(),
                     {}};
  const Node numbers = node.at("numbers");
  for (std::size_t i = 0; i < numbers.expect_array().size(); ++i) {
    const Json& pair = numbers[i].json();
    if (pair.is_array() && pair.size() == 2 && pair[0].is_string() && pair[1].is_number())
      result.numbers.emplace_back(pair[0].get<std::string>(), pair[1].get<double>());
  }
  return result;
}

std::optional<SweepResult> result_before(const PlannedRun& planned) {
  std::optional<SweepResult> result = read_result(planned);
  if (result) check_data(planned);
  return result;
}

}  // namespace rill::command
