// rill sweep: one run for each of a list of values.
#include <fmt/format.h>

#include <filesystem>
#include <functional>
#include <iostream>
#include <span>

#include <rill/core/io/file.hpp>
#include <rill/core/parallel.hpp>
#include <rill/nn/config/json.hpp>
#include <rill/optim/run/folder.hpp>
#include <rill/optim/run/make.hpp>
#include <rill/optim/run/run.hpp>
#include <rill/tools/rill/children.hpp>
#include <rill/tools/rill/commands.hpp>
#include <rill/tools/rill/files.hpp>
#include <rill/tools/rill/interrupt.hpp>
#include <rill/tools/rill/output.hpp>
#include <rill/tools/rill/overrides.hpp>
#include <rill/tools/rill/sweep_results.hpp>
#include <rill/tools/rill/sweep_table.hpp>

namespace rill::command {
namespace {

namespace fs = std::filesystem;
using nn::config::Json;

struct SweepCommand {
  std::string path, out;
  std::vector<std::string> settings;
  std::int64_t seeds = 1, jobs = 1, only = 0;
  bool quiet = false, report = false;
};

std::vector<PlannedRun> read_configs(const SweepCommand& command, SweepPlan& plan, std::string& folder) {
  kind_of(command.path);
  io::check_rereadable(command.path);
  return reading_run(command.path, [&] {
    // The overrides that are the same for all runs stand in each of them.
    const optim::RunConfig base = optim::load_run(command.path);
    folder = command.out.empty() ? base.out + "_sweep" : command.out;
    std::uint64_t first_seed = static_cast<std::uint64_t>(base.seed);
    if (command.only == 0) note_without_effect(command.settings, base);
    plan = plan_sweep(command.settings, first_seed, command.seeds);
    if (command.only > std::ssize(plan.runs))
      throw UsageError("--only " + std::to_string(command.only) + ": there are " +
                       std::to_string(plan.runs.size()) + " runs, expected one of them");
    std::vector<PlannedRun> runs;
    std::span<const SweepRun> wanted(plan.runs);
    if (command.only > 0) wanted = wanted.subspan(static_cast<std::size_t>(command.only - 1), 1);
    for (const SweepRun& run : wanted) {
      const fs::path place =
          fs::path(folder) / run.name / (command.seeds > 1 ? "seed" + std::to_string(run.seed) : "");
      std::vector<std::string> overrides{"seed=" + std::to_string(run.seed)};
      overrides.insert(overrides.end(), run.overrides.begin(), run.overrides.end());
      std::string out = place.string();
      while (out.ends_with('/')) out.pop_back();
      overrides.push_back("out=" + Json(nn::config::utf8_text(out)).dump());
      runs.push_back({optim::load_run(command.path, overrides), run});
      runs.back().run.seed = static_cast<std::uint64_t>(runs.back().config.seed);  // --set may say it
      optim::check_run(runs.back().config);
    }
    return runs;
  });
}

// Whether the folder holds the beginning of the same run, which ended before its first checkpoint.
bool holds_beginning(const PlannedRun& planned) {
  const std::string path = (fs::path(planned.config.out) / "config.json").string();
  if (!fs::exists(path)) return false;
  nn::Model model = optim::config::make_model(planned.config);
  return nn::config::read_json(path) ==
         nn::config::parse_json(optim::to_json(optim::config::as_run(planned.config, model)), "run");
}

// Trains, or goes on with what was interrupted; nothing if it is interrupted again.
std::optional<SweepResult> train_one(const PlannedRun& planned, const SweepCommand& command) {
  const std::string checkpoint = (fs::path(planned.config.out) / "last.safetensors").string();
  optim::TrainOptions options{
      .out = command.quiet ? nullptr : &std::cout, .interrupted = interrupted, .report = command.report};
  if (fs::exists(checkpoint)) {
    options.resume = checkpoint;
  } else {
    options.overwrite = holds_beginning(planned);
  }
  // Some mistakes show beside the data alone; the folder says which of the values it was.
  const optim::RunResult run = reading_run<optim::RunConfigError>(
      planned.config.out, [&] { return optim::run_training(planned.config, options); });
  if (run.history.interrupted) return {};
  write_result(planned, result_of(planned, run));
  return read_result(planned);  // as a sweep that goes on reads it
}

// A sweep on its way: its results in the order of the plan, and in sweep.csv those that are there.
class Sweep {
 public:
  explicit Sweep(const SweepCommand& command)
      : command_(command), runs_(read_configs(command, plan_, folder_)), results_(runs_.size()) {}

  int run() {
    catch_interrupts();
    if (command_.only > 0) return run_only();
    const int status = command_.jobs > 1 ? run_beside() : run_in_turn();
    return status == done ? finish() : status;
  }

 private:
  std::string label(std::size_t i) const {
    const std::size_t number = command_.only > 0 ? static_cast<std::size_t>(command_.only) : i + 1;
    return fmt::format("[{}/{}] {}", number, plan_.runs.size(), runs_[i].config.out);
  }

  void say(const std::string& line) const {
    if (!command_.quiet) out(line + "\n");
    flush_output();
  }

  int say_interrupted(const std::string& where) const {
    std::fprintf(stderr, "rill: %s: interrupted and saved; the same command goes on\n", where.c_str());
    return interrupted_status();
  }

  std::vector<SweepResult> those_done() const {
    std::vector<SweepResult> there;
    for (const auto& result : results_)
      if (result) there.push_back(*result);
    return there;
  }

  void keep(std::size_t i, const SweepResult& result) {
    results_[i] = result;
    write_csv();
  }

  void write_csv() const {
    io::write_file_atomically(folder_ + "/sweep.csv", std::string_view(sweep_csv(plan_, those_done())));
  }

  // The run there, done before or now; nothing if it is interrupted.
  std::optional<SweepResult> done_or_train(std::size_t i) {
    std::optional<SweepResult> result = result_before(runs_[i]);
    say(label(i) + (result ? ": done before" : ""));
    return result ? result : train_one(runs_[i], command_);
  }

  // For a program that calls this one for each of the runs.
  int run_only() {
    RILL_CHECK(!belongs_to_parent() || note_of_parent() == config_of(0), command_.path,
               ": the file has changed since the sweep began, expected it as it was");
    const std::optional<SweepResult> result = done_or_train(0);
    if (!result) return say_interrupted(runs_[0].config.out);
    return result->diverged ? diverged : done;
  }

  int run_in_turn() {
    for (std::size_t i = 0; i < runs_.size(); ++i) {
      const std::optional<SweepResult> result = interrupted() ? std::nullopt : done_or_train(i);
      if (!result) return say_interrupted(runs_[i].config.out);
      keep(i, *result);
    }
    return done;
  }

  // Each in a process of its own, with its share of the threads.
  int run_beside() {
    std::vector<std::size_t> left = those_left();
    const std::size_t jobs =
        std::min(static_cast<std::size_t>(command_.jobs), std::max<std::size_t>(left.size(), 1));
    Children children;
    int status = done;
    for (std::size_t next = 0;;) {
      if (next < left.size() && children.size() < jobs && status == done && !interrupted()) {
        const std::size_t i = left[next++];
        children.start(i, arguments_for(i, num_threads() / static_cast<int>(jobs)), config_of(i));
        continue;
      }
      if (children.size() == 0) break;
      const auto [i, ended] = children.wait();
      const int failure = keep_ended(i, ended, status != done || interrupted());
      if (status == done && failure != done) {
        status = failure;
        children.stop();
      }
    }
    const bool cut = interrupted() && those_done().size() < runs_.size();
    return status == done && cut ? say_interrupted(folder_) : status;
  }

  // Keeps the others.
  std::vector<std::size_t> those_left() {
    std::vector<std::size_t> left;
    for (std::size_t i = 0; i < runs_.size() && !interrupted(); ++i) {
      results_[i] = result_before(runs_[i]);
      if (results_[i]) {
        say(label(i) + ": done before");
      } else {
        left.push_back(i);
      }
    }
    if (!those_done().empty()) write_csv();
    return left;
  }

  // Of a process that has ended: its exit code if that is a failure. It may have been `asked` to stop.
  int keep_ended(std::size_t i, int ended, bool asked) {
    const auto result = ended == done || ended == diverged ? read_result(runs_[i]) : std::nullopt;
    const std::string& where = runs_[i].config.out;
    if (result) {
      say(label(i) + (result->diverged ? ": diverged" : ": done"));
      keep(i, *result);
      return done;
    }
    if (asked && (ended == 128 + SIGTERM || ended == 128 + stop_request)) return done;
    if (ended == done || ended == diverged)
      std::fprintf(stderr, "rill: %s: the run ended without a result\n", where.c_str());
    if (ended > 128) std::fprintf(stderr, "rill: %s: ended by signal %d\n", where.c_str(), ended - 128);
    return ended == misused ? misused : failed;  // of which it has said the cause
  }

  // By which a process of its own knows that it read the same.
  std::string config_of(std::size_t i) const {
    return std::to_string(std::hash<std::string>()(optim::to_json(runs_[i].config)));
  }

  std::vector<std::string> arguments_for(std::size_t i, int threads) const {
    std::vector<std::string> arguments{"sweep", command_.path, "--out", folder_, "--quiet"};
    for (const std::string& setting : command_.settings)
      arguments.insert(arguments.end(), {"--set", setting});
    const auto add = [&](const char* option, std::int64_t number) {
      arguments.insert(arguments.end(), {option, std::to_string(number)});
    };
    add("--seeds", command_.seeds);
    add("--only", static_cast<std::int64_t>(i + 1));
    add("--threads", std::max(threads, 1));
    if (command_.report) arguments.emplace_back("--report");
    return arguments;
  }

  int finish() const {
    const std::vector<SweepResult> results = those_done();
    std::string files = "sweep.csv";
    const std::string picture = sweep_picture(plan_, results);
    if (!picture.empty()) {
      io::write_file_atomically(folder_ + "/sweep.svg", std::string_view(picture));
      files += " sweep.svg";
    }
    out("\n" + sweep_table(plan_, results) + "\nfiles in " + folder_ + ": " + files + "\n");
    const bool all =
        std::all_of(results.begin(), results.end(), [](const auto& result) { return result.diverged; });
    return all ? diverged : done;
  }

  const SweepCommand& command_;
  SweepPlan plan_;
  std::string folder_;
  std::vector<PlannedRun> runs_;
  std::vector<std::optional<SweepResult>> results_;
};

int sweep(const SweepCommand& command) {
  if (command.only > 0 && command.jobs > 1)
    throw UsageError("--only is one run, and --jobs " + std::to_string(command.jobs) +
                     " several at a time, expected one of the two options");
  return Sweep(command).run();
}

}  // namespace

void add_sweep(Program& program) {
  auto command = std::make_shared<SweepCommand>();
  CLI::App* app = program.add(
      {.name = "sweep",
       .summary = "Train a run for each of a list of values, and compare",
       .text =
           "Trains one run after the other, or with --jobs several at a time, which is faster for networks\n"
           "too small for all threads: for every combination of the values, and for N seeds. Without\n"
           "varied values it does one config with N seeds, which shows their spread. Prints a\n"
           "table of the best epochs, and writes it with a plot. Called again, it goes on: runs that are\n"
           "done are not done again, and one that was interrupted is resumed. It exits with 3\n"
           "where every run diverged.",
       .examples = {{"rill sweep run.json --set model.layers.2.negative_slope=0,0.01,0.1,0.3 --seeds 3",
                     "four slopes, three seeds each"},
                    {"rill sweep run.json --set optimizer.lr=0.001,0.01 --seeds 5 --jobs 4 --out runs/lr",
                     "two learning rates, five seeds each, four runs at a time"}},
       .reads = "RUN, the model and the data that it names",
       .writes = "DIR/<value>/... for each run, DIR/sweep.csv, and DIR/sweep.svg where gnuplot is there"});
  app->add_option("RUN", command->path, "a run config")->required()->type_name("FILE");
  app->add_option("--set", command->settings, "a value, or several to vary; any number of times")
      ->type_name("KEY=A,B,C")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  whole_number(
      app->add_option("--seeds", command->seeds, "runs for each value, with seeds from that of RUN on"))
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1000}).description(""))
      ->capture_default_str();
  whole_number(app->add_option(
                   "--jobs", command->jobs,
                   "runs at a time, each in a process with its share of --threads\nand the data of its own"))
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{256}).description(""))
      ->capture_default_str();
  whole_number(app->add_option("--only", command->only,
                               "train the N-th run alone, counted from 1, and print no table, as for\nthe "
                               "jobs of a cluster; without it the same command collects them"))
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{10000}).description(""));
  app->add_option("--out", command->out, "folder of the sweep; default: that of RUN with _sweep behind it")
      ->type_name("DIR");
  app->add_flag("--report", command->report, "write report.html and pictures for each run");
  app->add_flag("-q,--quiet", command->quiet, "no progress");
  program.does([command] { return sweep(*command); });
}

}  // namespace rill::command
