// D2: a run that is stopped behind any of its steps and resumed with another number of threads leaves the bytes of the run
// that was not: weights, optimizer state, logs, the place in the order of the samples and in all random streams.
#include <array>
#include <filesystem>
#include <fstream>
#include <string>

#include <fmt/format.h>

#include <rill/optim/run/run.hpp>

#include "../temp_dir.hpp"
#include "../thread_count.hpp"
#include "checks.hpp"
#include "process.hpp"

namespace rill::trust {
namespace {

constexpr std::int64_t steps_an_epoch = 10;

// Layers wide enough to be computed by several threads.
constexpr std::string_view run_text = R"({
  "rill": 1, "seed": 11,
  "model": { "rill": 1, "input_shape": [28, 28], "layers": [
    { "type": "flatten" },
    { "type": "dense", "units": 96, "bias": false }, { "type": "batch_norm" }, { "type": "elu" },
    { "type": "dropout", "p": 0.2 },
    { "type": "dense", "units": 64 }, { "type": "prelu" },
    { "type": "dense", "units": 10 } ] },
  "data": { "format": "drawn_digits", "train": 320, "test": 40, "augment": { "shift": 1 } },
  "loss": "cross_entropy",
  "optimizer": { "type": "adamw", "lr": 0.002 },
  "schedule": { "type": "one_cycle", "max_lr": 0.01 },
  "training": { "batch_size": 32, "prefetch": 1, "early_stopping": { "patience": 100 } },
  "monitor": { "every": 7, "probe_samples": 20 }
})";

class StoppedRun {
 public:
  explicit StoppedRun(std::int64_t epochs)
      : config_(
            optim::parse_run(std::string(run_text), "run.json",
                             {"out=" + folder_.file("out"), "training.epochs=" + std::to_string(epochs)})) {}

  // The bytes of all files but the times, after a run that is stopped behind a step, unless that is 0, and goes on.
  std::string outcome(std::int64_t stop, int threads, int threads_after) {
    std::filesystem::remove_all(config_.out);
    {
      const test::ThreadCount count(threads);
      std::int64_t step = 0;
      optim::run_training(config_,
                          {.interrupted = [&] { return stop > 0 && ++step == stop; }, .report = false});
    }
    if (stop > 0) {
      const test::ThreadCount count(threads_after);
      optim::run_training(config_, {.resume = config_.out + "/last.safetensors", .report = false});
    }
    std::string bytes;
    for (const char* name : {"log.csv", "log.jsonl", "health.csv", "last.safetensors", "best.safetensors"})
      bytes += folder_.read(std::string("out/") + name);
    return bytes;
  }

 private:
  test::TempDir folder_;
  optim::RunConfig config_;
};

}  // namespace

void check_resume(const Scale& scale, Report& report) {
  report.begin("D2");
  const FoldersInMemory in_memory;
  const std::int64_t epochs = scale.of(6, 20), steps = epochs * steps_an_epoch;
  StoppedRun run(epochs);
  const std::string expected = run.outcome(0, 2, 2);
  constexpr std::array thread_counts{1, 2, 3, 4};
  std::uint64_t stops = 0, different = 0;
  for (std::int64_t stop = 1; stop <= steps; ++stop, ++stops) {
    const auto at = static_cast<std::size_t>(stop);
    const int before = thread_counts[at % 4], after = thread_counts[(at + 1 + at / 4 % 3) % 4];
    if (run.outcome(stop, before, after) != expected && different++ == 0)
      report.detail(fmt::format("stopped after step {}, {} threads, then {}", stop, before, after));
  }
  report.exactly("stops of a run, one behind each of its steps", stops, static_cast<std::uint64_t>(steps));
  report.exactly("resumed with other threads, to other weights, state or logs", different, 0);
}

}  // namespace rill::trust
