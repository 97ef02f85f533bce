// Regressions of faults: what writes that fail, and processes that are killed, leave behind. `make trust` looks for more.
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include <stdexcept>

#include <rill/core/io/append.hpp>
#include <rill/core/io/file.hpp>
#include <rill/optim/run/run.hpp>

#include "temp_dir.hpp"

namespace {

using namespace rill;
using io::AppendFile;
using test::TempDir;
using Names = std::vector<std::string>;

#define CHECK_ERROR(expression, text) CHECK_THROWS_WITH_AS(expression, std::string(text).c_str(), Error)

TEST_CASE("append_file: a file grows, is gone on from, and cut") {
  const TempDir dir;
  AppendFile file(dir.file("x"));
  file.append("one\n");
  CHECK(dir.read("x") == "one\n");
  file = AppendFile(dir.file("x"));
  file.append("two\n");
  file.sync();
  CHECK(dir.read("x") == "one\ntwo\n");
  file.cut(4);
  file.append("2\n");
  file.close();
  CHECK_FALSE(file.is_open());
  CHECK(dir.read("x") == "one\n2\n");
}

TEST_CASE("append_file: of a file that was cut while it was written the complete lines are read") {
  const TempDir dir;
  using io::complete_lines;
  CHECK(complete_lines(dir.file("missing")) == Names{});
  CHECK(complete_lines(dir.write("x", "")) == Names{});
  CHECK(complete_lines(dir.write("x", "half")) == Names{});
  CHECK(complete_lines(dir.write("x", "one\n\nthr")) == Names{"one", ""});
  CHECK(complete_lines(dir.write("x", "one\ntwo\n")) == Names{"one", "two"});
  CHECK_ERROR(complete_lines(dir.path()), dir.path() + ": is a directory, expected a file");
}

TEST_CASE("append_file: a missing folder and a full disk are told of") {
  CHECK_ERROR(
      AppendFile("/no/such/x"),
      "/no/such/x: open failed (No such file or directory), expected a writable file in a folder that "
      "exists");
  CHECK_ERROR(AppendFile("/dev/full").append("x"),
              "/dev/full: write failed (No space left on device), expected room on the disk");
}

TEST_CASE("append_file: a piece that finds no room for all of it is taken back") {
  const TempDir dir;
  AppendFile file(dir.file("x"));
  file.append("one\n");
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  const auto handler = ::signal(SIGXFSZ, SIG_IGN);
  const rlimit limit{100, before.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &limit);
  std::string message;
  try {
    file.append(std::string(200, 'x'));
  } catch (const Error& error) {
    message = error.what();
  }
  ::setrlimit(RLIMIT_FSIZE, &before);
  ::signal(SIGXFSZ, handler);
  CHECK(message == dir.file("x") + ": write failed (File too large), expected room on the disk");
  CHECK(dir.read("x") == "one\n");
}

TEST_CASE("file: what killed writers have left is removed without a write, what a living one holds is not") {
  const TempDir dir;
  dir.write(".x.tmp", "half");
  dir.write(".x.tmp1", "half");
  dir.write(".y.tmp", "half");
  io::remove_stale_temporaries(dir.file("x"));
  CHECK(dir.names() == Names{".y.tmp"});
  const int held = ::open(dir.file(".y.tmp").c_str(), O_RDONLY | O_CLOEXEC);
  REQUIRE(::flock(held, LOCK_EX | LOCK_NB) == 0);
  io::remove_stale_temporaries(dir.file("y"));
  CHECK(dir.names() == Names{".y.tmp"});
  ::close(held);
}

// Stands for a piece of text for which a stream finds no memory: it throws nothing, but takes no more.
struct TooLong {
  friend std::ostream& operator<<(std::ostream& out, const TooLong&) {
    out.setstate(std::ios::badbit);
    return out;
  }
};

TEST_CASE("error: what is joined is whole, or there is an exception") {
  CHECK(rill::detail::concat("a", 1, "b") == "a1b");
  CHECK_THROWS_AS(rill::detail::concat("a", TooLong(), "b"), std::exception);
}

constexpr const char* small_run = R"({ "rill": 1, "seed": 3,
  "model": { "rill": 1, "input_shape": [28, 28],
    "layers": [ { "type": "flatten" }, { "type": "dense", "units": 8 }, { "type": "relu" }, { "type": "dense", "units": 10 } ] },
  "data": { "format": "drawn_digits", "train": 80, "test": 20 },
  "loss": "cross_entropy", "optimizer": { "type": "adam" }, "monitor": { "every": 2, "probe_samples": 20 },
  "training": { "epochs": 2, "batch_size": 10, "checkpoint": { "every_steps": 5 } } })";

optim::RunConfig run_in(const TempDir& folder, const std::string& name) {
  return optim::parse_run(small_run, "run.json", {"out=" + folder.file(name)});
}

// A run that ends without a chance to write anything behind its `last` step.
void killed_run(const optim::RunConfig& config, int last) {
  int steps = 0;
  const auto kill = [&] {
    if (++steps == last) throw std::runtime_error("killed");
    return false;
  };
  CHECK_THROWS_WITH_AS(optim::run_training(config, {.interrupted = kill, .report = false}), "killed",
                       std::runtime_error);
}

TEST_CASE("run: health.csv of a run that is killed within an epoch lacks no report") {
  const TempDir folder;
  optim::run_training(run_in(folder, "whole"), {.report = false});
  killed_run(run_in(folder, "killed"), 7);  // the checkpoint is that of step 5
  optim::run_training(run_in(folder, "killed"),
                      {.resume = folder.file("killed/last.safetensors"), .report = false});
  CHECK(folder.read("killed/health.csv") == folder.read("whole/health.csv"));
}

TEST_CASE("run: a run that goes on removes what a killed one has left half written") {
  const TempDir folder;
  killed_run(run_in(folder, "run"), 7);
  for (const char* name : {".best.safetensors.tmp", ".last.safetensors.tmp", ".report.html.tmp"})
    folder.write(std::string("run/") + name, "half");
  optim::run_training(run_in(folder, "run"),
                      {.resume = folder.file("run/last.safetensors"), .report = false});
  for (const auto& entry : std::filesystem::directory_iterator(folder.file("run")))
    CHECK_FALSE(entry.path().filename().string().starts_with('.'));
}

}  // namespace
