// D1: a training by the rill command, repeated in processes of their own with other thread counts, other settings of
// OpenBLAS and OpenMP, and beside busy threads. What it leaves is one and the same, byte by byte: weights, optimizer
// state, logs. timing.csv alone may differ.
#include <atomic>
#include <filesystem>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <zlib.h>

#include "../subprocess.hpp"
#include "../temp_dir.hpp"
#include "checks.hpp"

namespace rill::trust {
namespace {

// Whatever has a random stream or an order: shuffling, augmentation, dropout, batch norm, products of several tiles.
constexpr std::string_view run_config = R"({
  "rill": 1, "seed": 7,
  "model": { "rill": 1, "input_shape": [28, 28], "layers": [
    { "type": "flatten" },
    { "type": "dense", "units": 200, "bias": false }, { "type": "batch_norm" }, { "type": "elu" },
    { "type": "dropout", "p": 0.2 },
    { "type": "dense", "units": 70 }, { "type": "prelu" },
    { "type": "dense", "units": 10 } ] },
  "data": { "format": "drawn_digits", "train": 2000, "test": 300, "augment": { "shift": 1 } },
  "loss": "cross_entropy",
  "optimizer": { "type": "adam", "lr": 0.002 },
  "training": { "epochs": 2, "batch_size": 96 }
})";

/// Threads that compute until this ends.
class Load {
 public:
  explicit Load(int threads) {
    for (int i = 0; i < threads; ++i)
      workers_.emplace_back([this] {
        while (!done_.load(std::memory_order_relaxed)) {
        }
      });
  }
  ~Load() {
    done_ = true;
    for (std::thread& worker : workers_) worker.join();
  }
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

 private:
  std::atomic<bool> done_{false};
  std::vector<std::thread> workers_;
};

struct Setting {
  int threads = 1;
  int openblas = 1;
  int openmp = 1;
};

/// The bytes of everything that a run in `folder` wrote, apart from its times. The name of the folder is part of them.
std::string train(const Scale& scale, const test::TempDir& folder, const Setting& setting) {
  const std::string out = folder.file("out");
  std::filesystem::remove_all(out);
  const test::Outcome outcome = test::run_program(
      scale.rill,
      {"train", folder.file("run.json"), "--out", out, "--threads", std::to_string(setting.threads)},
      {{"OPENBLAS_NUM_THREADS", std::to_string(setting.openblas)},
       {"OMP_NUM_THREADS", std::to_string(setting.openmp)}});
  if (outcome.status != 0) throw std::runtime_error("rill train failed: " + outcome.output);
  std::string bytes;
  for (const char* name : {"log.csv", "log.jsonl", "last.safetensors", "best.safetensors"})
    bytes += folder.read(std::string("out/") + name);
  return bytes;
}

}  // namespace

void check_determinism(const Scale& scale, Report& report) {
  report.begin("D1");
  const test::TempDir folder;
  folder.write("run.json", run_config);
  std::set<std::string> outcomes;
  std::uint64_t runs = 0;
  const auto record = [&](const Setting& setting) {
    ++runs;
    if (outcomes.insert(train(scale, folder, setting)).second && outcomes.size() > 1)
      report.detail(fmt::format("another outcome: --threads {}, OPENBLAS_NUM_THREADS={}, OMP_NUM_THREADS={}",
                                setting.threads, setting.openblas, setting.openmp));
  };
  const std::vector<int> blas = scale.full ? std::vector<int>{1, 2, 4} : std::vector<int>{4};
  for (int repeat = 0; repeat < scale.of(1, 3); ++repeat) {
    for (const int threads : {1, 2, 3, 4, 8})
      for (const int openblas : blas) record({.threads = threads, .openblas = openblas, .openmp = openblas});
    const Load busy(2);
    for (const int threads : {2, 3, 8}) record({.threads = threads, .openblas = 2, .openmp = 1});
  }
  report.at_least("trainings, 1 to 8 threads, any OpenBLAS and OpenMP setting, busy", runs, 8);
  const std::string log = folder.read("out/log.csv");
  report.count("crc32 of log.csv, to compare builds and machines by",
               ::crc32(0, reinterpret_cast<const Bytef*>(log.data()), static_cast<uInt>(log.size())));
  report.exactly("different contents of weights, optimizer state and logs", outcomes.size(), 1);
}

}  // namespace rill::trust
