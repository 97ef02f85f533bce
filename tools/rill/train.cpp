// rill train: the run that a JSON file describes.
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

#include <rill/nn/config/json.hpp>
#include <rill/optim/run/run.hpp>
#include <rill/tools/rill/commands.hpp>
#include <rill/tools/rill/files.hpp>
#include <rill/tools/rill/interrupt.hpp>
#include <rill/tools/rill/output.hpp>
#include <rill/tools/rill/overrides.hpp>

namespace rill::command {
namespace {

using nlohmann::ordered_json;

struct TrainCommand {
  std::string path, out;
  std::vector<std::string> overrides;
  std::optional<std::int64_t> seed;
  std::optional<std::int64_t> epochs;
  bool resume = false, overwrite = false, quiet = false, no_report = false, json = false;
};

optim::RunConfig read_config(const TrainCommand& command) {
  std::vector<std::string> overrides = command.overrides;
  if (command.seed) overrides.push_back("seed=" + std::to_string(*command.seed));
  if (command.epochs) overrides.push_back("training.epochs=" + std::to_string(*command.epochs));
  kind_of(command.path);  // a file that is not there is no wrong config
  return reading_run(command.path, [&] {
    if (!command.out.empty())
      overrides.push_back("out=" + ordered_json(nn::config::utf8_text(command.out)).dump());
    optim::RunConfig config = optim::load_run(command.path, overrides);
    optim::check_run(config);
    note_without_effect(overrides, config);
    return config;
  });
}

// The numbers of the best epoch, by the names of the log.
ordered_json best_numbers(const optim::RunResult& result) {
  ordered_json numbers = ordered_json::object();
  if (result.history.epochs.empty()) return numbers;
  for (const auto& entry : result.history.epochs.back()) {
    const auto value = result.best_epoch ? result.best(entry.first) : result.last(entry.first);
    if (value) numbers[entry.first] = *value;
  }
  return numbers;
}

std::string status_of(const optim::RunResult& result) {
  if (result.history.diverged) return "diverged";
  return result.history.interrupted ? "interrupted" : "done";
}

void print_result(const optim::RunResult& result, bool json) {
  const ordered_json numbers = best_numbers(result);
  if (json) {
    ordered_json report{{"status", status_of(result)},   {"reason", result.history.reason},
                        {"steps", result.history.steps}, {"monitor", result.monitor},
                        {"best_epoch", nullptr},         {"best", numbers},
                        {"folder", result.folder},       {"files", result.files}};
    if (result.best_epoch) report["best_epoch"] = *result.best_epoch + 1;
    print_json(report);
    return;
  }
  if (result.best_epoch) {
    std::string text;
    for (const auto& item : numbers.items())
      text += fmt::format("{}{} {:.6g}", text.empty() ? "" : ", ", item.key(), item.value().get<double>());
    out(fmt::format("best epoch: {} ({})\n", *result.best_epoch + 1, text));
  }
  if (!result.history.reason.empty()) out(fmt::format("ended early: {}\n", result.history.reason));
  std::string files;
  for (const std::string& file : result.files) files += " " + file;
  out(fmt::format("files in {}:{}\n", result.folder, files));
}

int exit_code(const optim::RunResult& result, const std::string& path) {
  if (result.history.diverged) {
    std::fprintf(stderr, "rill: %s: training diverged: %s\n", path.c_str(), result.history.reason.c_str());
    return diverged;
  }
  if (!result.history.interrupted) return done;
  std::fprintf(stderr, "rill: %s: interrupted and saved; the same command with --resume goes on\n",
               path.c_str());
  return interrupted_status();
}

int train(const TrainCommand& command) {
  const optim::RunConfig config = read_config(command);
  const bool quiet = command.quiet || command.json;
  optim::TrainOptions options{.out = quiet ? nullptr : &std::cout,
                              .redraw = !quiet && ::isatty(STDOUT_FILENO) == 1,
                              .interrupted = interrupted,
                              .overwrite = command.overwrite,
                              .report = !command.no_report};
  if (command.resume) {
    options.resume = (std::filesystem::path(config.out) / "last.safetensors").string();
    RILL_CHECK(
        std::filesystem::exists(options.resume), options.resume,
        ": there is no checkpoint to resume, expected one of a run that was interrupted; begin anew with "
        "--overwrite");
  }
  catch_interrupts();
  // Some mistakes in a config show beside the data alone.
  const auto result =
      reading_run<optim::RunConfigError>(command.path, [&] { return optim::run_training(config, options); });
  std::cout.flush();
  print_result(result, command.json);
  flush_output();
  return exit_code(result, command.path);
}

}  // namespace

void add_train(Program& program) {
  auto command = std::make_shared<TrainCommand>();
  CLI::App* app = program.add(
      {.name = "train",
       .summary = "Train the model of a run config",
       .text =
           "Trains, and writes into the run's folder: config.json (as run, all defaults written out),\n"
           "log.csv, log.jsonl, timing.csv, last.safetensors (to resume), best.safetensors, report.html and\n"
           "pictures. SIGINT (Ctrl-C) or SIGTERM finishes the step, saves, and exits with 130 or 143; a\n"
           "second one exits at once. A resumed run is bitwise the run that was not interrupted.",
       .examples = {{"rill train run.json --set optimizer.lr=0.01 --out runs/faster", "one value changed"},
                    {"rill train run.json --resume", "goes on from where it was interrupted"}},
       .reads = "RUN, the model and the data that it names",
       .writes = "the run's folder: \"out\" of RUN, or --out, or runs/<name of RUN>"});
  app->add_option("RUN", command->path, "a run config; `rill new` writes one")->required()->type_name("FILE");
  app->add_option("--set", command->overrides, "change a value: optimizer.lr=0.01; any number of times")
      ->type_name("KEY=VALUE")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app->add_option("--out", command->out, "folder of the run")->type_name("DIR");
  whole_number(app->add_option("--seed", command->seed, "of everything random; goes before --set seed=N"));
  whole_number(
      app->add_option("--epochs", command->epochs, "as --set training.epochs=N, and goes before it"));
  auto* resume = app->add_flag("--resume", command->resume, "go on from the folder's last.safetensors");
  app->add_flag("--overwrite", command->overwrite, "remove the run that is in the folder already")
      ->excludes(resume);
  app->add_flag("-q,--quiet", command->quiet, "no progress");
  app->add_flag("--no-report", command->no_report, "neither report.html nor pictures");
  app->add_flag("--json", command->json, "print the result as JSON, and no progress");
  program.does([command] { return train(*command); });
}

}  // namespace rill::command
