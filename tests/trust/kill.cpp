// K1: `kill -9` of a run at random times, again and again. It writes a checkpoint after every second step, so that most of its
// time is spent on files. After each kill the checkpoint can be loaded, and the run goes on from it; in the end it is the run
// that was never killed.
#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>

#include <fmt/format.h>

#include <rill/core/bits.hpp>
#include <rill/core/io/safetensors.hpp>
#include <rill/optim/checkpoint.hpp>

#include "../temp_dir.hpp"
#include "checks.hpp"
#include "process.hpp"
#include "small_run.hpp"

namespace rill::trust {
namespace {

using std::chrono::microseconds;

// More than all processes together get through.
constexpr const char* no_end = "1000000";

struct Killed {
  std::uint64_t kills = 0, resumed = 0, in_a_write = 0, most_stale = 0, unloadable = 0, ended = 0;
};

class KilledRun {
 public:
  KilledRun(const Scale& scale, Report& report) : scale_(scale), report_(report), run_(folder_) {}

  // How long a process takes until it has written a checkpoint.
  void measure() {
    const auto begin = std::chrono::steady_clock::now();
    Process process(arguments(no_end, false), folder_.file("output"));
    while (!std::filesystem::exists(run_.checkpoint())) {
      std::this_thread::sleep_for(microseconds(200));
      if (std::chrono::steady_clock::now() - begin > std::chrono::seconds(60))
        throw std::runtime_error("rill train writes no checkpoint: " + folder_.read("output"));
    }
    start_up_ = std::chrono::duration_cast<microseconds>(std::chrono::steady_clock::now() - begin);
    process.send(SIGKILL);
    process.wait();
  }

  void kill_one(std::mt19937_64& random) {
    Process process(arguments(no_end, true), folder_.file("output"));
    // From a moment in its start to one that lies some checkpoints behind it.
    const std::int64_t longest = 2 * start_up_.count();
    std::this_thread::sleep_for(microseconds(
        longest / 4 + static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(longest))));
    process.send(SIGKILL);
    const int status = process.wait();
    ++found.kills;
    if (status != -SIGKILL && found.ended++ == 0)
      report_.detail(fmt::format("kill {}: ended with {}: {}", found.kills, status, folder_.read("output")));
    const std::size_t temporaries = run_.temporaries().size();
    found.in_a_write += temporaries > 0;
    found.most_stale = std::max<std::uint64_t>(found.most_stale, temporaries);
    try {
      const std::int64_t step = optim::detail::load_checkpoint(run_.checkpoint()).position.step;
      found.resumed += step > step_;
      step_ = step;
    } catch (const Error& error) {
      if (found.unloadable++ == 0) report_.detail(error.what());
    }
  }

  // Lets the run end, and compares it with one that was not killed.
  void finish() {
    const std::int64_t epochs = step_ / SmallRun::steps + 2;
    Process last(arguments(std::to_string(epochs), true), folder_.file("output"));
    if (last.wait() != 0) throw std::runtime_error("the killed run does not end: " + folder_.read("output"));
    left_ = run_.temporaries().size();
    const test::TempDir other;
    const SmallRun whole(other);
    whole.train({.epochs = epochs});
    same_ = run_.file("log.csv") == whole.file("log.csv") &&
            run_.file("log.jsonl") == whole.file("log.jsonl") &&
            run_.file("health.csv") == whole.file("health.csv") && same_tensors("last", whole) &&
            same_tensors("best", whole);
    steps_ = step_;
  }

  void print() {
    report_.exactly("processes killed at random times", found.kills,
                    static_cast<std::uint64_t>(scale_.of(60, 1000)));
    report_.at_least("of these, had come further than the one before", found.resumed, 1);
    report_.count("of these, were writing a file", found.in_a_write);
    report_.exactly("checkpoints that cannot be loaded", found.unloadable, 0);
    report_.exactly("processes that ended by themselves", found.ended, 0);
    report_.at_most("temporary files at once, after a kill", static_cast<double>(found.most_stale), 1);
    report_.at_most("temporary files left when the run has ended", static_cast<double>(left_), 0);
    report_.count("steps of the run", static_cast<std::uint64_t>(steps_));
    report_.exactly("weights, state or logs other than those of a run without kills", same_ ? 0 : 1, 0);
  }

  Killed found;

 private:
  std::vector<std::string> arguments(const std::string& epochs, bool resume) const {
    return {scale_.rill,   "train",    run_.config(), "--quiet",
            "--no-report", "--epochs", epochs,        resume ? "--resume" : "--overwrite"};
  }

  // The files name the number of epochs and the folder, which differ.
  bool same_tensors(const std::string& name, const SmallRun& other) const {
    const auto own = io::load_safetensors(run_.out() + "/" + name + ".safetensors");
    const auto whole = io::load_safetensors(other.out() + "/" + name + ".safetensors");
    if (own.tensors.size() != whole.tensors.size()) return false;
    for (std::size_t i = 0; i < own.tensors.size(); ++i) {
      if (own.tensors[i].first != whole.tensors[i].first ||
          !rill::detail::same_bits(own.tensors[i].second, whole.tensors[i].second))
        return false;
    }
    return true;
  }

  const Scale& scale_;
  Report& report_;
  test::TempDir folder_;
  SmallRun run_;
  microseconds start_up_{0};
  std::int64_t step_ = 0, steps_ = 0;
  std::size_t left_ = 0;
  bool same_ = false;
};

}  // namespace

void check_kill(const Scale& scale, Report& report) {
  report.begin("K1");
  const FoldersInMemory in_memory;
  KilledRun run(scale, report);
  run.measure();
  std::mt19937_64 random(scale.seed);
  for (int i = 0; i < scale.of(60, 1000); ++i) run.kill_one(random);
  run.finish();
  run.print();
}

}  // namespace rill::trust
