// Regressions of faults: what writes that fail, and processes that are killed, leave behind. `make trust` looks for more.
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include <stdexcept>

#include <rill/core/io/file.hpp>
#include <rill/optim/run/run.hpp>

#include "temp_dir.hpp"

namespace {

using namespace rill;
using test::TempDir;
using Names = std::vector<std::string>;

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
