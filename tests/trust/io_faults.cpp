// K3: every call on files fails once, or from one on for ever, for want of room or of a working disk; or is interrupted, or
// writes half. A failure ends in an error that names the file, with the old file as it was and no other beside it; what is no
// failure is survived; and a run that failed goes on to the same end when the disk works again.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <rill/core/create.hpp>
#include <rill/core/io/file.hpp>
#include <rill/core/io/safetensors.hpp>
#include <rill/nn/layers.hpp>
#include <rill/nn/model.hpp>

#include "../subprocess.hpp"
#include "../temp_dir.hpp"
#include "checks.hpp"
#include "file_calls.hpp"
#include "process.hpp"
#include "small_run.hpp"

namespace rill::trust {
namespace {

constexpr std::int64_t most_calls = 100'000;  // of one case; what has more does not end

struct Mode {
  const char* name;
  Fault fault;
};

const std::vector<Mode>& modes() {
  static const std::vector<Mode> all{
      {"ENOSPC once", {Failure::no_space, 0, false}},   {"ENOSPC for ever", {Failure::no_space, 0, true}},
      {"EIO once", {Failure::io_error, 0, false}},      {"EIO for ever", {Failure::io_error, 0, true}},
      {"EINTR once", {Failure::interrupted, 0, false}}, {"EINTR for ever", {Failure::interrupted, 0, true}},
      {"short once", {Failure::short_write, 0, false}}, {"short for ever", {Failure::short_write, 0, true}}};
  return all;
}

bool is_failure(const Mode& mode) {
  return mode.fault.failure == Failure::no_space || mode.fault.failure == Failure::io_error;
}

/// What is counted over all cases of a part.
struct Tally {
  std::uint64_t cases = 0, failures = 0;
  std::uint64_t unclear = 0, silent = 0, not_survived = 0, damaged = 0, litter = 0, lost = 0;
};

class Cases {
 public:
  Cases(Report& report, std::string_view part) : report_(report), part_(part) {}

  void wrong(std::uint64_t Tally::*what, std::string_view name, const Mode& mode, std::int64_t at,
             std::string_view call, std::string_view why) {
    if (tally.*what == 0)
      report_.detail(fmt::format("{}: {} at call {} ({}): {}: {}", part_, mode.name, at, call, name, why));
    ++(tally.*what);
  }

  void print() {
    const auto name = [&](std::string_view what) { return std::string(part_) + ": " + std::string(what); };
    report_.at_least(name("cases, each with another call that fails"), tally.cases, 20);
    report_.count(name("of these, ended in an error"), tally.failures);
    report_.exactly(name("errors that do not name the file in one line"), tally.unclear, 0);
    report_.exactly(name("returned, and the file is not the new one"), tally.silent, 0);
    report_.exactly(name("interrupted or short calls not survived"), tally.not_survived, 0);
    report_.exactly(name("neither the old file nor the new one"), tally.damaged, 0);
    report_.exactly(name("temporary files left"), tally.litter, 0);
  }

  Tally tally;

 private:
  Report& report_;
  std::string_view part_;
};

bool clear(const std::string& message, const std::string& path) {
  return message.find(path) != std::string::npos && message.find('\n') == std::string::npos &&
         message.find("saved") == std::string::npos;
}

// --- one file --------------------------------------------------------------------------------------------------------

using Save = std::function<void(const std::string& path)>;

void fail_each_call_of(const Save& save, bool was_there, const Mode& mode, Cases& cases) {
  const test::TempDir folder;
  const std::string path = folder.file("x");
  save(path);
  const std::string expected = folder.read("x");
  for (std::int64_t at = 0; at < most_calls; ++at) {
    std::filesystem::remove(path);
    if (was_there) folder.write("x", "the old content");
    Fault fault = mode.fault;
    fault.at = at;
    std::optional<std::string> error;
    std::string call;
    bool stays = false;
    {
      const FileCalls calls(folder.path(), fault);
      try {
        save(path);
      } catch (const Error& failure) {
        error = failure.what();
      }
      if (calls.failed().empty()) return;
      call = calls.failed();
      stays = calls.removal_failed();
    }
    ++cases.tally.cases;
    const auto wrong = [&](std::uint64_t Tally::*what, std::string_view name, std::string_view why) {
      cases.wrong(what, name, mode, at, call, why);
    };
    const bool there = std::filesystem::exists(path);
    const std::string now = there ? folder.read("x") : "";
    const bool is_old = was_there ? now == "the old content" : !there, is_new = there && now == expected;
    if (!is_old && !is_new) wrong(&Tally::damaged, "damaged", now.substr(0, 40));
    if (!error && !is_new) wrong(&Tally::silent, "silent", "returned");
    if (error && !is_failure(mode)) wrong(&Tally::not_survived, "not survived", *error);
    if (error && !clear(*error, path)) wrong(&Tally::unclear, "unclear", *error);
    // Where the new file stands but may not last, the message has to say so.
    if (error && !is_old && error->find("new file stands") == std::string::npos)
      wrong(&Tally::damaged, "replaced", *error);
    if (folder.names().size() > (there ? 1u : 0u) && !stays)
      wrong(&Tally::litter, "litter", folder.names()[0]);
    for (const std::string& name : folder.names()) std::filesystem::remove(folder.file(name));
    cases.tally.failures += error.has_value();
  }
}

void check_files(Report& report) {
  Generator generator(1);
  nn::Model model(nn::Sequential{nn::Dense(3, 4, generator), nn::ELU(), nn::Dense(4, 2, generator)}, {3});
  const std::vector<std::pair<std::string_view, Save>> saves{
      {"write_file_atomically", [](const std::string& path) { io::write_file_atomically(path, "new"); }},
      {"save_model", [&](const std::string& path) { nn::save_model(model, path); }}};
  for (const auto& [name, save] : saves) {
    Cases cases(report, name);
    for (const Mode& mode : modes()) {
      for (const bool was_there : {true, false}) fail_each_call_of(save, was_there, mode, cases);
    }
    cases.print();
  }
}

// --- a run -----------------------------------------------------------------------------------------------------------

// A run of one epoch, that is to go on with a second one: files before and after.
class RunCase {
 public:
  RunCase() : run_(folder_) {
    run_.train({.epochs = 1, .report = true});
    std::filesystem::copy(run_.out(), folder_.file("before"));
    old_best_ = run_.file("best.safetensors");
    old_last_ = run_.file("last.safetensors");
    run_.train({.epochs = 2, .resume = true, .report = true});
    expected_ = run_.outcome();
    expected_report_ = run_.file("report.html");
    new_best_ = run_.file("best.safetensors");
  }

  // Whether there was such a call.
  bool fail(const Mode& mode, std::int64_t at, Cases& cases) {
    std::filesystem::remove_all(run_.out());
    std::filesystem::copy(folder_.file("before"), run_.out());
    Fault fault = mode.fault;
    fault.at = at;
    std::optional<std::string> error;
    std::string call;
    bool stays = false;
    {
      const FileCalls calls(run_.out(), fault);
      try {
        run_.train({.epochs = 2, .resume = true, .report = true});
      } catch (const std::exception& failure) {
        error = failure.what();
      }
      if (calls.failed().empty()) return false;
      call = calls.failed();
      stays = calls.removal_failed();
    }
    judge(mode, at, call, error, stays, cases);
    return true;
  }

 private:
  void judge(const Mode& mode, std::int64_t at, const std::string& call,
             const std::optional<std::string>& error, bool stays, Cases& cases) {
    ++cases.tally.cases;
    cases.tally.failures += error.has_value();
    const auto wrong = [&](std::uint64_t Tally::*what, std::string_view name, std::string_view why) {
      cases.wrong(what, name, mode, at, call, why);
    };
    if (!run_.temporaries().empty() && !stays) wrong(&Tally::litter, "litter", run_.temporaries()[0]);
    if (!error) {
      const bool whole = run_.outcome() == expected_ && run_.file("report.html") == expected_report_;
      if (!whole) wrong(&Tally::silent, "silent", "returned");
      return;
    }
    if (!is_failure(mode)) wrong(&Tally::not_survived, "not survived", *error);
    if (!clear(*error, run_.out())) wrong(&Tally::unclear, "unclear", *error);
    const std::string best = run_.file("best.safetensors"), last = run_.file("last.safetensors");
    if (best != old_best_ && best != new_best_) wrong(&Tally::damaged, "damaged", "best.safetensors");
    go_on(wrong);
  }

  template <class Wrong>
  void go_on(const Wrong& wrong) {
    try {
      run_.train({.epochs = 2, .resume = true, .report = true});
    } catch (const std::exception& failure) {
      return wrong(&Tally::lost, "not resumed", failure.what());
    }
    if (run_.outcome() != expected_) wrong(&Tally::lost, "another outcome", "after the resume");
  }

  test::TempDir folder_;
  SmallRun run_;
  std::string old_best_, new_best_, old_last_, expected_, expected_report_;
};

void check_run(const Scale& scale, Report& report) {
  // Pictures are gnuplot's, which is started each time; what there is in the report without them will do.
  const std::string path = std::getenv("PATH");
  ::setenv("PATH", "", 1);
  Cases cases(report, "run");
  RunCase run;
  for (const Mode& mode : modes()) {
    const bool quick = mode.fault.for_ever == (mode.fault.failure != Failure::no_space);
    if (!scale.full && !quick) continue;
    for (std::int64_t at = 0; at < most_calls && run.fail(mode, at, cases); ++at) {
    }
  }
  ::setenv("PATH", path.c_str(), 1);
  cases.print();
  report.exactly("run: not gone on from to the same files", cases.tally.lost, 0);
}

// --- the command -----------------------------------------------------------------------------------------------------

test::Outcome train_with_limit(const Scale& scale, const SmallRun& run, const std::string& blocks,
                               const char* more) {
  return test::run_program(
      "/bin/sh", {"-c", "ulimit -f " + blocks + "; exec \"$@\"", "sh", scale.rill, "train", run.config(),
                  "--no-report", "--quiet", "--epochs", "2", more});
}

// The command where no file can grow beyond a limit, for limits from nothing to what it needs: real errors of the system.
void check_command(const Scale& scale, Report& report) {
  const test::TempDir folder;
  const SmallRun run(folder);
  if (train_with_limit(scale, run, "unlimited", "--overwrite").status != 0)
    throw std::runtime_error("rill train failed without a limit");
  const std::string expected = run.outcome();
  std::uint64_t failed = 0, status = 0, words = 0, litter = 0, lost = 0;
  for (int blocks = 0; blocks < 1000; ++blocks, ++failed) {
    std::filesystem::remove_all(run.out());
    const test::Outcome outcome = train_with_limit(scale, run, std::to_string(blocks), "--overwrite");
    if (outcome.status == 0) break;
    status += outcome.status != 1;
    const auto lines = std::count(outcome.output.begin(), outcome.output.end(), '\n');
    const bool good = lines == 1 && outcome.says(run.out()) && !outcome.says("saved");
    if (!good && words++ == 0) report.detail(fmt::format("{} blocks: {}", blocks, outcome.output));
    litter += run.temporaries().size();
    const bool begun = std::filesystem::exists(run.checkpoint());
    const test::Outcome again = train_with_limit(scale, run, "unlimited", begun ? "--resume" : "--overwrite");
    if ((again.status != 0 || run.outcome() != expected) && lost++ == 0)
      report.detail(fmt::format("{} blocks, again: {}", blocks, again.output));
  }
  report.at_least("command: runs with a limit on the size of files, that failed", failed, 5);
  report.exactly("command: exit status other than 1", status, 0);
  report.exactly("command: not one line that names a file, or the word \"saved\"", words, 0);
  report.exactly("command: temporary files left", litter, 0);
  report.exactly("command: not gone on from to the same files", lost, 0);
}

}  // namespace

void check_io_faults(const Scale& scale, Report& report) {
  report.begin("K3");
  const FoldersInMemory in_memory;
  check_files(report);
  check_run(scale, report);
  check_command(scale, report);
}

}  // namespace rill::trust
