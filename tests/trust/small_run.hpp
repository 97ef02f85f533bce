// A run of some milliseconds that has everything: shuffling, dropout, batch norm, an optimizer with a state, logs, health
// reports, checkpoints within epochs. Trained here, or from the same files by the rill command.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <rill/optim/run/run.hpp>

#include "../temp_dir.hpp"

namespace rill::trust {

struct SmallRunOptions {
  std::int64_t epochs = 2;
  bool resume = false, report = false;
  std::function<bool()> interrupted = {};
};

/// Three steps an epoch; a checkpoint after every second step and every epoch.
class SmallRun {
 public:
  static constexpr std::int64_t steps = 3;

  /// Writes run.json and its data into `folder`; the run's own folder is "out" in it.
  explicit SmallRun(const test::TempDir& folder) : folder_(folder) {
    std::string table = "a,b,c,kind\n";
    for (int i = 0; i < 30; ++i)
      table += std::to_string(i % 7) + "." + std::to_string(i * 37 % 10) + "," + std::to_string(i * i % 11) +
               "," + std::to_string(3 - i % 4) + "," + (i * 5 % 3 == 1 ? "yes" : "no") + "\n";
    const std::string data = folder.write("data.csv", table);
    config_ = folder.write("run.json", R"({"rill": 1, "seed": 5,
      "model": {"rill": 1, "input_shape": [3], "layers": [{"type": "dense", "units": 6}, {"type": "batch_norm"},
                {"type": "elu"}, {"type": "dropout", "p": 0.2}, {"type": "dense", "units": 2}]},
      "data": {"format": "csv", "path": ")" +
                                           data + R"(", "target": "kind", "validation": 0.2},
      "loss": "cross_entropy", "optimizer": {"type": "adam", "lr": 0.01},
      "training": {"batch_size": 8, "checkpoint": {"every_steps": 2}}, "monitor": {"every": 2},
      "out": ")" + folder.file("out") + "\"}");
  }

  const std::string& config() const { return config_; }
  std::string out() const { return folder_.file("out"); }
  std::string checkpoint() const { return out() + "/last.safetensors"; }

  optim::RunResult train(const SmallRunOptions& options = {}) const {
    const optim::RunConfig config =
        optim::load_run(config_, {"training.epochs=" + std::to_string(options.epochs)});
    return optim::run_training(config, {.interrupted = options.interrupted,
                                        .resume = options.resume ? checkpoint() : "",
                                        .report = options.report});
  }

  /// The bytes of a file in the run's folder; empty if there is none.
  std::string file(const std::string& name) const {
    std::ifstream in(out() + "/" + name, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  /// The bytes of all that a run writes, apart from its times and its report.
  std::string outcome() const {
    std::string bytes;
    for (const char* name :
         {"config.json", "log.csv", "log.jsonl", "health.csv", "last.safetensors", "best.safetensors"})
      bytes += std::string(name) + ":" + file(name) + "\n";
    return bytes;
  }

  /// The temporary files in the run's folder.
  std::vector<std::string> temporaries() const {
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(out())) {
      if (entry.path().filename().string().starts_with('.')) found.push_back(entry.path().filename());
    }
    return found;
  }

 private:
  const test::TempDir& folder_;
  std::string config_;
};

}  // namespace rill::trust
